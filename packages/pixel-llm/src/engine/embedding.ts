/** A text as one vector: the hidden states of its tokens after the last norm, pooled, of length 1. */
import { PixelError } from '../core/errors.ts';
import type { WorkOptions } from '../core/progress.ts';
import { checkWhole } from './sampling-options.ts';
import { MOST_LOGITS } from './score.ts';
import type { Sequence } from './sequence.ts';

export interface EmbedOptions extends WorkOptions {
  /** `mean` over all tokens, or that of the `last`, which has seen all others. Default `mean`. */
  pooling?: 'mean' | 'last' | undefined;
}

interface EmbedContext {
  readonly sequence: Sequence;
  readonly vocab: number;
  readonly contextLength: number;
  readonly chunkTokens: number;
}

/** Throws `bad-argument`, `context-full`, `not-finite`, `aborted`, `disposed`, `out-of-memory`. */
export async function embedTokens(
  { sequence, vocab, contextLength, chunkTokens }: EmbedContext,
  tokens: readonly number[],
  { pooling = 'mean', signal, onProgress }: EmbedOptions,
): Promise<Float32Array<ArrayBuffer>> {
  if (pooling !== 'mean' && pooling !== 'last') {
    throw new PixelError('bad-argument', `pooling must be "mean" or "last", not ${JSON.stringify(pooling)}.`);
  }
  if (tokens.length === 0) throw new PixelError('bad-argument', 'There are no tokens to embed.');
  if (tokens.length > contextLength) {
    throw new PixelError(
      'context-full',
      `The text is ${tokens.length} tokens long, but the context holds ${contextLength}.`,
    );
  }
  for (const token of tokens) checkWhole('A token to embed', token, 0, vocab - 1);
  using _claim = sequence.claim();
  // The Program makes logits of each row it is asked for.
  const most = pooling === 'last' ? chunkTokens : Math.floor(MOST_LOGITS / vocab);
  const chunk = Math.max(1, Math.min(chunkTokens, most));
  let sum = new Float64Array(0);
  for (let start = 0; start < tokens.length; start += chunk) {
    const part = tokens.slice(start, start + chunk);
    const rows = pooling === 'mean' ? 'all' : 'last';
    const hidden = await sequence.appendForRows(part, { value: 'hidden', rows, signal });
    const dim = rows === 'all' ? hidden.length / part.length : hidden.length;
    if (pooling === 'last' || sum.length === 0) sum = new Float64Array(dim);
    for (let i = 0; i < hidden.length; i++) sum[i % dim]! += hidden[i]!;
    onProgress?.({ phase: 'embedding', done: start + part.length, total: tokens.length, unit: 'tokens' });
  }
  return normalized(sum);
}

/** x / |x|; that a mean is a sum over a number falls out. */
function normalized(sum: Float64Array): Float32Array<ArrayBuffer> {
  const length = Math.sqrt(sum.reduce((squares, value) => squares + value ** 2, 0));
  if (length > 0 && Number.isFinite(length)) return Float32Array.from(sum, (value) => value / length);
  throw new PixelError(
    'not-finite',
    'The model computed hidden states that have no direction: its weights are unusable.',
  );
}
