import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { MemoryByteSink } from '../core/byte-sink.ts';
import { MemoryByteSource } from '../core/byte-source.ts';
import { isPixelError } from '../core/errors.ts';
import { openPicture } from './open-picture.ts';
import { createPictureWriter } from './picture-writer.ts';
import { imageMagick, makePicture, noise, pngChecker, rasterOf, skipWithout } from './testing.ts';

const WIDTHS = [64, 128, 256, 512, 1024, 2048, 4096, 8192];

describe('A written picture', () => {
  for (const width of WIDTHS) {
    test(`of width ${width} has its lines at a constant stride, 16-byte aligned, each with its CRC`, async () => {
      const bytes = noise(4 * width * 3 + 17);
      const png = Buffer.from(await makePicture(bytes, { width }));
      const height = png.readUInt32BE(20);
      assert.equal(height, 6, 'superblock, four lines of data, one of manifest');
      const mapping = png.indexOf('pxMP');
      const base = Number(png.readBigUInt64BE(mapping + 4));
      const stride = Number(png.readBigUInt64BE(mapping + 12));
      assert.equal(base % 16, 0);
      assert.equal(stride, 4 * width + 48);
      for (let y = 0; y < height; y++) {
        const record = base + y * stride - 44;
        assert.equal(png.readUInt32BE(record), 4 * width + 36);
        assert.equal(png.toString('latin1', record + 4, record + 8), 'IDAT');
        assert.equal(png.readUInt32BE(record + stride - 4), crc32(png.subarray(record + 4, record + stride - 4)));
      }
      const line = (y: number) => png.subarray(base + y * stride, base + y * stride + 4 * width);
      assert.deepEqual(
        Buffer.concat([line(1), line(2), line(3), line(4)]).subarray(0, bytes.length),
        Buffer.from(bytes),
      );
    });
  }

  test('is a zlib stream with the right Adler-32 whatever its width, compressed or not', async () => {
    for (const width of WIDTHS) {
      for (const compress of [false, true]) {
        const bytes = noise(4 * width + 5, width);
        // The decoder of the tests is zlib's own, which refuses a wrong checksum.
        const { rgba } = rasterOf(await makePicture(bytes, { width, compress }));
        assert.deepEqual(rgba.subarray(4 * width, 4 * width + bytes.length), bytes);
      }
    }
  });

  test('is the same however its bytes were cut into chunks', async () => {
    const bytes = noise(5000);
    const whole = await makePicture(bytes);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 20 }), async (lengths) => {
        const sink = new MemoryByteSink();
        const writer = await createPictureWriter(sink, { width: 64, kind: 'bytes' });
        let at = 0;
        for (const length of lengths) {
          // The memory is overwritten once the promise resolves, as a caller may.
          const chunk = bytes.slice(at, at + length);
          await writer.append([chunk.subarray(0, 3), chunk.subarray(3)]);
          chunk.fill(0);
          at += length;
        }
        await writer.append([bytes.subarray(at)]);
        await writer.finish(new TextEncoder().encode('{"test":true}'));
        assert.deepEqual(sink.result(), whole);
      }),
      { numRuns: 30 },
    );
  });

  test('spans several batches of lines and still reads back, stored and compressed', async () => {
    const bytes = noise(5 * 1024 * 1024 + 3);
    for (const compress of [false, true]) {
      const picture = await openPicture(new MemoryByteSource(await makePicture(bytes, { width: 512, compress })));
      const target = new Uint8Array(bytes.length);
      await picture.readPixels(4 * 512, [target]);
      assert.equal(Buffer.compare(target, bytes), 0);
      assert.deepEqual(await picture.verify(), []);
    }
  });

  test('waits for a sink that takes its time before it uses the memory again', async () => {
    const bytes = noise(9 * 1024 * 1024);
    const slow = new MemoryByteSink();
    const write = slow.write.bind(slow);
    let writing = 0;
    slow.write = async (chunks) => {
      assert.equal(++writing, 1, 'one write at a time');
      await new Promise((resolve) => setTimeout(resolve, 30));
      await write(chunks);
      writing--;
    };
    const writer = await createPictureWriter(slow, { width: 1024, kind: 'bytes' });
    await writer.append([bytes]);
    await writer.finish(new TextEncoder().encode('{"test":true}'));
    assert.equal(Buffer.compare(slow.result(), await makePicture(bytes, { width: 1024 })), 0);
  });

  test('aligns with zeros and says where the next byte lies', async () => {
    const sink = new MemoryByteSink();
    const writer = await createPictureWriter(sink, { width: 64, kind: 'model' });
    assert.equal(writer.offset, 256);
    await writer.append([noise(10)]);
    await writer.align(64);
    assert.equal(writer.offset, 320);
    await writer.align(256);
    await writer.align(256);
    assert.equal(writer.offset, 512);
    const superblock = await writer.finish(new Uint8Array([1, 2, 3]));
    assert.deepEqual(superblock, {
      formatVersion: 1,
      kind: 'model',
      width: 64,
      height: 3,
      manifest: { offset: 512, byteLength: 3 },
    });
    assert.ok(
      rasterOf(sink.result())
        .rgba.subarray(266, 512)
        .every((byte) => byte === 0),
    );
  });

  test('takes only widths that pictures have', async () => {
    for (const width of [0, 32, 63, 96, 8191, 16_384, Number.NaN]) {
      await assert.rejects(createPictureWriter(new MemoryByteSink(), { width, kind: 'bytes' }), (error) =>
        isPixelError(error, 'bad-argument'),
      );
    }
  });

  test('reports a sink that fails, and takes nothing after the end', async () => {
    const full = Object.assign(new MemoryByteSink(), {});
    let writes = 0;
    full.write = async () => {
      if (++writes > 1) throw new Error('disk full');
    };
    const writer = await createPictureWriter(full, { width: 64, kind: 'bytes' });
    await assert.rejects(async () => {
      await writer.append([noise(3 * 1024 * 1024)]);
      await writer.finish(new Uint8Array(1));
    }, /disk full/);
    await writer.abort();
    await writer.abort();
    await assert.rejects(writer.append([noise(1)]), (error) => isPixelError(error, 'disposed'));
  });

  test('reports a sink that fails while it compresses', async () => {
    const full = new MemoryByteSink();
    let writes = 0;
    full.write = async () => {
      if (++writes > 1) throw new Error('disk full');
    };
    const writer = await createPictureWriter(full, { width: 64, kind: 'bytes', compress: true });
    await assert.rejects(async () => {
      for (let i = 0; i < 20; i++) await writer.append([noise(300_000, i)]);
      await writer.finish(new Uint8Array(1));
    }, /disk full/);
    await writer.abort();
  });
});

const pngcheck = pngChecker();
const magick = imageMagick();

test('Other programs find a written picture sound and read the same pixels', {
  skip: skipWithout(pngcheck, magick),
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'picture-'));
  try {
    for (const [width, compress] of [
      [64, false],
      [512, true],
      [8192, false],
    ] as const) {
      const png = await makePicture(noise(70_000), { width, compress });
      const path = join(folder, 'picture.png');
      writeFileSync(path, png);
      assert.match(execFileSync(pngcheck ?? '', ['-q', path], { encoding: 'utf8' }), /^(OK.*)?\s*$/);
      const pixels = execFileSync(magick ?? '', [path, '-depth', '8', 'rgba:-'], { maxBuffer: 1 << 28 });
      assert.equal(Buffer.compare(pixels, rasterOf(png).rgba), 0);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
