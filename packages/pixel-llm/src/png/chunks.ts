/**
 * The chunks of a PNG file: how they are made, and how a reader walks over them (PNG specification, sections 5 and 11).
 * Everything a file declares is checked here before it is believed: lengths, types, order and CRCs.
 */
import { type ByteSource, type ReadOptions, readBytes } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import { crc32 } from '../core/hashing.ts';
import { LIMITS } from '../core/limits.ts';

export const PNG_SIGNATURE: Uint8Array = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** Bytes of a chunk besides its data. */
export const CHUNK_FRAME = 12;
/** Data bytes of the IDAT chunks of a compressed picture. */
export const MOST_IDAT_BYTES = 262_144;

export interface PngHeader {
  readonly width: number;
  readonly height: number;
  readonly bitDepth: number;
  /** 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGBA. */
  readonly colourType: number;
  readonly interlaced: boolean;
}

/** A chunk's place in the file. */
export interface Chunk {
  readonly type: string;
  /** Where its length field stands. */
  readonly offset: number;
  readonly dataOffset: number;
  readonly length: number;
}

export function encodeChunk(type: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const chunk = new Uint8Array(data.length + CHUNK_FRAME);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, data.length);
  for (let i = 0; i < 4; i++) chunk[4 + i] = type.charCodeAt(i);
  chunk.set(data, 8);
  view.setUint32(data.length + 8, crc32(chunk.subarray(4, data.length + 8)));
  return chunk;
}

/** The IHDR chunk; 8 bits a sample, RGBA unless said otherwise. */
export function encodeHeader(width: number, height: number, colourType = 6): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(13);
  const view = new DataView(data.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  data.set([8, colourType, 0, 0, 0], 8);
  return encodeChunk('IHDR', data);
}

const DEPTHS: Readonly<Record<number, readonly number[]>> = {
  0: [1, 2, 4, 8, 16],
  2: [8, 16],
  3: [1, 2, 4, 8],
  4: [8, 16],
  6: [8, 16],
};

/** Throws `bad-png`, `limit-exceeded`. */
export function decodeHeader(data: Uint8Array, name: string): PngHeader {
  if (data.length !== 13)
    throw new PixelError('bad-png', `${name}: the PNG header has ${data.length} bytes, not 13: get the original file.`);
  const view = new DataView(data.buffer, data.byteOffset, 13);
  const width = view.getUint32(0);
  const height = view.getUint32(4);
  const [bitDepth, colourType, compression, filter, interlace] = data.subarray(8) as unknown as number[];
  if (
    width === 0 ||
    height === 0 ||
    !DEPTHS[colourType!]?.includes(bitDepth!) ||
    compression !== 0 ||
    filter !== 0 ||
    interlace! > 1
  ) {
    throw new PixelError(
      'bad-png',
      `${name}: the PNG header has values that the specification does not allow: get the original file.`,
    );
  }
  if (width > LIMITS.pictureSide || height > LIMITS.pictureSide) {
    throw new PixelError(
      'limit-exceeded',
      `${name}: a picture of ${width} x ${height} pixels exceeds the limit of ${LIMITS.pictureSide} a side.`,
    );
  }
  return { width, height, bitDepth: bitDepth!, colourType: colourType!, interlaced: interlace === 1 };
}

/** Reads the chunk that stands at `offset`; its CRC is not checked. Throws `bad-png`, `truncated`. */
export async function readChunk(source: ByteSource, offset: number, options?: ReadOptions): Promise<Chunk> {
  return chunkAt(await readBytes(source, offset, 8, options), source, offset);
}

/** The chunk whose first 8 bytes are given. */
function chunkAt(head: Uint8Array, source: ByteSource, offset: number): Chunk {
  const length = new DataView(head.buffer, head.byteOffset, 4).getUint32(0);
  const type = String.fromCharCode(head[4]!, head[5]!, head[6]!, head[7]!);
  if (!/^[A-Za-z]{4}$/.test(type) || length > 0x7fffffff) {
    throw new PixelError(
      'bad-png',
      `${source.name}: there is no PNG chunk at byte ${offset}, where one has to stand: bytes were changed, lost or added; fetch the file again.`,
      {
        details: { offset },
      },
    );
  }
  const end = offset + CHUNK_FRAME + length;
  if (end > source.size) {
    throw new PixelError(
      'truncated',
      `${source.name} ends at byte ${source.size}, inside the ${type} chunk at byte ${offset} that ends at ${end}: the file was cut short; fetch it again.`,
      { details: { offset, size: source.size } },
    );
  }
  return { type, offset, dataOffset: offset + 8, length };
}

/** Reads a chunk's data and checks its CRC. Only for chunks that are small by their nature. Throws `limit-exceeded`, `bad-png`. */
export async function readChunkData(
  source: ByteSource,
  chunk: Chunk,
  options?: ReadOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  if (chunk.length > LIMITS.ancillaryChunkBytes) {
    throw new PixelError(
      'limit-exceeded',
      `${source.name}: a ${chunk.type} chunk of ${chunk.length} bytes exceeds the limit of ${LIMITS.ancillaryChunkBytes}; get the original file.`,
    );
  }
  const bytes = await readBytes(source, chunk.offset + 4, chunk.length + 8, options);
  const stored = new DataView(bytes.buffer).getUint32(chunk.length + 4);
  if (crc32(bytes.subarray(0, chunk.length + 4)) !== stored) {
    throw new PixelError(
      'damaged-picture',
      `${source.name}: the ${chunk.type} chunk at byte ${chunk.offset} is damaged (its CRC does not match): fetch the file again.`,
      { details: { offset: chunk.offset } },
    );
  }
  return bytes.subarray(4, chunk.length + 4);
}
