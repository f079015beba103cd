import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { MemoryByteSource } from '../core/byte-source.ts';
import { isPixelError } from '../core/errors.ts';
import { openPixelFs } from './pixelfs.ts';
import {
  type EncodeOptions,
  encodePng,
  imageMagick,
  makeFile,
  mendChunks,
  noise,
  type Raster,
  rasterOf,
  skipWithout,
} from './testing.ts';

const BYTES = noise(40_000, 5);

/** Opens, reads and verifies; the sentence of what stopped it, or undefined when every byte came back. */
async function complaint(png: Uint8Array): Promise<string | undefined> {
  try {
    const file = await openPixelFs(new MemoryByteSource(png, 'f.png'));
    const bytes = await file.readAll();
    assert.equal(Buffer.compare(bytes, BYTES), 0, 'accepted, but the bytes are others');
    const [damage] = await file.verify();
    return damage?.message;
  } catch (error) {
    assert.ok(isPixelError(error), String(error));
    assert.match(error.message, /\.$/, 'a sentence');
    assert.match(error.message, /get the original|fetch|undo|download|run `/, `says what to do: ${error.message}`);
    return error.message;
  }
}

/** The raster with each pixel replaced. */
function mapPixels(raster: Raster, change: (pixel: Uint8Array) => readonly number[]): Raster {
  const rgba = raster.rgba.slice();
  for (let at = 0; at < rgba.length; at += 4) rgba.set(change(raster.rgba.subarray(at, at + 4)).map(clamped), at);
  return { ...raster, rgba };
}

function clamped(value: number): number {
  return Math.max(0, Math.min(255, Math.round(value)));
}

/** A raster of another size, each pixel taken from a place of the old one; transparent black outside. */
function place(
  raster: Raster,
  width: number,
  height: number,
  from: (x: number, y: number) => [number, number],
): Raster {
  const rgba = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [fromX, fromY] = from(x, y);
      if (fromX < 0 || fromY < 0 || fromX >= raster.width || fromY >= raster.height) continue;
      const at = (fromY * raster.width + fromX) * 4;
      rgba.set(raster.rgba.subarray(at, at + 4), (y * width + x) * 4);
    }
  }
  return { width, height, rgba };
}

/** Halves or doubles by averaging, as most programs do. */
function resample(raster: Raster, width: number, height: number): Raster {
  const rgba = new Uint8Array(width * height * 4);
  for (let i = 0; i < rgba.length; i++) {
    const x = (((i >> 2) % width) + 0.5) * (raster.width / width) - 0.5;
    const y = (Math.floor((i >> 2) / width) + 0.5) * (raster.height / height) - 0.5;
    let sum = 0;
    for (const [dx, dy] of [
      [0, 0],
      [1, 0],
      [0, 1],
      [1, 1],
    ] as const) {
      const [px, py] = [Math.floor(x) + dx, Math.floor(y) + dy];
      const weight = (1 - Math.abs(x - px)) * (1 - Math.abs(y - py));
      const at =
        Math.min(raster.height - 1, Math.max(0, py)) * raster.width + Math.min(raster.width - 1, Math.max(0, px));
      sum += weight * raster.rgba[at * 4 + (i & 3)]!;
    }
    rgba[i] = clamped(sum);
  }
  return { width, height, rgba };
}

const over = (background: number) => (pixel: Uint8Array) =>
  [0, 1, 2].map((c) => (pixel[c]! * pixel[3]! + background * (255 - pixel[3]!)) / 255).concat(255);
const premultiplied = ([r, g, b, a]: Uint8Array) =>
  [(r! * a!) / 255, (g! * a!) / 255, (b! * a!) / 255, a!].map(clamped);
const unmultiplied = ([r, g, b, a]: readonly number[]) =>
  a === 0 ? [0, 0, 0, 0] : [(r! * 255) / a!, (g! * 255) / a!, (b! * 255) / a!, a!];

/** Each with what the sentence has to say. */
const TRANSFORMS: readonly (readonly [string, RegExp, (raster: Raster) => Raster])[] = [
  ['alpha dropped', /transparency was removed/, (r) => mapPixels(r, ([red, g, b]) => [red!, g!, b!, 255])],
  ['flattened on white', /transparency was removed/, (r) => mapPixels(r, over(255))],
  ['flattened on black', /transparency was removed/, (r) => mapPixels(r, over(0))],
  ['premultiplied', /premultiplied\)/, (r) => mapPixels(r, premultiplied)],
  ['through a canvas', /premultiplied alpha and back/, (r) => mapPixels(r, (p) => unmultiplied(premultiplied(p)))],
  [
    'colour under alpha 0 erased',
    /fully transparent/,
    (r) => mapPixels(r, (p) => (p[3] === 0 ? [0, 0, 0, 0] : [...p])),
  ],
  ['white under alpha 0', /fully transparent/, (r) => mapPixels(r, (p) => (p[3] === 0 ? [255, 255, 255, 0] : [...p]))],
  [
    'alpha inverted',
    /transparency was removed|alpha was inverted/,
    (r) => mapPixels(r, ([a, b, c, d]) => [a!, b!, c!, 255 - d!]),
  ],
  ['half transparent', /transparency was changed/, (r) => mapPixels(r, ([a, b, c, d]) => [a!, b!, c!, d! / 2])],
  [
    'red and blue swapped',
    /channels were swapped \(red, blue\)/,
    (r) => mapPixels(r, ([a, b, c, d]) => [c!, b!, a!, d!]),
  ],
  ['ARGB', /channels were swapped/, (r) => mapPixels(r, ([a, b, c, d]) => [d!, a!, b!, c!])],
  ['colours inverted', /inverted/, (r) => mapPixels(r, ([a, b, c, d]) => [255 - a!, 255 - b!, 255 - c!, d!])],
  [
    'grey',
    /grey/,
    (r) => mapPixels(r, ([a, b, c, d]) => [...new Array(3).fill(0.299 * a! + 0.587 * b! + 0.114 * c!), d!]),
  ],
  ['brighter', /close to what was written/, (r) => mapPixels(r, ([a, b, c, d]) => [a! + 12, b! + 12, c! + 12, d!])],
  [
    'gamma',
    /close to what was written/,
    (r) => mapPixels(r, (p) => [0, 1, 2].map((c) => 255 * (p[c]! / 255) ** 1.2).concat(p[3]!)),
  ],
  [
    'posterized',
    /close to what was written/,
    (r) => mapPixels(r, (p) => [0, 1, 2].map((c) => p[c]! & 0xf0).concat(p[3]!)),
  ],
  ['one off everywhere', /close to what was written/, (r) => mapPixels(r, (p) => [p[0]! ^ 1, p[1]!, p[2]!, p[3]!])],
  [
    'lossy and without alpha',
    /lossy format such as JPEG/,
    (r) => mapPixels(r, (p) => [p[0]! ^ 3, p[1]! ^ 2, p[2]! ^ 5, 255]),
  ],
  ['flipped', /upside down/, (r) => place(r, r.width, r.height, (x, y) => [x, r.height - 1 - y])],
  ['mirrored', /mirrored/, (r) => place(r, r.width, r.height, (x, y) => [r.width - 1 - x, y])],
  [
    'rotated by 180',
    /rotated by 180/,
    (r) => place(r, r.width, r.height, (x, y) => [r.width - 1 - x, r.height - 1 - y]),
  ],
  [
    'rotated right',
    /rotated by 90 degrees to the right/,
    (r) => place(r, r.height, r.width, (x, y) => [y, r.height - 1 - x]),
  ],
  [
    'rotated left',
    /rotated by 90 degrees to the left/,
    (r) => place(r, r.height, r.width, (x, y) => [r.width - 1 - y, x]),
  ],
  ['transposed', /diagonal/, (r) => place(r, r.height, r.width, (x, y) => [y, x])],
  ['shifted right', /x = 3, y = 0/, (r) => place(r, r.width, r.height, (x, y) => [(x + r.width - 3) % r.width, y])],
  ['bordered', /x = 8, y = 8/, (r) => place(r, r.width + 16, r.height + 16, (x, y) => [x - 8, y - 8])],
  ['cropped at the bottom', /cropped at the bottom/, (r) => place(r, r.width, r.height - 5, (x, y) => [x, y])],
  ['cropped at the right', /cropped at the right/, (r) => place(r, r.width - 28, r.height, (x, y) => [x, y])],
  ['cropped to almost nothing', /cropped|resized|ordinary/, (r) => place(r, 1, 1, (x, y) => [x, y])],
  ['cropped at the top', /cropped or resized|ordinary/, (r) => place(r, r.width, r.height - 1, (x, y) => [x, y + 1])],
  [
    'cropped at the left',
    /cropped or resized|ordinary/,
    (r) => place(r, r.width - 40, r.height, (x, y) => [x + 40, y]),
  ],
  ['extended', /extended at the bottom/, (r) => place(r, r.width, r.height + 1, (x, y) => [x, y])],
  ['enlarged twice', /enlarged 2 times/, (r) => place(r, r.width * 2, r.height * 2, (x, y) => [x >> 1, y >> 1])],
  [
    'enlarged five times',
    /enlarged 5 times/,
    (r) => place(r, r.width * 5, r.height * 5, (x, y) => [Math.floor(x / 5), Math.floor(y / 5)]),
  ],
  ['reduced to a half', /reduced to 1\/2/, (r) => place(r, r.width >> 1, r.height >> 1, (x, y) => [x * 2, y * 2])],
  [
    'reduced to a third',
    /reduced to 1\/3/,
    (r) => place(r, Math.floor(r.width / 3), Math.floor(r.height / 3), (x, y) => [x * 3 + 1, y * 3]),
  ],
  ['enlarged smoothly', /resized/, (r) => resample(r, r.width * 2, r.height * 2)],
  ['reduced smoothly', /resized/, (r) => resample(r, r.width >> 1, r.height >> 1)],
  [
    'painted over at its start',
    /resized|painted|ordinary/,
    (r) => place(r, r.width, r.height, (x, y) => (y < 3 && x < 40 ? [-1, -1] : [x, y])),
  ],
  [
    'edited far below',
    /SHA-256/,
    (r) => ({ ...r, rgba: r.rgba.with(4 * r.width * 20 + 7, r.rgba[4 * r.width * 20 + 7]! ^ 1) }),
  ],
  ['edited in the first line', /was edited|changed|stored with loss/, (r) => ({ ...r, rgba: r.rgba.with(4 * 40, 1) })],
  ['a canary edited', /edited/, (r) => ({ ...r, rgba: r.rgba.with(4 * 30, r.rgba[120]! ^ 4) })],
];

describe('A picture that was changed is refused, and one sentence says how:', () => {
  for (const [title, says, transform] of TRANSFORMS) {
    test(title, async () => {
      const raster = transform(rasterOf(await makeFile(BYTES, { width: 128 })));
      for (const options of [{}, { filter: () => 4, interlaced: true }] as EncodeOptions[]) {
        const message = await complaint(encodePng(raster, options));
        assert.ok(message, 'it was accepted');
        assert.match(message, says);
      }
    });
  }
});

test('The same pixels in another PNG are accepted, whatever it looks like', async () => {
  const raster = rasterOf(await makeFile(BYTES, { width: 128 }));
  const forms: EncodeOptions[] = [
    {},
    { filter: (line) => line % 5 },
    { interlaced: true, filter: () => 4 },
    { bitDepth: 16, chunkBytes: 8192 },
    { bitDepth: 16, interlaced: true, level: 9 },
    { chunkBytes: 0, level: 0 },
  ];
  for (const form of forms) assert.equal(await complaint(encodePng(raster, form)), undefined, JSON.stringify(form));
});

describe('A file whose bytes were damaged is refused or named by line:', () => {
  test('cut anywhere', async () => {
    for (const compress of [false, true]) {
      const png = await makeFile(BYTES, { width: 128, compress });
      for (let length = 0; length < png.length; length += 997) {
        const message = await complaint(png.subarray(0, length));
        assert.ok(message, `${length} of ${png.length} bytes were accepted`);
        assert.match(message, /cut short|ends at byte|empty|too short|does not start|inflated/, `at ${length}`);
      }
      assert.ok(await complaint(png.subarray(0, png.length - 1)));
    }
  });

  test('a chunk checksum that does not match, though the data are right', async () => {
    const png = Buffer.from(encodePng(rasterOf(await makeFile(BYTES, { width: 128 })), { chunkBytes: 8192 }));
    const first = png.indexOf('IDAT') - 4;
    for (const chunk of [first, first + 8204]) {
      const changed = new Uint8Array(png);
      changed[chunk + 8 + 8192 + 3]! ^= 1;
      assert.match((await complaint(changed)) ?? '', /image data at byte \d+ are damaged/);
    }
  });

  test('an Adler-32 that does not match, though every CRC does', async () => {
    const raster = rasterOf(await makeFile(BYTES, { width: 128 }));
    const whole = Buffer.from(encodePng(raster, { chunkBytes: 1e9 }));
    const length = whole.readUInt32BE(whole.indexOf('IDAT') - 4);
    // With the rest of the data, and in a chunk of its own that comes when all pixels are there.
    for (const chunkBytes of [8192, length - 4]) {
      const png = Buffer.from(encodePng(raster, { chunkBytes }));
      png[png.length - 12 - 4 - 1]! ^= 1;
      assert.match((await complaint(mendChunks(png))) ?? '', /cannot be inflated/);
    }
  });

  test('a cut mappable file says which line is the first one missing', async () => {
    const png = await makeFile(BYTES, { width: 128 });
    const stride = 4 * 128 + 48;
    const start = Number(Buffer.from(png).readBigUInt64BE(Buffer.from(png).indexOf('pxMP') + 4)) - 44;
    const message = await complaint(png.subarray(0, start + 10 * stride + 5));
    assert.match(message ?? '', /line 10 of/);
  });

  test('a flipped bit in the first line, before it or after the last', async () => {
    const png = await makeFile(BYTES, { width: 128 });
    const start = Number(Buffer.from(png).readBigUInt64BE(Buffer.from(png).indexOf('pxMP') + 4)) - 44;
    const step = process.env.PIXEL_FULL === '1' ? 1 : 3;
    for (let at = 0; at < start + 560; at += step) {
      const changed = png.slice();
      changed[at]! ^= 1 << (at & 7);
      const message = await complaint(changed);
      assert.ok(message, `byte ${at}`);
      if (at >= start + 44) assert.match(message, /line 0/i, `byte ${at}`);
    }
    for (let at = png.length - 33; at < png.length; at++) {
      const changed = png.slice();
      changed[at]! ^= 1 << (at & 7);
      assert.ok(await complaint(changed), `byte ${at} of the end`);
    }
  });

  test('bytes lost or added in the middle', async () => {
    const png = await makeFile(BYTES, { width: 128 });
    const half = png.length >> 1;
    assert.ok(await complaint(new Uint8Array(Buffer.concat([png.subarray(0, half), png.subarray(half + 1)]))));
    const longer = new Uint8Array(Buffer.concat([png.subarray(0, half), Uint8Array.of(7), png.subarray(half)]));
    assert.match((await complaint(longer)) ?? '', /frame|does not start where it has to|SHA-256|manifest/);
    assert.match((await complaint(new Uint8Array(Buffer.concat([png, noise(10)])))) ?? '', /10 bytes follow/);
  });
});

test('What is no PNG is named by what it is', async () => {
  const text = (start: string) => new Uint8Array(Buffer.from(start.padEnd(100, '\0'), 'latin1'));
  const cases: [Uint8Array, RegExp][] = [
    [text('\xff\xd8\xff\xe0..JFIF'), /is a JPEG/],
    [text('RIFF....WEBPVP8 '), /WebP/],
    [text('GIF89a'), /GIF/],
    [text('BM....'), /BMP/],
    [text('II*\0'), /TIFF/],
    [text('\0\0\0\x1cftypavif'), /AVIF/],
    [text('\0\0\0\x0cJXL '), /JPEG XL/],
    [text('GGUF\x03'), /GGUF/],
    [text('PK\x03\x04'), /ZIP/],
    [text('\x1f\x8b\x08'), /gzip/],
    [text('<!DOCTYPE html>'), /web page/],
    [text('version https://git-lfs.github.com/spec/v1'), /git lfs pull/],
    [text('\x89PNG\n\x1a\n'), /transferred as text/],
    [text('\xef\xbf\xbdPNG\r\n'), /transferred as text/],
    [text(''), /starts with zeros/],
    [new Uint8Array(0), /empty/],
    [text('hello'), /not a PNG/],
  ];
  for (const [bytes, says] of cases) {
    await assert.rejects(
      openPixelFs(new MemoryByteSource(bytes)),
      (error) => isPixelError(error) && says.test(error.message),
    );
  }
});

const magick = imageMagick();

describe('With ImageMagick', { skip: skipWithout(magick) }, () => {
  async function converted(name: string, ...options: string[]): Promise<string | undefined> {
    const folder = mkdtempSync(join(tmpdir(), 'diagnosis-'));
    try {
      const [from, to] = [join(folder, 'from.png'), join(folder, name)];
      writeFileSync(from, await makeFile(BYTES, { width: 128 }));
      execFileSync(magick ?? '', [from, ...options, to]);
      return await complaint(new Uint8Array(readFileSync(to)));
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  test('what keeps every pixel is accepted', async () => {
    assert.equal(await converted('to.png'), undefined);
    assert.equal(await converted('to.png', '-strip', '-quality', '95'), undefined);
    assert.equal(await converted('to.png', '-interlace', 'PNG'), undefined);
    assert.equal(await converted('png64.png', '-depth', '16', '-define', 'png:format=png64'), undefined);
  });

  test('what changes them is refused', async () => {
    const lossy = /close to what|grey|edited|resized|cropped|ordinary|removed|SHA-256|JPEG/;
    const changes: string[][] = [
      ['-resize', '50%'],
      ['-resize', '256x256!'],
      ['-colors', '64'],
      ['-gamma', '1.1'],
      ['-modulate', '105'],
      ['-blur', '0x1'],
      ['-background', 'white', '-alpha', 'remove', '-alpha', 'off'],
      ['-colorspace', 'Gray'],
      ['-quality', '90', '-sharpen', '0x1'],
    ];
    for (const change of changes) {
      const message = await converted('to.png', ...change);
      assert.ok(message, `${change.join(' ')} was accepted`);
      assert.match(message, lossy, change.join(' '));
    }
    assert.match((await converted('to.jpg')) ?? '', /is a JPEG/);
  });

  test('a JPEG turned back into a PNG is recognized', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'diagnosis-'));
    try {
      writeFileSync(join(folder, 'a.png'), await makeFile(BYTES, { width: 128 }));
      execFileSync(magick ?? '', [join(folder, 'a.png'), '-quality', '92', join(folder, 'b.jpg')]);
      execFileSync(magick ?? '', [join(folder, 'b.jpg'), join(folder, 'c.png')]);
      assert.match((await complaint(new Uint8Array(readFileSync(join(folder, 'c.png'))))) ?? '', /ordinary|JPEG/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
