/**
 * A plane is one field of all of a tensor's blocks, one after another (struct of arrays), so that kernels read aligned words.
 * Here blocks are split into planes and planes joined into blocks; conversion both ways, and every reader of weights, stand on it.
 * The fields and their offsets come from the table of tensor types alone.
 */
import { PixelError } from '../core/errors.ts';
import type { BlockField, TensorType } from '../gguf/tensor-types.ts';

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
  if (field.bytes === type.blockBytes) target.set(blocks);
  else copyField(fieldPlaces(type, field, blocks), planePlaces(field, target), count, field.bytes);
}

/**
 * The way back: writes a plane into its field of every block and leaves the other fields alone.
 * plane: n x field bytes; blocks: n x blockBytes. Throws `bad-argument`.
 */
export function joinPlane(type: TensorType, plane: string, bytes: Uint8Array, blocks: Uint8Array): void {
  const field = planeField(type, plane);
  const count = checkLengths(type, field, blocks, bytes);
  if (field.bytes === type.blockBytes) blocks.set(bytes);
  else copyField(planePlaces(field, bytes), fieldPlaces(type, field, blocks), count, field.bytes);
}

function checkLengths(type: TensorType, field: BlockField, blocks: Uint8Array, plane: Uint8Array): number {
  const count = blocks.length / type.blockBytes;
  if (Number.isInteger(count) && plane.length === count * field.bytes) return count;
  throw new PixelError(
    'bad-argument',
    `${blocks.length} bytes of ${type.name} blocks and ${plane.length} bytes of their plane "${field.name}" do not fit.`,
  );
}

/** Where one field stands, block after block: in the blocks, or packed in its plane. */
interface Places {
  /** A DataView, since block sizes such as 18 or 17 leave most fields unaligned. */
  readonly view: DataView;
  readonly start: number;
  readonly stride: number;
}

function fieldPlaces({ blockBytes }: TensorType, field: BlockField, blocks: Uint8Array): Places {
  return { view: viewOf(blocks), start: field.offset, stride: blockBytes };
}

function planePlaces(field: BlockField, plane: Uint8Array): Places {
  return { view: viewOf(plane), start: 0, stride: field.bytes };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Copies in the widest words that the field is made of: this is the inner loop of conversion and of reading GGUF. */
function copyField(from: Places, to: Places, count: number, bytes: number): void {
  if (bytes % 16 === 0) copyQuads(from, to, count, bytes);
  else if (bytes % 4 === 0) copyWords(from, to, count, bytes);
  else if (bytes === 2) copyHalves(from, to, count);
  else copyBytes(from, to, count, bytes);
}

function copyQuads(from: Places, to: Places, count: number, bytes: number): void {
  const [source, target, step, targetStep] = [from.view, to.view, from.stride, to.stride];
  for (let block = 0, at = from.start, put = to.start; block < count; block++, at += step, put += targetStep) {
    for (let i = 0; i < bytes; i += 16) {
      target.setInt32(put + i, source.getInt32(at + i, true), true);
      target.setInt32(put + i + 4, source.getInt32(at + i + 4, true), true);
      target.setInt32(put + i + 8, source.getInt32(at + i + 8, true), true);
      target.setInt32(put + i + 12, source.getInt32(at + i + 12, true), true);
    }
  }
}

function copyWords(from: Places, to: Places, count: number, bytes: number): void {
  const [source, target, step, targetStep] = [from.view, to.view, from.stride, to.stride];
  for (let block = 0, at = from.start, put = to.start; block < count; block++, at += step, put += targetStep) {
    for (let i = 0; i < bytes; i += 4) target.setInt32(put + i, source.getInt32(at + i, true), true);
  }
}

function copyHalves(from: Places, to: Places, count: number): void {
  const [source, target, step, targetStep] = [from.view, to.view, from.stride, to.stride];
  for (let block = 0, at = from.start, put = to.start; block < count; block++, at += step, put += targetStep) {
    target.setInt16(put, source.getInt16(at, true), true);
  }
}

function copyBytes(from: Places, to: Places, count: number, bytes: number): void {
  const [source, target, step, targetStep] = [from.view, to.view, from.stride, to.stride];
  for (let block = 0, at = from.start, put = to.start; block < count; block++, at += step, put += targetStep) {
    for (let i = 0; i < bytes; i++) target.setInt8(put + i, source.getInt8(at + i));
  }
}
