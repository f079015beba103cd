import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { MemoryByteSource } from '../core/byte-source.ts';
import { isPixelError } from '../core/errors.ts';
import { decodeLines } from './decode-lines.ts';
import { readPngLayout } from './png-layout.ts';
import { type EncodeOptions, encodePng, noise, type Raster } from './testing.ts';

async function decode(png: Uint8Array): Promise<Uint8Array> {
  const source = new MemoryByteSource(png);
  const lines: Uint8Array[] = [];
  for await (const line of decodeLines(source, await readPngLayout(source))) lines.push(line.slice());
  return new Uint8Array(Buffer.concat(lines));
}

/** A raster whose pixels a colour type and depth can hold. */
function rasterFor(width: number, height: number, { colourType = 6, bitDepth = 8, palette }: EncodeOptions): Raster {
  const steps = 2 ** Math.min(bitDepth, 8) - 1;
  const random = noise(width * height * 4, width * 31 + height);
  const rgba = random.map((value) => Math.round((value % (steps + 1)) * (255 / steps)));
  for (let at = 0; at < rgba.length; at += 4) {
    if (colourType === 0 || colourType === 4) rgba[at + 1] = rgba[at + 2] = rgba[at]!;
    if (colourType === 0 || colourType === 2) rgba[at + 3] = 255;
    if (palette) rgba.set(palette[random[at]! % palette.length]!, at);
  }
  return { width, height, rgba };
}

const FORMS: readonly (readonly [NonNullable<EncodeOptions['colourType']>, readonly number[]])[] = [
  [0, [1, 2, 4, 8, 16]],
  [2, [8, 16]],
  [3, [1, 2, 4, 8]],
  [4, [8, 16]],
  [6, [8, 16]],
];

describe('The decoder', () => {
  for (const [colourType, depths] of FORMS) {
    for (const depth of depths) {
      test(`reads colour type ${colourType} with ${depth} bits, every filter, interlaced or not, at awkward sizes`, async () => {
        const bitDepth = depth as NonNullable<EncodeOptions['bitDepth']>;
        const entries = Math.min(2 ** depth, 9);
        const palette =
          colourType === 3
            ? Array.from(
                { length: entries },
                (_, i) => [i * 20, 255 - i, i, i * 28] as [number, number, number, number],
              )
            : undefined;
        for (const [width, height] of [
          [1, 1],
          [3, 2],
          [5, 9],
          [8, 8],
          [33, 17],
        ] as const) {
          for (const interlaced of [false, true]) {
            const options = { colourType, bitDepth, interlaced, chunkBytes: 19, ...(palette ? { palette } : {}) };
            const raster = rasterFor(width, height, options);
            const png = encodePng(raster, { ...options, filter: (line) => (line + width) % 5 });
            assert.deepEqual(await decode(png), raster.rgba, `${width} x ${height}, interlaced: ${interlaced}`);
          }
        }
      });
    }
  }

  test('reads the one transparent colour of grey and RGB pictures', async () => {
    for (const [colourType, bitDepth, transparent] of [
      [0, 4, [3]],
      [2, 8, [10, 20, 30]],
      [2, 16, [2570, 5140, 7710]],
    ] as const) {
      const raster = rasterFor(4, 4, { colourType, bitDepth });
      const hidden = colourType === 0 ? [51, 51, 51, 0] : [10, 20, 30, 0];
      for (let at = 0; at < 64; at += 4) if (raster.rgba[at] === hidden[0]) raster.rgba[at + 3] = 0;
      raster.rgba.set(hidden, 20);
      const png = encodePng(raster, { colourType, bitDepth, transparent });
      const decoded = await decode(png);
      assert.deepEqual(decoded.subarray(20, 24), Uint8Array.from(hidden));
      if (colourType === 0) assert.deepEqual(decoded, raster.rgba);
    }
  });

  test('joins image data however they are split, also into single bytes and empty chunks', async () => {
    const raster = rasterFor(40, 10, {});
    for (const chunkBytes of [0, 1, 7, 100_000])
      assert.deepEqual(await decode(encodePng(raster, { chunkBytes })), raster.rgba);
  });

  test('refuses 16-bit samples that 8 bits cannot hold', async () => {
    const raster = rasterFor(4, 2, { bitDepth: 8 });
    const png = Buffer.from(encodePng(raster));
    // The same bytes, read as half as many samples of 16 bits.
    png.writeUInt32BE(2, 16);
    png[24] = 16;
    png.writeUInt32BE(crc32(png.subarray(12, 29)), 29);
    await assert.rejects(
      decode(png),
      (error) => isPixelError(error, 'damaged-picture') && /16 bits/.test(error.message),
    );
  });

  test('refuses a filter that does not exist', async () => {
    const png = encodePng(rasterFor(4, 4, {}), { filter: (line) => (line === 2 ? 7 : 0) });
    await assert.rejects(
      decode(png),
      (error) => isPixelError(error, 'damaged-picture') && /filter 7/.test(error.message),
    );
  });

  test('refuses a palette entry that does not exist', async () => {
    const palette = [
      [1, 2, 3, 255],
      [4, 5, 6, 255],
    ] as const;
    const raster = rasterFor(4, 4, { palette });
    assert.deepEqual(await decode(encodePng(raster, { colourType: 3, palette })), raster.rgba);
    raster.rgba.set([9, 9, 9, 9]);
    await assert.rejects(
      decode(encodePng(raster, { colourType: 3, palette })),
      (error) => isPixelError(error, 'damaged-picture') && /palette/.test(error.message),
    );
  });
});
