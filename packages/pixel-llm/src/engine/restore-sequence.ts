/** Gives a sequence the tokens of a saved session: from its cache where that fits this device, else by reading them again. */
import { PixelError, throwIfAborted } from '../core/errors.ts';
import type { WorkOptions } from '../core/progress.ts';
import type { StoredConversation } from './conversation-file.ts';
import type { Sequence } from './sequence.ts';

interface RestoreContext extends WorkOptions {
  readonly device: string;
  /** Values that the cache holds of one position, in all layers. */
  readonly positionValues: number;
  readonly chunkTokens: number;
}

/** Says whether the cache was `restored` or `computed`. On any failure the sequence is disposed of. */
export async function restoreSequence(
  sequence: Sequence,
  conversation: StoredConversation,
  context: RestoreContext,
): Promise<'restored' | 'computed'> {
  using _claim = sequence.claim();
  try {
    if (await restoreCache(sequence, conversation, context)) return 'restored';
    await readAgain(sequence, conversation, context);
    return 'computed';
  } catch (error) {
    sequence.dispose();
    throw error;
  }
}

/** False for a cache that is not there, or that another device made: its numbers would differ in their last digits. */
async function restoreCache(
  sequence: Sequence,
  conversation: StoredConversation,
  { device, positionValues, signal }: RestoreContext,
): Promise<boolean> {
  const { cache, tokens } = conversation;
  if (!cache || cache.device !== device || cache.pageTokens !== sequence.pageTokens || !sequence.keepsPages)
    return false;
  if (cache.positions > tokens.length || cache.length !== cache.positions * positionValues) {
    throw new PixelError(
      'bad-manifest',
      'The cache of the conversation does not fit its tokens: get the original file.',
    );
  }
  const values = await conversation.readCache({ signal });
  const page = positionValues * cache.pageTokens;
  const pages: Float32Array[] = [];
  for (let start = 0; start < values.length; start += page) pages.push(values.subarray(start, start + page));
  await sequence.restorePages([...tokens.subarray(0, cache.positions)], pages);
  return true;
}

/** All but the last token, which `generate` reads in any case. */
async function readAgain(
  sequence: Sequence,
  { tokens }: StoredConversation,
  { chunkTokens, signal, onProgress }: RestoreContext,
): Promise<void> {
  const total = tokens.length - 1;
  for (let start = 0; start < total; start += chunkTokens) {
    throwIfAborted(signal);
    const end = Math.min(start + chunkTokens, total);
    await sequence.append([...tokens.subarray(start, end)], { signal });
    onProgress?.({ phase: 'reading the conversation', done: end, total, unit: 'tokens' });
  }
}
