/** A tensor's rows as float32, whatever type they are stored in: for the reference executor, the heat map, requantization. */
import type { ReadOptions } from '../core/byte-source.ts';
import { dequantize } from '../gguf/dequantize.ts';
import { columnsOf } from '../gguf/head.ts';
import { checkRows, findTensor, readBlocks } from './read-blocks.ts';
import type { RowRange, WeightSource } from './weight-source.ts';

/**
 * Returns [rows, columns], row after row; the caller bounds the rows.
 * Throws `unknown-tensor`, `bad-argument`, `unsupported-type`, and what the source throws.
 */
export async function readRows(
  source: WeightSource,
  tensorName: string,
  rows: RowRange,
  options?: ReadOptions,
): Promise<Float32Array<ArrayBuffer>> {
  const tensor = findTensor(source, tensorName);
  const blocks = await readBlocks(source, tensorName, rows, options);
  if (tensor.type.name === 'F32') return new Float32Array(blocks.buffer);
  const values = new Float32Array(checkRows(source.name, tensor, rows) * columnsOf(tensor));
  dequantize(tensor.type, blocks, values);
  return values;
}
