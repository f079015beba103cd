/**
 * The format of StepGame (Shi, Zhang and Lipani, AAAI 2022): an object of examples, each with the sentences of its story, the question, and the
 * label, one of nine relations. Names are single capital letters.
 */
import { z } from 'zod';
import { PixelError } from '../../core/errors.ts';
import { type Question, withSteps } from './question.ts';
import { type Link, type Placed, type Point, placingSteps } from './search-steps.ts';

const fileSchema = z.record(
  z.string(),
  z.object({ story: z.array(z.string()).min(1), question: z.string(), label: z.string().min(1) }),
);

/** Labels, and where they lead: x to the right, y upwards. */
const RELATIONS: readonly { readonly label: string; readonly x: number; readonly y: number }[] = [
  { label: 'left', x: -1, y: 0 },
  { label: 'right', x: 1, y: 0 },
  { label: 'above', x: 0, y: 1 },
  { label: 'below', x: 0, y: -1 },
  { label: 'upper-left', x: -1, y: 1 },
  { label: 'upper-right', x: 1, y: 1 },
  { label: 'lower-left', x: -1, y: -1 },
  { label: 'lower-right', x: 1, y: -1 },
  { label: 'overlap', x: 0, y: 0 },
];
const NAME = /\b[A-Z]\b/g;
const ASKED = /\bagent ([A-Z]) to the agent ([A-Z])\b/;

/** A question, and the sentences of its story one by one. */
export interface StepgameQuestion extends Question {
  readonly sentences: readonly string[];
}

