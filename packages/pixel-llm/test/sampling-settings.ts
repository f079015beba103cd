/** Rows of the `sample` op's settings table, for tests. */
import type { SamplingSettings } from '../src/backends/types.ts';

/** Everything off. */
export const GREEDY: SamplingSettings = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repeatPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  recentTokens: new Int32Array(),
  bias: [],
  seed: 1,
  position: 0,
  topLogprobs: 0,
};
