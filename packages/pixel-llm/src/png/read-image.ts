/** Any PNG as an image in memory, whatever program wrote it and whatever its pixels mean. */
import type { ByteSource, ReadOptions } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { decodeLines } from './decode-lines.ts';
import type { Image } from './encode-image.ts';
import { readPngLayout } from './png-layout.ts';
import { createWindowSource } from './window-source.ts';

/** Closes the source. Throws `bad-png`, `truncated`, `limit-exceeded`, and what reading throws. */
export async function readImage(source: ByteSource, options: ReadOptions = {}): Promise<Image> {
  try {
    const layout = await readPngLayout(createWindowSource(source), options);
    const { width, height } = layout.header;
    const bytes = width * height * 4;
    if (bytes > LIMITS.mapRegionBytes) {
      throw new PixelError(
        'limit-exceeded',
        `${source.name} has ${width} x ${height} pixels: too many to hold at once.`,
      );
    }
    const pixels = new Uint8Array(bytes);
    let at = 0;
    for await (const line of decodeLines(source, layout, options)) {
      pixels.set(line, at);
      at += line.length;
    }
    return { width, height, pixels };
  } finally {
    await source.dispose();
  }
}
