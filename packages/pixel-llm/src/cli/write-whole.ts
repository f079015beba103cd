/** Writes a small file whole or not at all. */
import { openFileByteSink } from '../core/node.ts';

export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const sink = await openFileByteSink(path);
  try {
    await sink.write([bytes]);
    await sink.commit();
  } catch (error) {
    await sink.abort();
    throw error;
  }
}
