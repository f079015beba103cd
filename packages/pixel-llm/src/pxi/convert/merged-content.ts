/** A model with an adapter merged into it, made while it is read: W + scale B A, stored as W was, or in F32. */
import { throwIfAborted } from '../../core/errors.ts';
import { dequantize } from '../../gguf/dequantize.ts';
import { columnsOf } from '../../gguf/head.ts';
import { quantize } from '../../gguf/quantize.ts';
import { type TensorType, tensorTypeByName } from '../../gguf/tensor-types.ts';
import type { Adapter } from '../adapter.ts';
import { readRows } from '../read-rows.ts';
import type { WeightSource } from '../weight-source.ts';
import type { ContentTensor, ModelContent } from './model-content.ts';
import { type RewrittenTensor, rewriteContent } from './rewritten-content.ts';

/** What storing the sums cost. A file may be read twice to be written; the two then stand in the same proportion. */
interface MergeCost {
  /** Sums of squares: of what is stored less what it should be, and of what it should be. */
  error: number;
  total: number;
}

export interface MergedModel {
  /** Owns the content it was made of. */
  readonly content: ModelContent;
  /** Filled as the content is read. */
  readonly cost: MergeCost;
}

interface Delta {
  /** [rank, columns] and [rows, rank] */
  readonly a: Float32Array;
  readonly b: Float32Array;
  readonly rank: number;
  readonly scale: number;
}

/** `asF32`: adapted weights become F32, exact, whatever they were. Throws what reading the adapter throws, `aborted`. */
export async function mergeContent(
  content: ModelContent,
  { source, adapter }: { source: WeightSource; adapter: Adapter },
  { asF32 = false, signal }: { asF32?: boolean; signal?: AbortSignal } = {},
): Promise<MergedModel> {
  const cost: MergeCost = { error: 0, total: 0 };
  const tensors: RewrittenTensor[] = [];
  for (const tensor of content.tensors) {
    throwIfAborted(signal);
    const adapted = adapter.weights.get(tensor.name);
    if (!adapted) {
      tensors.push({ tensor, read: (first, target, options) => content.readBlocks(tensor, first, target, options) });
      continue;
    }
    const { a, b, rank, scale } = adapted;
    const [valuesA, valuesB] = [
      await readRows(source, a.name, { start: 0, end: rank }, { signal }),
      await readRows(source, b.name, { start: 0, end: b.dimensions[1] ?? 0 }, { signal }),
    ];
    const type = asF32 ? tensorTypeByName('F32')! : tensor.type;
    tensors.push(mergedTensor(content, tensor, type, { a: valuesA, b: valuesB, rank, scale }, cost));
  }
  return { content: rewriteContent(content.name, content.metadata, tensors, () => content.dispose()), cost };
}

function mergedTensor(
  content: ModelContent,
  tensor: ContentTensor,
  type: TensorType,
  delta: Delta,
  cost: MergeCost,
): RewrittenTensor {
  const columns = columnsOf(tensor);
  const own = tensor.type;
  const byteLength = (tensor.byteLength / own.blockBytes) * own.blockElements * (type.blockBytes / type.blockElements);
  return {
    tensor: { name: tensor.name, type, dimensions: tensor.dimensions, byteLength },
    async read(firstBlock, target, options) {
      const first = firstBlock * type.blockElements;
      const count = (target.length / type.blockBytes) * type.blockElements;
      const blocks = new Uint8Array((count / own.blockElements) * own.blockBytes);
      await content.readBlocks(tensor, first / own.blockElements, blocks, options);
      const values = new Float32Array(count);
      dequantize(own, blocks, values);
      addDelta(values, first, columns, delta);
      const stored = quantize(type, values);
      target.set(stored);
      countCost(values, stored, type, cost);
    },
  };
}

/** Adds scale B A to a run of the matrix's values, which begins at `first`. */
function addDelta(values: Float32Array, first: number, columns: number, { a, b, rank, scale }: Delta): void {
  for (let at = 0; at < values.length; ) {
    const [row, column] = [Math.floor((first + at) / columns), (first + at) % columns];
    const length = Math.min(columns - column, values.length - at);
    for (let r = 0; r < rank; r++) {
      const factor = scale * b[row * rank + r]!;
      for (let i = 0; i < length; i++) values[at + i]! += factor * a[r * columns + column + i]!;
    }
    at += length;
  }
}

function countCost(values: Float32Array, stored: Uint8Array, type: TensorType, cost: MergeCost): void {
  const back = new Float32Array(values.length);
  dequantize(type, stored, back);
  for (const [i, value] of values.entries()) {
    cost.error += (back[i]! - value) ** 2;
    cost.total += value * value;
  }
}
