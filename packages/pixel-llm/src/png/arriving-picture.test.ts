import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isPixelError, type PixelError } from '../core/errors.ts';
import { ArrivingPicture } from './arriving-picture.ts';
import { recordStride } from './line-record.ts';
import { encodePng, makePicture, noise, rasterOf } from './testing.ts';

const WIDTH = 64;
const stride = recordStride(WIDTH);
const png = await makePicture(noise(4 * WIDTH * 20), { width: WIDTH });
const height = new DataView(png.buffer, png.byteOffset).getUint32(20);
const firstLine = png.length - 33 - height * stride;

/** Pushes all bytes in pieces of the given lengths, over and over. */
function arrive(bytes: Uint8Array, lengths: readonly number[]): ArrivingPicture {
  const picture = new ArrivingPicture('p.png', bytes.length);
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = lengths[turn % lengths.length] ?? 1;
    picture.push(bytes.subarray(at, at + length));
    at += length;
  }
  return picture;
}

/** What is said of the bytes when they arrive so. */
function problemOf(bytes: Uint8Array, lengths: readonly number[]): PixelError {
  try {
    arrive(bytes, lengths);
  } catch (error) {
    if (isPixelError(error)) return error;
    throw error;
  }
  throw new Error('nothing was noticed');
}

const anyPieces = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 8 });

describe('An arriving picture', () => {
  test('is sound in pieces of any lengths, as written, compressed, or written by another program', async () => {
    const compressed = await makePicture(noise(20_000), { width: WIDTH, compress: true });
    const foreign = encodePng(rasterOf(png));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(png, compressed, foreign), anyPieces, async (bytes, lengths) => {
        const picture = arrive(bytes, lengths);
        assert.ok(picture.isComplete);
        assert.equal(picture.checkedBytes, bytes.length);
      }),
      { numRuns: 60 },
    );
  });

  test('shows any changed byte at its line, and what came before is right', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: png.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        anyPieces,
        (at, change, lengths) => {
          const changed = png.slice();
          changed[at] = (changed[at] ?? 0) ^ change;
          const { code, details } = problemOf(changed, lengths);
          assert.ok(code === 'damaged-picture' || code === 'bad-png' || code === 'limit-exceeded', code);
          const line = Math.floor((at - firstLine) / stride);
          if (line >= 0 && line < height) assert.deepEqual(details, { offset: firstLine + line * stride, line });
        },
      ),
      { numRuns: 400 },
    );
  });

  test('shows a damaged line as soon as its last byte is there', () => {
    const changed = png.slice();
    const start = firstLine + 7 * stride;
    changed[start + 100] = (changed[start + 100] ?? 0) ^ 1;
    const picture = new ArrivingPicture('p.png', png.length);
    picture.push(changed.subarray(0, start + stride - 1));
    assert.throws(
      () => picture.push(changed.subarray(start + stride - 1, start + stride)),
      /p\.png, line 7: its CRC does not match/,
    );
    picture.rewind();
    assert.equal(picture.checkedBytes, start);
    picture.push(png.subarray(start));
    assert.ok(picture.isComplete);
  });

  test('shows lost, added and repeated bytes, and bytes after the end', () => {
    const at = firstLine + 5 * stride + 50;
    const lost = Buffer.concat([png.subarray(0, at), png.subarray(at + 1)]);
    const added = Buffer.concat([png.subarray(0, at), Uint8Array.of(0), png.subarray(at)]);
    for (const bytes of [lost, added]) {
      const picture = new ArrivingPicture('p.png', png.length);
      assert.throws(() => picture.push(bytes), /line 5: its CRC/);
    }
    const picture = new ArrivingPicture('p.png', png.length);
    picture.push(png);
    assert.throws(() => picture.push(Uint8Array.of(0)), /bytes follow the end/);
    assert.equal(arrive(png.subarray(0, -5), [1000]).isComplete, false);
  });
});
