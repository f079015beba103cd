/**
 * A plane is one field of all of a tensor's blocks, one after another (struct of arrays), so that kernels read aligned words.
 * Here blocks are split into planes and planes joined into blocks; conversion both ways, and every reader of weights, stand on it.
 * The fields and their offsets come from the table of tensor types alone.
 */
import { PixelError } from '../core/errors.ts';
import { columnsOf, rowsOf, type TensorInfo } from '../gguf/head.ts';
import { type BlockField, type TensorType, tensorTypeById } from '../gguf/tensor-types.ts';

/** A tensor as rows of blocks. */
export interface BlockGrid {
  readonly rows: number;
  readonly blocksPerRow: number;
}

/** Rows and blocks a row. A tensor of a type nobody here knows is one row of single bytes, whatever its dimensions say. */
export function blockGrid(tensor: TensorInfo): BlockGrid {
  if (!tensorTypeById(tensor.type.id)) return { rows: 1, blocksPerRow: tensor.byteLength };
  return { rows: rowsOf(tensor), blocksPerRow: columnsOf(tensor) / tensor.type.blockElements };
}

/** The field of that name. Throws `bad-argument`. */
export function planeField(type: TensorType, plane: string): BlockField {
  const field = type.fields.find(({ name }) => name === plane);
  if (field) return field;
  const known = type.fields.map(({ name }) => name).join(', ');
  throw new PixelError('bad-argument', `${type.name} has no plane "${plane}"; it has: ${known}.`);
}

/**
 * Takes field `plane` out of every block: `target` is filled with it, block after block.
 * blocks: n x blockBytes; target: n x field bytes. Throws `bad-argument`.
 */
export function splitPlane(type: TensorType, plane: string, blocks: Uint8Array, target: Uint8Array): void {
  const field = planeField(type, plane);
  const count = checkLengths(type, field, blocks, target);
  if (field.bytes === type.blockBytes) {
    target.set(blocks);
    return;
  }
  const word = wordBytes(type, field, blocks, target);
  gather(wordsOf(blocks, word), wordsOf(target, word), count, {
    length: field.bytes / word,
    start: field.offset / word,
    stride: type.blockBytes / word,
  });
}

/**
 * The way back: writes a plane into its field of every block and leaves the other fields alone.
 * plane: n x field bytes; blocks: n x blockBytes. Throws `bad-argument`.
 */
export function joinPlane(type: TensorType, plane: string, bytes: Uint8Array, blocks: Uint8Array): void {
  const field = planeField(type, plane);
  const count = checkLengths(type, field, blocks, bytes);
  if (field.bytes === type.blockBytes) {
    blocks.set(bytes);
    return;
  }
  const word = wordBytes(type, field, blocks, bytes);
  scatter(wordsOf(bytes, word), wordsOf(blocks, word), count, {
    length: field.bytes / word,
    start: field.offset / word,
    stride: type.blockBytes / word,
  });
}

function checkLengths(type: TensorType, field: BlockField, blocks: Uint8Array, plane: Uint8Array): number {
  const count = blocks.length / type.blockBytes;
  if (Number.isInteger(count) && plane.length === count * field.bytes) return count;
  throw new PixelError(
    'bad-argument',
    `${blocks.length} bytes of ${type.name} blocks and ${plane.length} bytes of their plane "${field.name}" do not fit.`,
  );
}

/** The widest word in which both the field's place and the memory are aligned. */
function wordBytes(type: TensorType, field: BlockField, blocks: Uint8Array, plane: Uint8Array): 1 | 2 | 4 {
  const places = type.blockBytes | field.offset | field.bytes | blocks.byteOffset | plane.byteOffset;
  if ((places & 3) === 0) return 4;
  return (places & 1) === 0 ? 2 : 1;
}

type Words = Uint8Array | Uint16Array | Uint32Array;

function wordsOf(bytes: Uint8Array, word: 1 | 2 | 4): Words {
  if (word === 1) return bytes;
  if (word === 2) return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

/** A field within its block, in words. */
interface FieldWords {
  readonly length: number;
  readonly start: number;
  readonly stride: number;
}

function gather(blocks: Words, plane: Words, count: number, { length, start, stride }: FieldWords): void {
  let to = 0;
  for (let block = 0, from = start; block < count; block++, from += stride) {
    for (let i = 0; i < length; i++) plane[to + i] = blocks[from + i]!;
    to += length;
  }
}

function scatter(plane: Words, blocks: Words, count: number, { length, start, stride }: FieldWords): void {
  let from = 0;
  for (let block = 0, to = start; block < count; block++, to += stride) {
    for (let i = 0; i < length; i++) blocks[to + i] = plane[from + i]!;
    from += length;
  }
}