/** Throws `bad-data`, naming the example. */
export function parseStepgame(name: string, content: string): StepgameQuestion[] {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (cause) {
    throw new PixelError('bad-data', `${name} is not JSON: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new PixelError('bad-data', `${name}: ${issue?.path.join('.') || 'the file'}: ${issue?.message}`);
  }
  const questions = Object.values(parsed.data).map(({ story, question, label }) => {
    return { story: story.join(' '), sentences: story, question, answer: label, kind: `k = ${story.length}` };
  });
  if (questions.length === 0) throw new PixelError('bad-data', `${name} has no examples.`);
  return questions;
}

/**
 * What each form of a sentence says, as the questions with one sentence show it: "1 is above 2." is answered `above` by most. So steps need no
 * grammar but the data themselves.
 */
export class SentenceForms {
  readonly #meanings = new Map<string, { readonly x: number; readonly y: number }>();

  /** Learns from the questions that have one sentence. */
  constructor(questions: readonly StepgameQuestion[]) {
    const votes = new Map<string, Map<string, number>>();
    for (const { sentences, question, answer } of questions) {
      const [, thing, from] = ASKED.exec(question) ?? [];
      const form = sentences.length === 1 ? formOf(sentences[0]!) : undefined;
      const relation = RELATIONS.find(({ label }) => label === answer);
      if (!form || !relation || !thing || !from || !form.names.includes(thing) || !form.names.includes(from)) continue;
      const sign = form.names[0] === thing ? 1 : -1;
      const counts = votes.get(form.text) ?? new Map<string, number>();
      const key = `${sign * relation.x} ${sign * relation.y}`;
      votes.set(form.text, counts.set(key, (counts.get(key) ?? 0) + 1));
    }
    for (const [text, counts] of votes) {
      const [most = ''] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? [];
      const [x = 0, y = 0] = most.split(' ').map(Number);
      this.#meanings.set(text, { x, y });
    }
  }

  /** How many there are. */
  get size(): number {
    return this.#meanings.size;
  }

  /** The answer behind the search that finds it; the answer alone where a form is unknown, or the places contradict the label. */
  answerWithSteps({ sentences, question, answer }: StepgameQuestion): string {
    const placed = this.#place(sentences, question);
    return placed && labelOf(placed.end) === answer ? withSteps(placed.steps, answer) : answer;
  }

  /** What follows from the forms; undefined where they do not say it. */
  answerTo(sentences: readonly string[], question: string): string | undefined {
    const placed = this.#place(sentences, question);
    return placed && labelOf(placed.end);
  }

  knows(sentence: string): boolean {
    return this.#link(sentence) !== undefined;
  }

  #place(sentences: readonly string[], question: string): Placed | undefined {
    const [, thing = '', from = ''] = ASKED.exec(question) ?? [];
    const links = sentences.flatMap((sentence) => this.#link(sentence) ?? []);
    return links.length === sentences.length ? placingSteps(links, from, thing, labelOf) : undefined;
  }

  #link(sentence: string): Link | undefined {
    const form = formOf(sentence);
    const meaning = form && this.#meanings.get(form.text);
    return form && meaning && { thing: form.names[0], word: labelOf(meaning), from: form.names[1], ...meaning };
  }
}

/** A sentence with its two names numbered as they come, or undefined for one with fewer or more. */
function formOf(sentence: string): { readonly text: string; readonly names: readonly [string, string] } | undefined {
  const [first, second, ...more] = new Set(sentence.match(NAME));
  if (!first || !second || more.length > 0) return undefined;
  return { text: sentence.replace(NAME, (name) => (name === first ? '1' : '2')), names: [first, second] };
}

function labelOf({ x, y }: Point): string {
  return RELATIONS.find((relation) => relation.x === Math.sign(x) && relation.y === Math.sign(y))!.label;
}

/** Of the lines of `Retellings`, one in so many is a question as it stood, with other letters. */
const AS_IT_STOOD = 4;

/**
 * Questions told anew: with other letters, and mostly with their sentences in new company, since the stories of a file are few beside all that its
 * sentences can tell. Labels of new stories follow from what the forms say.
 */
export class Retellings {
  readonly #questions: readonly StepgameQuestion[];
  readonly #forms: SentenceForms;
  readonly #sentences: readonly string[];

  constructor(questions: readonly StepgameQuestion[], forms: SentenceForms) {
    this.#questions = questions;
    this.#forms = forms;
    this.#sentences = questions.flatMap(({ sentences }) => sentences).filter((sentence) => forms.knows(sentence));
  }

  /** One of them, chosen by `below`, a source of whole numbers; as long as one of the questions. */
  draw(below: (bound: number) => number): StepgameQuestion {
    const model = this.#questions[below(this.#questions.length)]!;
    const isNew = below(AS_IT_STOOD) > 0 && this.#sentences.length > 0 && ASKED.test(model.question);
    return renamed(isNew ? this.#compose(model, below) : model, below);
  }

  /** A chain of things A, B, ... with a sentence for each neighbour, in any order; two of the things are asked about. */
  #compose(model: StepgameQuestion, below: (bound: number) => number): StepgameQuestion {
    const things = Array.from({ length: model.sentences.length + 1 }, (_, i) => String.fromCharCode(65 + i));
    const sentences: string[] = [];
    for (let i = 0; i + 1 < things.length; i++) {
      const sentence = this.#sentences[below(this.#sentences.length)]!;
      const pair = below(2) === 0 ? [things[i]!, things[i + 1]!] : [things[i + 1]!, things[i]!];
      sentences.splice(below(i + 1), 0, withNames(sentence, pair));
    }
    const thing = below(things.length);
    const from = (thing + 1 + below(things.length - 1)) % things.length;
    const question = model.question.replace(ASKED, `agent ${things[thing]} to the agent ${things[from]}`);
    const answer = this.#forms.answerTo(sentences, question) ?? model.answer;
    return { ...model, sentences, story: sentences.join(' '), question, answer };
  }
}

/** The sentence with other names, in the order in which its own come. */
function withNames(sentence: string, names: readonly string[]): string {
  const own = [...new Set(sentence.match(NAME))];
  return sentence.replace(NAME, (name) => names[own.indexOf(name)]!);
}

/** The question with its letters exchanged for others, alike everywhere. `below` gives whole numbers below a bound. */
export function renamed(asked: StepgameQuestion, below: (bound: number) => number): StepgameQuestion {
  const left = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];
  const names = new Map<string, string>();
  const rename = (text: string): string =>
    text.replace(NAME, (name) => {
      const known = names.get(name) ?? left.splice(below(left.length), 1)[0]!;
      names.set(name, known);
      return known;
    });
  const sentences = asked.sentences.map(rename);
  return { ...asked, sentences, story: sentences.join(' '), question: rename(asked.question) };
}
