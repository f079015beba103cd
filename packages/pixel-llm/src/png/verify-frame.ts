/** Checks what stands around a mappable picture's lines: the chunks before them and the end after them. */
import { type ByteSource, type ReadOptions, readBytes } from '../core/byte-source.ts';
import { isPixelError, PixelError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { CHUNK_FRAME, PNG_SIGNATURE, readChunk, readChunkData } from './chunks.ts';
import type { LineDamage } from './picture.ts';
import { encodeStreamEnd } from './picture-frame.ts';
import { createWindowSource } from './window-source.ts';

export async function verifyFrame(
  source: ByteSource,
  tailOffset: number,
  options?: ReadOptions,
): Promise<readonly LineDamage[]> {
  const window = createWindowSource(source);
  const damages: LineDamage[] = [];
  await checkChunks(window, PNG_SIGNATURE.length, 'first', damages, options);
  const end = await checkChunks(window, tailOffset, 'last', damages, options);
  if (end !== undefined && end < source.size) {
    const extra = source.size - end;
    damages.push({ line: -1, message: `${extra} bytes follow the end of the picture; they do no harm to its pixels.` });
  }
  return damages;
}

/** Compares what ends the pixels' zlib stream with what the lines' Adler-32 asks for: other programs refuse another one. */
export async function verifyStreamEnd(
  source: ByteSource,
  tailOffset: number,
  adler: number,
  options?: ReadOptions,
): Promise<LineDamage | undefined> {
  const expected = encodeStreamEnd(adler, { ended: false });
  const found = await readBytes(source, tailOffset, expected.length, options);
  if (expected.every((byte, index) => found[index] === byte)) return undefined;
  const what =
    'the checksum of all pixels together (Adler-32) is not theirs, and other programs may refuse the picture';
  return { line: -1, message: `After its last line: ${what}; its lines are sound.` };
}

/** Checks CRCs from a chunk on: up to and with the first IDAT, or up to and with IEND. Returns where that ends. */
async function checkChunks(
  source: ByteSource,
  start: number,
  part: 'first' | 'last',
  damages: LineDamage[],
  options?: ReadOptions,
): Promise<number | undefined> {
  try {
    let offset = start;
    for (let count = 0; count < LIMITS.ancillaryChunks; count++) {
      const chunk = await readChunk(source, offset, options);
      await readChunkData(source, chunk, options);
      offset += CHUNK_FRAME + chunk.length;
      if (chunk.type === (part === 'first' ? 'IDAT' : 'IEND')) return offset;
    }
    throw new PixelError('limit-exceeded', `there are more than ${LIMITS.ancillaryChunks} chunks.`);
  } catch (error) {
    if (!isPixelError(error) || error.code === 'aborted') throw error;
    const where = part === 'first' ? 'Before its first line' : 'After its last line';
    damages.push({ line: -1, message: `${where}: ${error.message}` });
    return undefined;
  }
}
