/**
 * Opens a picture of this project, whatever PNG holds its pixels: as written (mappable), or as another program wrote the
 * same pixels again (decoded). A picture whose pixels are no longer the same is refused with a sentence that says why.
 */
import { type ByteSource, type ReadOptions, readBytes } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { CHUNK_FRAME } from './chunks.ts';
import { decodeLines } from './decode-lines.ts';
import { DecodedPicture } from './decoded-picture.ts';
import { diagnoseDimensions, diagnosePicture } from './diagnosis.ts';
import { RECORD_HEAD, recordCrc, recordHead, recordStride } from './line-record.ts';
import { MappablePicture, type MappablePlace, recordedBytes } from './mappable-picture.ts';
import type { Picture, Superblock } from './picture.ts';
import { type PngLayout, readPngLayout } from './png-layout.ts';
import { decodeSuperblock, isIntactSuperblockLine, isPictureWidth, superblockBytes } from './superblock.ts';
import { createWindowSource } from './window-source.ts';

export interface OpenPictureOptions extends ReadOptions {
  /**
   * Up to this many bytes of pixels, a picture that has to be inflated is kept in memory once it was. A larger one is
   * inflated again each time it is read backwards. Default: LIMITS.decodedBytes.
   */
  readonly decodedMemory?: number;
}

/**
 * Opens a picture. It owns the source from then on; when this throws, the source is closed.
 * Throws `damaged-picture`, `bad-png`, `truncated`, `bad-manifest` (a newer version), `limit-exceeded`, `aborted`.
 */
export async function openPicture(
  source: ByteSource,
  { signal, decodedMemory = LIMITS.decodedBytes }: OpenPictureOptions = {},
): Promise<Picture> {
  try {
    const window = createWindowSource(source);
    const layout = await readPngLayout(window, { signal });
    const place = await findRecords(window, layout, { signal });
    if (place) {
      const superblock = await readRecordedSuperblock(source, layout, place, { signal });
      return new MappablePicture(source, place, superblock);
    }
    const superblock = await readDecodedSuperblock(source, layout, { signal });
    return new DecodedPicture(source, layout, superblock, decodedMemory);
  } catch (error) {
    await source.dispose();
    throw error;
  }
}

/**
 * Where the line records stand, if there are any: as the first IDAT's place says, whatever the file declares. One record
 * after line 0 (a compressed picture has a record as line 0 too) where it has to be proves the profile; damage to others
 * is then named by line.
 */
async function findRecords(
  source: ByteSource,
  { header, firstData }: PngLayout,
  options: ReadOptions,
): Promise<MappablePlace | undefined> {
  const { width, height } = header;
  const plain = header.bitDepth === 8 && header.colourType === 6 && !header.interlaced;
  if (!plain || !isPictureWidth(width) || firstData.length !== 2) return undefined;
  const start = firstData.offset + CHUNK_FRAME + firstData.length;
  const head = recordHead(width);
  for (const line of new Set([1, 2, height >> 1, height - 1])) {
    const offset = start + line * recordStride(width);
    if (line < 1 || offset + RECORD_HEAD > source.size) continue;
    const bytes = await readBytes(source, offset, RECORD_HEAD, options);
    if (head.every((byte, index) => bytes[index] === byte)) return { start, width, height };
  }
  return undefined;
}

async function readRecordedSuperblock(
  source: ByteSource,
  layout: PngLayout,
  { start, width, height }: MappablePlace,
  options: ReadOptions,
): Promise<Superblock> {
  const needed = start + recordedBytes(width, height);
  if (source.size < needed) {
    const line = Math.max(0, Math.floor((source.size - start) / recordStride(width)));
    throw new PixelError(
      'truncated',
      `${source.name} was cut short: it has ${source.size} of ${needed} bytes, line ${line} of ${height} and all after it are missing; fetch it again.`,
      { details: { line, size: source.size, needed } },
    );
  }
  const record = await readBytes(source, start, recordStride(width), options);
  const view = new DataView(record.buffer);
  if (view.getUint32(record.length - 4) !== recordCrc(record, 0, width)) {
    throw new PixelError(
      'damaged-picture',
      `${source.name}: line 0, which says what the picture is, is damaged (its CRC does not match): fetch the file again.`,
      { details: { line: 0 } },
    );
  }
  return readSuperblock(source, layout, record.subarray(RECORD_HEAD, RECORD_HEAD + 4 * width), options);
}

async function readDecodedSuperblock(source: ByteSource, layout: PngLayout, options: ReadOptions): Promise<Superblock> {
  const lines = decodeLines(source, layout, options);
  try {
    const { value } = await lines.next();
    return await readSuperblock(source, layout, value ?? new Uint8Array(0), options);
  } finally {
    await lines.return();
  }
}

async function readSuperblock(
  source: ByteSource,
  layout: PngLayout,
  line: Uint8Array,
  options: ReadOptions,
): Promise<Superblock> {
  if (!isIntactSuperblockLine(line)) throw await diagnosePicture(source, layout, line, options);
  const superblock = decodeSuperblock(superblockBytes(line), source.name);
  const { width, height } = layout.header;
  if (superblock.width !== width || superblock.height !== height) {
    throw diagnoseDimensions(source.name, layout.header, superblock);
  }
  return superblock;
}
