/**
 * A tensor as storage sees it: so many rows of so many blocks. Layout, manifest, conversion and reading all count in these
 * rows; a tensor of a type nobody here knows is rows of one byte, so that it too can be split over files.
 */
import { rowsOf, type TensorInfo } from '../gguf/head.ts';
import { isKnownType } from '../gguf/tensor-types.ts';

interface StoredRows {
  readonly rows: number;
  /** Blocks in a row. */
  readonly rowBlocks: number;
  /** ggml bytes of a row: `rowBlocks` x the type's block bytes. */
  readonly rowBytes: number;
}

/** How a tensor is cut into rows for storage. */
export function storedRows(tensor: TensorInfo): StoredRows {
  const { type } = tensor;
  if (!isKnownType(type)) return { rows: tensor.byteLength, rowBlocks: 1, rowBytes: 1 };
  const rowBlocks = (tensor.dimensions[0] ?? 1) / type.blockElements;
  return { rows: rowsOf(tensor), rowBlocks, rowBytes: rowBlocks * type.blockBytes };
}
