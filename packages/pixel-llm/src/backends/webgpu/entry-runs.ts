/** Which entries of a batch follow each other and are of one sequence: attention over a prompt reads keys and values once for several of them. */
import type { Batch } from '../types.ts';
import { RUN_ENTRIES } from './kernels/prompt-attention.ts';

/** The runs, in order: of each the first entry, and how many, at most RUN_ENTRIES; together all entries. */
export function runsOf({ sequences }: Pick<Batch, 'sequences'>): Uint32Array<ArrayBuffer> {
  const runs: number[] = [];
  for (let first = 0, next = 1; next <= sequences.length; next++) {
    if (sequences[next] === sequences[first] && next - first < RUN_ENTRIES) continue;
    runs.push(first, next - first);
    first = next;
  }
  return Uint32Array.from(runs);
}
