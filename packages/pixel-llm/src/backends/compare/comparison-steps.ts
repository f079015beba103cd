/** What two devices are given to compute: a prompt, a token after it, and two sequences in one batch. */
import { PixelError } from '../../core/errors.ts';
import type { Program } from '../../program/program.ts';
import type { Batch, SamplingSettings } from '../types.ts';

export interface ComparisonStep {
  /** For people. */
  readonly what: string;
  readonly batch: Batch;
}

export interface ComparisonSteps {
  readonly steps: readonly ComparisonStep[];
  readonly pageCount: number;
}

/** Tokens that the steps after the prompt add to its sequence. */
const AFTER_PROMPT = 2;
/** Tokens of the second sequence. */
const SECOND_SEQUENCE = 5;

/** Throws `bad-argument` for a prompt that is empty or longer than the context. */
export function comparisonSteps(program: Program, prompt: readonly number[], pageTokens: number): ComparisonSteps {
  const most = program.contextLength - AFTER_PROMPT;
  if (prompt.length < 1 || prompt.length > most) {
    throw new PixelError('bad-argument', `A comparison takes 1 to ${most} tokens, not ${prompt.length}.`);
  }
  const stray = prompt.find((token) => !(Number.isInteger(token) && token >= 0 && token < program.vocab));
  if (stray !== undefined) {
    throw new PixelError('bad-argument', `Token ${stray} is not in the model's vocabulary of ${program.vocab} tokens.`);
  }
  const pageCount = Math.ceil((prompt.length + AFTER_PROMPT) / pageTokens) + 1;
  // Backwards, so that a device that takes pages in order is found out; the first page is the second sequence's.
  const first = Array.from({ length: pageCount - 1 }, (_, page) => pageCount - 1 - page);
  const pages = [first, [0]];
  const token = (index: number): number => prompt[index % prompt.length]!;
  const entries = (sequence: number, start: number, count: number): Entry[] =>
    Array.from({ length: count }, (_, i) => ({ sequence, position: start + i, token: token(start + i) }));
  const second = Math.min(SECOND_SEQUENCE, most, pageTokens);
  const step = (what: string, list: readonly Entry[]): ComparisonStep => ({ what, batch: batchOf(list, pages) });
  const steps = [
    step(`a prompt of ${prompt.length} ${prompt.length === 1 ? 'token' : 'tokens'}`, entries(0, 0, prompt.length)),
    step('one token after it', entries(0, prompt.length, 1)),
    step('two sequences at once', [...entries(0, prompt.length + 1, 1), ...entries(1, 0, second)]),
  ];
  return { steps, pageCount };
}

interface Entry {
  readonly sequence: number;
  readonly position: number;
  readonly token: number;
}

/** Logits are wanted of the first and the last entry. */
function batchOf(entries: readonly Entry[], pages: readonly (readonly number[])[]): Batch {
  const outputEntries = Int32Array.from(new Set([0, entries.length - 1]));
  return {
    sequences: Int32Array.from(entries, ({ sequence }) => sequence),
    positions: Int32Array.from(entries, ({ position }) => position),
    pages,
    outputEntries,
    sampling: Array.from(outputEntries, (entry) => ({ ...GREEDY, position: entries[entry]!.position })),
    inputs: { tokens: Int32Array.from(entries, ({ token }) => token) },
  };
}

const GREEDY: SamplingSettings = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repeatPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  recentTokens: new Int32Array(),
  bias: [],
  seed: 0,
  position: 0,
  topLogprobs: 0,
};
