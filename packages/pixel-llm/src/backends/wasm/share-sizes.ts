/** How much memory a Program takes on each thread, before anything is loaded: for the estimate, and since a thread's memory ends at 4 GiB. */
import { PixelError } from '../../core/errors.ts';
import type { Program } from '../../program/program.ts';
import { weightCount } from '../reference/load-weights.ts';
import { type CachePages, headPageBytes } from './kv-cache.ts';
import { packedBytes } from './packed-formats.ts';
import { planThreads } from './thread-plan.ts';
import { placeWeights } from './weight-placement.ts';

/** What one WebAssembly memory can hold, less what a step takes beside weights and cache. */
const MOST_SHARE_BYTES = 2 ** 32 - 2 ** 26;

/** A worker's own engine, program and values, as measured by bench/loading.ts; the only thread of a process has the process's. */
const THREAD_BYTES = 24e6;

/** Bytes on all threads together. */
export function estimateBytes(program: Program, pages: CachePages, threads: number): number {
  const shares = shareBytes(program, pages, threads).reduce((sum, bytes) => sum + bytes, 0);
  return shares + (threads > 1 ? threads * THREAD_BYTES : 0);
}

/** Throws `out-of-memory` where a thread's share is more than its memory can hold, with how many threads would do. */
export function checkShares(program: Program, pages: CachePages, threads: number): void {
  const largest = Math.max(...shareBytes(program, pages, threads));
  if (largest <= MOST_SHARE_BYTES) return;
  const enough = Array.from({ length: 64 - threads }, (_, more) => threads + 1 + more).find(
    (count) => Math.max(...shareBytes(program, pages, count)) <= MOST_SHARE_BYTES,
  );
  const weights = Math.max(...shareBytes(program, { ...pages, pageCount: 0 }, threads));
  const advice =
    enough === undefined
      ? 'a smaller model or a smaller type is needed'
      : `share it out among ${enough} threads (\`threads\`, --threads)${weights <= MOST_SHARE_BYTES ? ', or take a shorter context' : ''}`;
  throw new PixelError(
    'out-of-memory',
    `${(largest / 1e9).toFixed(1)} GB of the weights and cache fall to one thread (of ${threads}), but the memory of a WebAssembly thread ends at ` +
      `${(MOST_SHARE_BYTES / 1e9).toFixed(1)} GB: ${advice}.`,
    { details: { share: largest, most: MOST_SHARE_BYTES, threads: enough } },
  );
}

/** Packed rows and cached heads of each thread; vectors on every one. */
function shareBytes(program: Program, pages: CachePages, threads: number): number[] {
  const plan = planThreads(program, threads);
  const placements = placeWeights(program);
  return Array.from({ length: threads }, (_, thread) => {
    let bytes = 0;
    for (const { weight, format } of placements) {
      const cuts = plan.rowCuts.get(weight.name);
      if (!format || !cuts) bytes += 4 * weightCount(weight);
      else bytes += packedBytes(format, cuts[thread + 1]! - cuts[thread]!, weight.shape[1] ?? 1);
    }
    for (const { name, headDim } of program.state) {
      const [first, end] = plan.headCuts.get(name)?.kvHeads[thread] ?? [0, 0];
      bytes += pages.pageCount * (end - first) * headPageBytes(pages, headDim);
    }
    return bytes;
  });
}
