import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32, inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { isPixelError } from '../core/errors.ts';
import { encodeImage, type Image } from './encode-image.ts';

interface Decoded {
  readonly colourType: number;
  readonly pixels: Uint8Array;
  readonly texts: readonly string[];
}

/** A reader of its own, only for what the encoder writes: palette without filter, RGBA with Sub or none. */
function decode(file: Uint8Array): Decoded {
  const bytes = Buffer.from(file);
  assert.equal(bytes.subarray(0, 8).toString('latin1'), '\x89PNG\r\n\x1a\n');
  const chunks = new Map<string, Buffer[]>();
  for (let at = 8; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const type = bytes.toString('latin1', at + 4, at + 8);
    const data = bytes.subarray(at + 8, at + 8 + length);
    assert.equal(bytes.readUInt32BE(at + 8 + length), crc32(bytes.subarray(at + 4, at + 8 + length)));
    chunks.set(type, [...(chunks.get(type) ?? []), data]);
    at += length + 12;
  }
  const header = chunks.get('IHDR')?.[0];
  assert.ok(header && chunks.has('IEND'));
  const [width, height, colourType] = [header.readUInt32BE(0), header.readUInt32BE(4), header[9] ?? -1];
  const channels = colourType === 3 ? 1 : 4;
  const raw = inflateSync(Buffer.concat(chunks.get('IDAT') ?? []));
  assert.equal(raw.length, height * (width * channels + 1));
  const [palette, alpha] = [chunks.get('PLTE')?.[0], chunks.get('tRNS')?.[0]];
  const pixels = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++) {
    const line = raw.subarray(y * (width * channels + 1), (y + 1) * (width * channels + 1));
    for (let i = 0; i < width * channels; i++) {
      const left = line[0] === 1 && i >= 4 ? (pixels[y * width * 4 + i - 4] ?? 0) : 0;
      const value = ((line[i + 1] ?? 0) + left) & 255;
      if (channels === 4) pixels[y * width * 4 + i] = value;
      else {
        const colour = [...(palette?.subarray(value * 3, value * 3 + 3) ?? []), alpha?.[value] ?? 255];
        pixels.set(colour, (y * width + i) * 4);
      }
    }
  }
  return { colourType, pixels, texts: (chunks.get('tEXt') ?? []).map((text) => text.toString('latin1')) };
}

const anyImage = fc
  .record({
    width: fc.integer({ min: 1, max: 40 }),
    height: fc.integer({ min: 1, max: 40 }),
    colours: fc.constantFrom(1, 2, 200, 5000),
    opaque: fc.boolean(),
    seed: fc.nat(),
  })
  .map(({ width, height, colours, opaque, seed }): Image => {
    const pixels = new Uint8Array(width * height * 4);
    const view = new DataView(pixels.buffer);
    for (let i = 0; i < width * height; i++) {
      const colour = Math.imul(((i * 7919 + seed) % colours) + 1, 0x9e3779b1) >>> 0;
      view.setUint32(i * 4, opaque ? (colour | 255) >>> 0 : colour);
    }
    return { width, height, pixels };
  });

test('an image comes out of its PNG as it went in, by palette or not, transparent or not', async () => {
  const seen = new Set<number>();
  await fc.assert(
    fc.asyncProperty(anyImage, async (image) => {
      const { pixels, colourType } = decode(await encodeImage(image));
      assert.deepEqual(pixels, image.pixels);
      seen.add(colourType);
    }),
  );
  assert.deepEqual([...seen].toSorted(), [3, 6]);
});

test('256 colours still fit a palette, 257 do not', async () => {
  for (const [colours, colourType] of [
    [256, 3],
    [257, 6],
  ] as const) {
    const pixels = new Uint8Array(colours * 4);
    for (let i = 0; i < colours; i++) pixels.set([i & 255, i >> 8, 7, 255], i * 4);
    assert.equal(decode(await encodeImage({ width: colours, height: 1, pixels })).colourType, colourType);
  }
});

test('texts are written as keyword and text', async () => {
  const image = { width: 1, height: 1, pixels: new Uint8Array(4) };
  assert.deepEqual(decode(await encodeImage(image, { Title: 'a \u00e9 \u2713' })).texts, ['Title\0a \u00e9 ?']);
});

test('an image whose bytes do not fit its size is refused', async () => {
  const refused = (error: unknown) => isPixelError(error, 'bad-argument');
  await assert.rejects(encodeImage({ width: 2, height: 2, pixels: new Uint8Array(15) }), refused);
  await assert.rejects(encodeImage({ width: 0, height: 2, pixels: new Uint8Array(0) }), refused);
});
