/**
 * How the next token is chosen: the options a caller gives, checked and completed, as one row of the `sample` op's settings
 * table a step. What the numbers do, and in which order, is specified by backends/reference/sample.ts.
 */
import type { SamplingSettings } from '../backends/types.ts';
import { PixelError } from '../core/errors.ts';

export interface SamplingOptions {
  /** 0 takes the likeliest token always (greedy); higher is more surprising. Default 0.8. */
  temperature?: number | undefined;
  /** Choose among the k likeliest tokens only; 0 = off. Default 40. */
  topK?: number | undefined;
  /** Choose among the fewest tokens whose probabilities sum to p; 1 = among all. Default 0.95. */
  topP?: number | undefined;
  /** Drop tokens less likely than p times the likeliest; 0 = none. Default 0.05. */
  minP?: number | undefined;
  /** Above 1, tokens of the last `repeatWindow` become less likely; 1 = off. Default 1. */
  repeatPenalty?: number | undefined;
  /** Taken from a token's logit once for each time it stands in the last `repeatWindow` tokens. Default 0. */
  frequencyPenalty?: number | undefined;
  /** Taken from a token's logit once if it stands in the last `repeatWindow` tokens. Default 0. */
  presencePenalty?: number | undefined;
  /** Choose among the whole vocabulary, not only its 256 likeliest tokens: slow on a GPU. Default false. */
  wholeVocabulary?: boolean | undefined;
  /** How many tokens back the three penalties look. Default 64. */
  repeatWindow?: number | undefined;
  /** A whole number from 0 to 2^53 - 1. The same seed gives the same text. Default: a random one, which the result names. */
  seed?: number | undefined;
  /** Added to the logits of single tokens; -Infinity forbids a token. */
  logitBias?: Iterable<readonly [token: number, bias: number]> | undefined;
  /** Report ln p of each token, and of this many of the likeliest in its place (0 to 256). Default: not reported. */
  logprobs?: number | undefined;
}

/** The options of one generation, completed. */
export interface Sampler {
  readonly seed: number;
  /** The settings for the token that follows `context`. */
  settingsAfter(context: readonly number[]): SamplingSettings;
  /** The same for a token of which only the position is known; for a sampler that is not `isStepwise`. */
  settingsAt(position: number): SamplingSettings;
  /** Whether the settings depend on the tokens before, or the choice needs all logits. */
  readonly isStepwise: boolean;
}

const MOST_LOGPROBS = 256;

/** Throws `bad-argument` for a number outside its range or a token outside the vocabulary. */
export function createSampler(options: SamplingOptions, vocab: number): Sampler {
  const { temperature = 0.8, topK = 40, topP = 0.95, minP = 0.05 } = options;
  const { repeatPenalty = 1, frequencyPenalty = 0, presencePenalty = 0, repeatWindow = 64, logprobs = 0 } = options;
  const { wholeVocabulary = false, seed = randomSeed() } = options;
  checkNumber('temperature', temperature, 0, 1000);
  checkWhole('topK', topK, 0);
  checkNumber('topP', topP, 0, 1);
  checkNumber('minP', minP, 0, 1);
  checkNumber('repeatPenalty', repeatPenalty, 0.01, 100);
  checkNumber('frequencyPenalty', frequencyPenalty, -100, 100);
  checkNumber('presencePenalty', presencePenalty, -100, 100);
  checkWhole('repeatWindow', repeatWindow, 0);
  checkWhole('seed', seed, 0);
  checkWhole('logprobs', logprobs, 0, MOST_LOGPROBS);
  const bias = checkedBias(options.logitBias ?? [], vocab);
  const penalizes = repeatWindow > 0 && (repeatPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0);
  const penalties = { repeatPenalty, frequencyPenalty, presencePenalty };
  const fixed = { temperature, topK, topP, minP, ...penalties, bias, wholeVocabulary, seed };
  const settings = (position: number, recent: readonly number[]): SamplingSettings => ({
    ...fixed,
    topLogprobs: Math.min(logprobs, vocab),
    position,
    recentTokens: Int32Array.from(recent),
  });
  return {
    seed,
    isStepwise: penalizes || wholeVocabulary,
    settingsAt: (position) => settings(position, []),
    settingsAfter: (context) => settings(context.length, penalizes ? context.slice(-repeatWindow) : []),
  };
}

function checkedBias(entries: Iterable<readonly [number, number]>, vocab: number): (readonly [number, number])[] {
  const bias = new Map<number, number>();
  for (const [token, amount] of entries) {
    checkWhole('logitBias: a token', token, 0, vocab - 1);
    if (typeof amount !== 'number' || Number.isNaN(amount) || amount === Number.POSITIVE_INFINITY) {
      throw new PixelError('bad-argument', `logitBias of token ${token} must be a number or -Infinity, not ${amount}.`);
    }
    bias.set(token, (bias.get(token) ?? 0) + amount);
  }
  return [...bias];
}

function checkNumber(name: string, value: number, least: number, most: number): void {
  if (typeof value !== 'number' || !(value >= least && value <= most)) {
    throw new PixelError('bad-argument', `${name} must be a number from ${least} to ${most}, not ${value}.`);
  }
}

/** Throws `bad-argument` unless the value is a whole number within the bounds. */
export function checkWhole(name: string, value: number, least: number, most: number = Number.MAX_SAFE_INTEGER): void {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw new PixelError('bad-argument', `${name} must be a whole number from ${least} to ${most}, not ${value}.`);
  }
}

function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}
