/**
 * Where a PNG's parts stand: its header, palette, transparency, and its first IDAT chunk. What the decoder and the mapping
 * reader start from.
 */
import { type ByteSource, type ReadOptions, readBytes } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import {
  CHUNK_FRAME,
  type Chunk,
  decodeHeader,
  PNG_SIGNATURE,
  type PngHeader,
  readChunk,
  readChunkData,
} from './chunks.ts';
import { describeForeignBytes } from './foreign-bytes.ts';

export interface PngLayout {
  readonly header: PngHeader;
  /** PLTE data: R, G, B an entry. */
  readonly palette: Uint8Array | undefined;
  /** tRNS data. */
  readonly transparency: Uint8Array | undefined;
  readonly firstData: Chunk;
  /** True when the file still holds this project's hint chunk, so it was a picture of ours. */
  readonly hasHint: boolean;
}

/** Walks over the chunks up to the first IDAT. Throws `damaged-picture`, `bad-png`, `truncated`, `limit-exceeded`. */
export async function readPngLayout(source: ByteSource, options?: ReadOptions): Promise<PngLayout> {
  await checkSignature(source, options);
  const first = await readChunk(source, PNG_SIGNATURE.length, options);
  if (first.type !== 'IHDR' || first.length !== 13) {
    throw new PixelError(
      'bad-png',
      `${source.name} does not start with a PNG header: it is not a legal PNG; get the original file.`,
    );
  }
  const header = decodeHeader(await readChunkData(source, first, options), source.name);
  let palette: Uint8Array | undefined;
  let transparency: Uint8Array | undefined;
  let hasHint = false;
  let chunk = first;
  for (let count = 0; count < LIMITS.ancillaryChunks; count++) {
    chunk = await readChunk(source, chunk.offset + CHUNK_FRAME + chunk.length, options);
    if (chunk.type === 'IDAT') {
      checkPalette(header, palette, transparency, source.name);
      return { header, palette, transparency, firstData: chunk, hasHint };
    }
    if (chunk.type === 'PLTE') palette = await readChunkData(source, chunk, options);
    else if (chunk.type === 'tRNS') transparency = await readChunkData(source, chunk, options);
    else if (chunk.type === 'pxLm') hasHint = true;
    else if (chunk.type === 'IEND')
      throw new PixelError('bad-png', `${source.name} is a PNG without image data: get the original file.`);
    else if (isCritical(chunk.type)) {
      throw new PixelError(
        'bad-png',
        `${source.name}: its ${chunk.type} chunk at byte ${chunk.offset} is none that a PNG reader knows: bits were changed; fetch the file again.`,
      );
    }
  }
  throw new PixelError(
    'limit-exceeded',
    `${source.name} has more than ${LIMITS.ancillaryChunks} chunks before its image data: get the original file.`,
  );
}

async function checkSignature(source: ByteSource, options?: ReadOptions): Promise<void> {
  if (source.size === 0) throw new PixelError('truncated', `${source.name} is empty: fetch or write it again.`);
  const start = await readBytes(source, 0, Math.min(64, source.size), options);
  if (PNG_SIGNATURE.every((byte, index) => start[index] === byte)) return;
  const { code, message } = describeForeignBytes(start);
  throw new PixelError(code, `${source.name} ${message}`);
}

/** Chunks whose type starts with a capital letter cannot be passed over. */
function isCritical(type: string): boolean {
  return type.charCodeAt(0) < 97;
}

function checkPalette(
  { colourType, bitDepth }: PngHeader,
  palette: Uint8Array | undefined,
  transparency: Uint8Array | undefined,
  name: string,
): void {
  const entries = (palette?.length ?? 0) / 3;
  if (!Number.isInteger(entries) || entries > 256)
    throw new PixelError('bad-png', `${name}: its palette is malformed: get the original file.`);
  if (colourType === 3 && (entries === 0 || entries > 2 ** bitDepth)) {
    throw new PixelError(
      'bad-png',
      `${name}: its palette is missing or does not fit its bit depth: get the original file.`,
    );
  }
  const expected = { 0: 2, 2: 6 }[colourType];
  if (transparency && expected !== undefined && transparency.length !== expected) {
    throw new PixelError('bad-png', `${name}: its transparency chunk is malformed: get the original file.`);
  }
}
