/**
 * Questions about Pixel-LLM with the documentation's answers. Every fact can be asked in many ways: how the request begins, how the thing is
 * said, how it ends. Some of these ways are never learned and only asked, so that what is tested is understanding another wording.
 */
import { choiceSource } from '../../core/random.ts';
import { PROJECT_FACTS } from './project-facts.ts';

export interface DocsExample {
  readonly prompt: string;
  readonly completion: string;
}

const BEGINNINGS = [
  'Tell me',
  'Please tell me',
  'Can you tell me',
  'Could you say',
  'I want to know',
  'I would like to know',
  'Do you know',
  'Please explain',
  'Say',
  'Explain',
  'Help me understand',
  'My friend asks',
];
const ENDINGS = ['.', '?', ', please.', ' in one sentence.', ' in short.'];

/** One in so many wordings is held out. */
const HELD_OUT = 6;

/** The example of a number is a function of seed and number. `heldOut`: in a wording that is otherwise never used. */
export function writeDocs(seed: number, example: number, heldOut = false): DocsExample {
  const below = choiceSource(seed, example);
  for (;;) {
    const fact = below(PROJECT_FACTS.length);
    const { asks, answer } = PROJECT_FACTS[fact]!;
    const [beginning, ask, ending] = [below(BEGINNINGS.length), below(asks.length), below(ENDINGS.length)];
    if (isHeldOut(fact, beginning, ask, ending) !== heldOut) continue;
    return { prompt: `${BEGINNINGS[beginning]} ${asks[ask]}${ENDINGS[ending]}`, completion: answer };
  }
}

/** A latin square over the parts: each part, and each pair of parts, is learned in other company. */
function isHeldOut(fact: number, beginning: number, ask: number, ending: number): boolean {
  return (fact + beginning + 2 * ask + 3 * ending) % HELD_OUT === 0;
}
