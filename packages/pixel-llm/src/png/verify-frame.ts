/** Checks what stands around a mappable picture's lines: the chunks before them and the end after them. */
import type { ByteSource, ReadOptions } from '../core/byte-source.ts';
import { isPixelError } from '../core/errors.ts';
import { CHUNK_FRAME, PNG_SIGNATURE, readChunk, readChunkData } from './chunks.ts';
import type { LineDamage } from './picture.ts';
import { TAIL_BYTES } from './picture-frame.ts';
import { createWindowSource } from './window-source.ts';

export async function verifyFrame(
  source: ByteSource,
  tailOffset: number,
  options?: ReadOptions,
): Promise<readonly LineDamage[]> {
  const window = createWindowSource(source);
  const damages: LineDamage[] = [];
  await checkChunks(window, PNG_SIGNATURE.length, 'first', damages, options);
  const firstDamages = damages.length;
  await checkChunks(window, tailOffset, 'last', damages, options);
  if (damages.length === firstDamages && source.size > tailOffset + TAIL_BYTES) {
    const extra = source.size - tailOffset - TAIL_BYTES;
    damages.push({ line: -1, message: `${extra} bytes follow the end of the picture; they do no harm to its pixels.` });
  }
  return damages;
}

/** Checks CRCs from a chunk on: up to and with the first IDAT, or up to and with IEND. */
async function checkChunks(
  source: ByteSource,
  start: number,
  part: 'first' | 'last',
  damages: LineDamage[],
  options?: ReadOptions,
): Promise<void> {
  try {
    for (let offset = start; ; ) {
      const chunk = await readChunk(source, offset, options);
      await readChunkData(source, chunk, options);
      if (chunk.type === (part === 'first' ? 'IDAT' : 'IEND')) return;
      offset += CHUNK_FRAME + chunk.length;
    }
  } catch (error) {
    if (!isPixelError(error) || error.code === 'aborted') throw error;
    const where = part === 'first' ? 'Before its first line' : 'After its last line';
    damages.push({ line: -1, message: `${where}: ${error.message}` });
  }
}
