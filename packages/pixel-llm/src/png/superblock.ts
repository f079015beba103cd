/**
 * Line 0 of every picture: 16 opaque pixels that say what the picture is, then 16 canary pixels whose colours are known
 * and whose alphas run from 0 to 255. A program that writes the PNG again and does not keep each sample exactly changes
 * a canary; diagnosis.ts tells from them what it did.
 *
 * Only R, G and B of the opaque pixels carry the superblock, so it can still be read after alpha was dropped. Its 48
 * bytes, little-endian: magic "PXLM", u16 format version, u16 kind, u32 width, u32 height, u64 offset and u64 length of
 * the manifest's run, 12 zero bytes, CRC-32 of the 44 bytes before it.
 */
import { PixelError } from '../core/errors.ts';
import { crc32 } from '../core/hashing.ts';
import { LIMITS } from '../core/limits.ts';
import type { PictureKind, Superblock } from './picture.ts';

export const FORMAT_VERSION = 1;

/** Widths a picture can have: powers of two from the least to the most. */
export const LEAST_WIDTH = 64;
export const MOST_WIDTH = 8192;

/** The position in this list is the kind's number in the superblock: append only. */
const KINDS: readonly PictureKind[] = ['bytes', 'model', 'adapter', 'checkpoint', 'conversation', 'heatmap'];

/** "PXLM" */
export const SUPERBLOCK_MAGIC: readonly number[] = [0x50, 0x58, 0x4c, 0x4d];
export const SUPERBLOCK_PIXELS = 16;
const SUPERBLOCK_BYTES = 48;
const CRC_AT = 44;

/** R, G, B, A of the canary pixels, x = 16 to 31 of line 0. */
export const CANARIES: Uint8Array = Uint8Array.of(
  ...[200, 60, 20, 0, 31, 222, 140, 0, 9, 90, 250, 1, 250, 130, 7, 2],
  ...[17, 201, 99, 8, 244, 33, 77, 16, 50, 100, 200, 32, 221, 180, 43, 64],
  ...[13, 77, 191, 96, 190, 20, 130, 128, 88, 240, 11, 160, 3, 160, 230, 192],
  ...[255, 1, 128, 224, 64, 129, 193, 254, 237, 101, 19, 255, 5, 54, 173, 255],
);

export function isPictureWidth(width: number): boolean {
  return width >= LEAST_WIDTH && width <= MOST_WIDTH && (width & (width - 1)) === 0;
}

/** Line 0 of a picture: 4 x width bytes, zero after the canaries. */
export function encodeSuperblockLine(superblock: Superblock): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SUPERBLOCK_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(SUPERBLOCK_MAGIC);
  view.setUint16(4, superblock.formatVersion, true);
  view.setUint16(6, KINDS.indexOf(superblock.kind), true);
  view.setUint32(8, superblock.width, true);
  view.setUint32(12, superblock.height, true);
  view.setBigUint64(16, BigInt(superblock.manifest.offset), true);
  view.setBigUint64(24, BigInt(superblock.manifest.byteLength), true);
  view.setUint32(CRC_AT, crc32(bytes.subarray(0, CRC_AT)), true);
  const line = new Uint8Array(superblock.width * 4);
  for (let pixel = 0; pixel < SUPERBLOCK_PIXELS; pixel++) {
    line.set(bytes.subarray(pixel * 3, pixel * 3 + 3), pixel * 4);
    line[pixel * 4 + 3] = 255;
  }
  line.set(CANARIES, SUPERBLOCK_PIXELS * 4);
  return line;
}

/** The 48 bytes that the first 16 pixels of an RGBA line carry. */
export function superblockBytes(line: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SUPERBLOCK_BYTES);
  for (let i = 0; i < SUPERBLOCK_BYTES; i++) bytes[i] = line[Math.floor(i / 3) * 4 + (i % 3)] ?? 0;
  return bytes;
}

/** True when the 48 bytes are a superblock, of whatever version. */
export function isSuperblock(bytes: Uint8Array): boolean {
  if (SUPERBLOCK_MAGIC.some((byte, index) => bytes[index] !== byte)) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, SUPERBLOCK_BYTES);
  return view.getUint32(CRC_AT, true) === crc32(bytes.subarray(0, CRC_AT));
}

/** True when line 0 is, sample for sample, as a writer made it. */
export function isIntactSuperblockLine(line: Uint8Array): boolean {
  if (!isSuperblock(superblockBytes(line))) return false;
  for (let pixel = 0; pixel < SUPERBLOCK_PIXELS; pixel++) if (line[pixel * 4 + 3] !== 255) return false;
  const after = SUPERBLOCK_PIXELS * 4 + CANARIES.length;
  return (
    CANARIES.every((sample, index) => line[SUPERBLOCK_PIXELS * 4 + index] === sample) &&
    line.subarray(after).every((sample) => sample === 0)
  );
}

/** Reads the 48 bytes of an `isSuperblock`. Throws `damaged-picture` for a newer version or numbers that contradict each other. */
export function decodeSuperblock(bytes: Uint8Array, name: string): Superblock {
  const view = new DataView(bytes.buffer, bytes.byteOffset, SUPERBLOCK_BYTES);
  const formatVersion = view.getUint16(4, true);
  if (formatVersion !== FORMAT_VERSION) {
    throw new PixelError(
      'bad-manifest',
      `${name} has format version ${formatVersion}; this program reads version ${FORMAT_VERSION}: update pixel-llm.`,
    );
  }
  const kind = KINDS[view.getUint16(6, true)];
  const width = view.getUint32(8, true);
  const height = view.getUint32(12, true);
  const manifest = { offset: Number(view.getBigUint64(16, true)), byteLength: Number(view.getBigUint64(24, true)) };
  const end = manifest.offset + manifest.byteLength;
  if (!kind || !isPictureWidth(width) || height < 1 || manifest.offset < 4 * width || end > 4 * width * height) {
    throw new PixelError('bad-manifest', `${name}: its superblock contradicts itself: get the original file.`);
  }
  if (manifest.byteLength > LIMITS.manifestBytes) {
    throw new PixelError(
      'limit-exceeded',
      `${name}: a manifest of ${manifest.byteLength} bytes exceeds the limit of ${LIMITS.manifestBytes}.`,
    );
  }
  return { formatVersion, kind, width, height, manifest };
}
