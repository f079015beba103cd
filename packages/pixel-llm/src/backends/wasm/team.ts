/** Who computes for an executor: this thread alone (local-team.ts), or several workers in step (worker-team.ts). */
import type { PixelError } from '../../core/errors.ts';
import type { Batch } from '../types.ts';

export type Values = Map<string, Float32Array | Int32Array>;

export interface Team {
  /** Why it cannot compute any more: `device-lost`. */
  readonly loss?: PixelError | undefined;
  /**
   * Runs a checked batch and returns the values asked for, flat; they may be overwritten when the next one begins. Throws `aborted`,
   * `out-of-memory`, `device-lost`.
   */
  run(batch: Batch, wanted: readonly string[], signal: AbortSignal | undefined): Promise<Values>;
  copyPage(from: number, to: number): Promise<void>;
  /** Harmless twice. */
  dispose(): Promise<void>;
}
