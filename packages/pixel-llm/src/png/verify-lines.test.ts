import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MemoryByteSource } from '../core/byte-source.ts';
import { LIMITS } from '../core/limits.ts';
import { encodeChunk } from './chunks.ts';
import { openPixelFs } from './pixelfs.ts';
import { makeFile, mendChunks, noise } from './testing.ts';

const BYTES = noise(40_000, 5);

describe('Verifying a mappable file finds', () => {
  test('a flipped bit in any line names that line', async () => {
    const png = await makeFile(BYTES, { width: 128 });
    const stride = 4 * 128 + 48;
    const start = Number(Buffer.from(png).readBigUInt64BE(Buffer.from(png).indexOf('pxMP') + 4)) - 44;
    for (let line = 1; line < 79; line += 7) {
      for (const place of [0, 5, 20, 40, 43, 44, 300, 555, 559]) {
        const changed = png.slice();
        changed[start + line * stride + place]! ^= 1 << (line & 7);
        const file = await openPixelFs(new MemoryByteSource(changed));
        assert.deepEqual(
          (await file.verify()).map((damage) => damage.line),
          [line],
          `line ${line}, byte ${place}`,
        );
      }
    }
  });

  test('an Adler-32 of a mappable file that is not that of its lines, though every CRC matches', async () => {
    const png = (await makeFile(BYTES, { width: 128 })).slice();
    png[png.length - 12 - 4 - 1]! ^= 1;
    const damages = await (await openPixelFs(new MemoryByteSource(mendChunks(png)))).verify();
    assert.deepEqual(
      damages.map(({ line }) => line),
      [-1],
    );
    assert.match(damages[0]?.message ?? '', /Adler-32/);
  });

  test('bytes after the end; but a chunk that another program added at the end is none of them', async () => {
    const png = await makeFile(BYTES, { width: 128 });
    const verify = async (...parts: Uint8Array[]) =>
      (await openPixelFs(new MemoryByteSource(Buffer.concat(parts)))).verify();
    const comment = encodeChunk('tEXt', new TextEncoder().encode('Comment\0seen'));
    assert.deepEqual(await verify(png.subarray(0, -12), comment, png.subarray(-12)), []);
    assert.match((await verify(png, comment))[0]?.message ?? '', /^24 bytes follow the end/);
    const many = Buffer.concat(Array.from({ length: LIMITS.ancillaryChunks }, () => comment));
    assert.match(
      (await verify(png.subarray(0, -12), many, png.subarray(-12)))[0]?.message ?? '',
      /more than 10000 chunks/,
    );
  });
});
