/**
 * How likely a model finds a given text: ln p of each token given those before it, and the likeliest tokens in its place. A text
 * longer than the context goes in windows that overlap by half, so that every token outside the first window is judged with at
 * least half a context before it; a beginning-of-text token stands at the head of every window, as the model was trained.
 */
import { likeliest } from '../backends/reference/likeliest.ts';
import { logSumExp } from '../backends/reference/softmax.ts';
import { PixelError } from '../core/errors.ts';
import type { WorkOptions } from '../core/progress.ts';
import { checkWhole } from './sampling-options.ts';
import type { Sequence } from './sequence.ts';

export interface ScoreOptions extends WorkOptions {
  /** How many of the likeliest next tokens to name after each position (0 to 1000). Default 16. */
  top?: number | undefined;
}

export interface ScoredPosition {
  readonly token: number;
  /** ln p of the token given those before it; null for the first. */
  readonly logprob: number | null;
  /** The likeliest tokens after this one, best first. */
  readonly top: readonly (readonly [token: number, logprob: number])[];
}

export interface Score {
  readonly positions: readonly ScoredPosition[];
  /** Tokens in the text, and how many of them have a ln p (all but the first). */
  readonly tokens: number;
  readonly scored: number;
  /** Mean of -ln p over the scored tokens, in nats a token; null when there are none. */
  readonly meanNegativeLogLikelihood: number | null;
  /** exp of the mean. */
  readonly perplexity: number | null;
}

export interface ScoreContext {
  readonly sequence: Sequence;
  readonly vocab: number;
  readonly contextLength: number;
  readonly chunkTokens: number;
  /** The model's beginning-of-text token, if it has one. */
  readonly beginOfText: number | undefined;
}

/** Logits computed for reading in one step at most: 16 MB of them, however large the vocabulary. */
export const MOST_LOGITS = 4_194_304;

/** Throws `bad-argument`, `not-finite`, `aborted`, `disposed`, `out-of-memory`. */
export async function scoreTokens(
  context: ScoreContext,
  tokens: readonly number[],
  { top = 16, signal, onProgress }: ScoreOptions = {},
): Promise<Score> {
  checkWhole('top', top, 0, 1000);
  if (tokens.length === 0) throw new PixelError('bad-argument', 'There are no tokens to score.');
  for (const token of tokens) checkWhole('A token to score', token, 0, context.vocab - 1);
  using _claim = context.sequence.claim();
  const chunk = Math.max(1, Math.min(context.chunkTokens, Math.floor(MOST_LOGITS / context.vocab)));
  const positions: ScoredPosition[] = [];
  let logprob: number | null = null;
  let sum = 0;
  for (const window of windowsOf(tokens, context)) {
    context.sequence.truncate(0);
    for (let start = 0; start < window.tokens.length; start += chunk) {
      const part = window.tokens.slice(start, start + chunk);
      const logits = await context.sequence.appendForRows(part, { value: 'logits', rows: 'all', signal });
      for (let entry = Math.max(0, window.history - start); entry < part.length; entry++) {
        const row = logits.subarray(entry * context.vocab, (entry + 1) * context.vocab);
        const logSum = finiteLogSum(row);
        const best = likeliest(row, top).map((next) => [next, row[next]! - logSum] as const);
        positions.push({ token: tokens[positions.length]!, logprob, top: best });
        sum -= logprob ?? 0;
        const next = tokens[positions.length];
        logprob = next === undefined ? null : row[next]! - logSum;
      }
      onProgress?.({ phase: 'scoring', done: positions.length, total: tokens.length, unit: 'tokens' });
    }
  }
  const scored = tokens.length - 1;
  const mean = scored > 0 ? sum / scored : null;
  return {
    positions,
    tokens: tokens.length,
    scored,
    meanNegativeLogLikelihood: mean,
    perplexity: mean === null ? null : Math.exp(mean),
  };
}

function finiteLogSum(logits: Float32Array): number {
  const logSum = logSumExp(logits);
  if (Number.isFinite(logSum)) return logSum;
  throw new PixelError('not-finite', 'The model computed logits that are not numbers: its weights are unusable.');
}

interface Window {
  readonly tokens: readonly number[];
  /** Tokens at its head that were judged before. */
  readonly history: number;
}

/** The windows of a text: together, their tokens after the history are the text, each once. */
function* windowsOf(tokens: readonly number[], { contextLength, beginOfText }: ScoreContext): Generator<Window> {
  yield { tokens: tokens.slice(0, contextLength), history: 0 };
  const head = contextLength > 1 && tokens[0] === beginOfText ? tokens.slice(0, 1) : [];
  const overlap = Math.max(0, Math.floor(contextLength / 2) - head.length);
  const stride = contextLength - head.length - overlap;
  for (let start = contextLength; start < tokens.length; start += stride) {
    const body = tokens.slice(start - overlap, start + stride);
    yield { tokens: [...head, ...body], history: head.length + overlap };
  }
}
