/**
 * A grammar is one function that writes by making choices. Run forwards, it writes a text; run along a given text, it says whether
 * the text could have been written, and how likely it was. So what judges a text cannot drift from what writes it.
 */
import { choiceSource } from '../../core/random.ts';

/** What a grammar's function writes with. Every choice is uniform. */
export interface Writer {
  /** A choice whose words come now or later. */
  choose<Item>(options: readonly Item[]): Item;
  write(text: string): void;
}

export type Grammar = (writer: Writer) => void;

/** The text of one example: a function of seed and number alone. */
export function writeText(grammar: Grammar, seed: number, example: number): string {
  const next = choiceSource(seed, example);
  let text = '';
  grammar({
    choose: (options) => options[next(options.length)]!,
    write: (part) => {
      text += part;
    },
  });
  return text;
}

export interface Judgement {
  /** -ln of the probability that the grammar writes exactly this. */
  readonly nats: number;
}

/** More steps than any text of a sane grammar takes; an endless search ends here. */
const MOST_STEPS = 100_000;

class Mismatch extends Error {}

/**
 * How likely the grammar writes the text, over all ways to write it; undefined when it never does. The search tries options in order and
 * gives a way up at the first word that differs.
 */
export function judgeText(grammar: Grammar, text: string): Judgement | undefined {
  let choices: { taken: number; options: number }[] = [];
  let probability = 0;
  for (let steps = 0; steps < MOST_STEPS; steps++) {
    const found = followText(grammar, text, choices);
    if (found !== undefined) probability += Math.exp(-found);
    while (choices.length > 0 && choices.at(-1)!.taken + 1 >= choices.at(-1)!.options) choices.pop();
    const last = choices.at(-1);
    if (!last) break;
    choices = [...choices.slice(0, -1), { ...last, taken: last.taken + 1 }];
  }
  return probability > 0 ? { nats: -Math.log(probability) } : undefined;
}

/** Writes along the text with the choices given, then the first options; leaves in `choices` all it came to. */
function followText(grammar: Grammar, text: string, choices: { taken: number; options: number }[]): number | undefined {
  let at = 0;
  let made = 0;
  let nats = 0;
  try {
    grammar({
      choose(options) {
        if (made === choices.length) choices.push({ taken: 0, options: options.length });
        nats += Math.log(options.length);
        return options[choices[made++]!.taken]!;
      },
      write(part) {
        if (!text.startsWith(part, at)) throw new Mismatch();
        at += part.length;
      },
    });
  } catch (error) {
    if (error instanceof Mismatch) return undefined;
    throw error;
  }
  return at === text.length ? nats : undefined;
}
