/**
 * The runtime's only way to weights. A GGUF file, a picture (mappable, recompressed, over HTTP), and later a model on a map
 * or with adapters merged in, all are WeightSources.
 */
import type { ReadOptions } from '../core/byte-source.ts';
import type { Metadata, TensorInfo } from '../gguf/head.ts';

/** Rows [start, end) of a tensor's matrix (its last dimensions flattened). */
export interface RowRange {
  readonly start: number;
  readonly end: number;
}

export interface WeightHead {
  readonly metadata: Metadata;
  /** By name, in file order. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
}

export interface WeightSource {
  /** What to call it in messages. */
  readonly name: string;
  readonly head: WeightHead;
  /**
   * Fills `target` with one plane's bytes of the given rows: field `plane` of every block of these rows, in order.
   * `target.length` must be rows x blocks a row x bytes of the field.
   * Throws `unknown-tensor`, `bad-argument`, `truncated`, `damaged-picture`, `aborted`.
   */
  readPlane(tensor: string, plane: string, rows: RowRange, target: Uint8Array, options?: ReadOptions): Promise<void>;
  /** Closes what was opened; harmless twice. */
  dispose(): Promise<void>;
}
