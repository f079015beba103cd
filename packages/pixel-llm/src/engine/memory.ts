/** The memory check before a model is loaded: what the backend will need, what the machine has, and what to do if that is too little. */
import type { Backend } from '../backends/types.ts';
import { PixelError } from '../core/errors.ts';
import type { Program } from '../program/program.ts';

/** Bytes this process may still allocate, or undefined where nobody can tell (a browser). */
export type AvailableMemory = () => number | undefined;

export interface CachePages {
  readonly pageCount: number;
  readonly pageTokens: number;
}

/**
 * Bytes the model will need on the backend. Throws `out-of-memory` with need and have when they do not fit; a device with
 * memory of its own (`gpu`) judges by itself.
 */
export function checkMemory(
  name: string,
  program: Program,
  backend: Backend,
  pages: CachePages,
  availableMemory: AvailableMemory,
): number {
  const need = backend.estimateBytes(program, pages);
  const have = backend.device === 'gpu' ? undefined : availableMemory();
  if (have === undefined || need <= have) return need;
  const weights = backend.estimateBytes(program, { ...pages, pageCount: 0 });
  const advice =
    weights > have
      ? 'the weights alone are too much: take a smaller model or a smaller type'
      : 'take a shorter context (`contextLength`, --context)';
  throw new PixelError(
    'out-of-memory',
    `${name} needs ${gigabytes(need)} of memory on the device "${backend.device}" (${gigabytes(weights)} for the weights, ` +
      `${gigabytes(need - weights)} for a cache of ${pages.pageCount * pages.pageTokens} tokens), but only ${gigabytes(have)} are free: ${advice}.`,
    { details: { need, have, weights } },
  );
}

function gigabytes(bytes: number): string {
  return bytes >= 1e8 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
