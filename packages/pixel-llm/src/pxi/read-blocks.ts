/**
 * A tensor's rows as the ggml blocks they were: all planes read and joined. For what computes on blocks or writes GGUF; kernels
 * that want planes read those directly.
 */
import type { ReadOptions } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import type { TensorInfo } from '../gguf/head.ts';
import { joinPlane } from './planes.ts';
import { storedRows } from './stored-rows.ts';
import type { RowRange, WeightSource } from './weight-source.ts';

/**
 * Returns rows x blocks a row x blockBytes bytes; the caller bounds the rows.
 * Throws `unknown-tensor`, `bad-argument`, and what the source throws.
 */
export async function readBlocks(
  source: WeightSource,
  tensorName: string,
  rows: RowRange,
  options?: ReadOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const { type, count } = rangeOf(source, tensorName, rows);
  const blocks = new Uint8Array(count * type.blockBytes);
  if (type.fields.length === 1) {
    await source.readPlane(tensorName, type.fields[0]!.name, rows, blocks, options);
    return blocks;
  }
  for (const field of type.fields) {
    const plane = new Uint8Array(count * field.bytes);
    await source.readPlane(tensorName, field.name, rows, plane, options);
    joinPlane(type, field.name, plane, blocks);
  }
  return blocks;
}

/** One plane a field of the tensor's type, as they are stored. The caller bounds the rows. Throws as `readBlocks`. */
export async function readPlanes(
  source: WeightSource,
  tensorName: string,
  rows: RowRange,
  options?: ReadOptions,
): Promise<Uint8Array<ArrayBuffer>[]> {
  const { type, count } = rangeOf(source, tensorName, rows);
  const planes: Uint8Array<ArrayBuffer>[] = [];
  for (const field of type.fields) {
    const plane = new Uint8Array(count * field.bytes);
    await source.readPlane(tensorName, field.name, rows, plane, options);
    planes.push(plane);
  }
  return planes;
}

/** The tensor of that name. Throws `unknown-tensor`. */
export function findTensor(source: WeightSource, name: string): TensorInfo {
  const tensor = source.head.tensors.get(name);
  if (tensor) return tensor;
  throw new PixelError('unknown-tensor', `${source.name} has no tensor "${name}".`);
}

function rangeOf(
  source: WeightSource,
  tensorName: string,
  rows: RowRange,
): { type: TensorInfo['type']; count: number } {
  const tensor = findTensor(source, tensorName);
  const { rowBlocks } = storedRows(tensor);
  return { type: tensor.type, count: checkRows(source.name, tensor, rows) * rowBlocks };
}

/** How many rows the range has. Throws `bad-argument` when it is not within the tensor. */
export function checkRows(sourceName: string, tensor: TensorInfo, { start, end }: RowRange): number {
  const { rows } = storedRows(tensor);
  if (Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start <= end && end <= rows) return end - start;
  throw new PixelError(
    'bad-argument',
    `${sourceName}: tensor "${tensor.name}" has rows 0 to ${rows}, not ${start} to ${end}.`,
  );
}
