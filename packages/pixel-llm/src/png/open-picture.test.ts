import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { crc32, deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { type ByteSource, MemoryByteSource } from '../core/byte-source.ts';
import { isPixelError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { openPicture } from './open-picture.ts';
import { chunk, encodePng, makePicture, mendChunks, noise, rasterOf } from './testing.ts';

const WIDTH = 64;
const BYTES = noise(50_000, 3);

const PNG = await makePicture(BYTES, { width: WIDTH });
const RASTER = rasterOf(PNG);

/** A source that counts what is read and whether it was closed. */
function watched(bytes: Uint8Array): ByteSource & { reads: number; bytesRead: number; disposed: number } {
  const inner = new MemoryByteSource(bytes);
  return {
    name: 'watched',
    size: bytes.length,
    reads: 0,
    bytesRead: 0,
    disposed: 0,
    async read(offset, targets, options) {
      this.reads++;
      for (const target of targets) this.bytesRead += target.length;
      await inner.read(offset, targets, options);
    },
    async dispose() {
      this.disposed++;
    },
  };
}

const KINDS = [
  { title: 'as written', png: PNG, options: {}, access: 'mappable' },
  {
    title: 'compressed',
    png: await makePicture(BYTES, { width: WIDTH, compress: true }),
    options: {},
    access: 'decoded',
  },
  { title: 'interlaced', png: encodePng(RASTER, { interlaced: true }), options: {}, access: 'decoded' },
  {
    title: 'filtered, and too large to be kept in memory',
    png: encodePng(RASTER, { filter: (line) => line % 5 }),
    options: { decodedMemory: 0 },
    access: 'decoded',
  },
] as const;

for (const { title, png, options, access } of KINDS) {
  describe(`A picture ${title}`, () => {
    test('gives any bytes of its raster, into targets of any sizes', async () => {
      const picture = await openPicture(new MemoryByteSource(png), options);
      assert.equal(picture.access, access);
      assert.deepEqual([picture.width, picture.height], [RASTER.width, RASTER.height]);
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 0, max: RASTER.rgba.length }),
          fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 5 }),
          async (offset, lengths) => {
            const targets: Uint8Array[] = [];
            let left = RASTER.rgba.length - offset;
            for (const length of lengths) {
              targets.push(new Uint8Array(Math.min(left, length)));
              left -= Math.min(left, length);
            }
            await picture.readPixels(offset, targets);
            const all = Buffer.concat(targets);
            assert.equal(Buffer.compare(all, RASTER.rgba.subarray(offset, offset + all.length)), 0);
          },
        ),
        { numRuns: 40 },
      );
      assert.deepEqual(await picture.verify(), []);
      await picture.dispose();
    });

    test('serves several readers at once', async () => {
      const picture = await openPicture(new MemoryByteSource(png), options);
      const offsets = [40_000, 0, 20_000, 300, 20_001];
      const targets = offsets.map(() => new Uint8Array(5000));
      await Promise.all(offsets.map((offset, index) => picture.readPixels(offset, [targets[index]!])));
      for (const [index, offset] of offsets.entries()) {
        assert.deepEqual(targets[index], RASTER.rgba.slice(offset, offset + 5000));
      }
    });

    test('refuses reads outside its raster and stops at a signal', async () => {
      const picture = await openPicture(new MemoryByteSource(png), options);
      for (const [offset, length] of [
        [-1, 1],
        [0.5, 1],
        [RASTER.rgba.length, 1],
        [RASTER.rgba.length - 3, 4],
      ] as const) {
        await assert.rejects(picture.readPixels(offset, [new Uint8Array(length)]), (error) =>
          isPixelError(error, 'bad-argument'),
        );
      }
      const signal = AbortSignal.abort();
      await assert.rejects(picture.readPixels(0, [new Uint8Array(9)], { signal }), (e) => isPixelError(e, 'aborted'));
      await assert.rejects(picture.verify({ signal }), (error) => isPixelError(error, 'aborted'));
      await picture.readPixels(0, [new Uint8Array(9)]);
    });

    test('closes its source, also when it cannot be opened', async () => {
      const source = watched(png);
      await (await openPicture(source, options)).dispose();
      assert.equal(source.disposed, 1);
      const broken = watched(png.subarray(0, 100));
      await assert.rejects(openPicture(broken, options));
      assert.equal(broken.disposed, 1);
    });
  });
}

test('Opening a mappable picture reads a few pieces, however large it is, and a read takes no more than it needs', async () => {
  const png = await makePicture(noise(3_000_000), { width: 512 });
  const source = watched(png);
  const picture = await openPicture(source);
  assert.ok(source.reads <= 6, `${source.reads} reads`);
  assert.ok(source.bytesRead < 300_000, `${source.bytesRead} bytes`);
  const before = source.bytesRead;
  await picture.readPixels(100_000, [new Uint8Array(50_000)]);
  assert.ok(source.bytesRead - before < 52_000);
});

test('A read that passes over a broken frame names the line; others go on', async () => {
  const png = PNG.slice();
  const start = Number(Buffer.from(png).readBigUInt64BE(Buffer.from(png).indexOf('pxMP') + 4)) - 44;
  png[start + 10 * 304 + 2]! ^= 1;
  const picture = await openPicture(new MemoryByteSource(png));
  await picture.readPixels(256 * 8, [new Uint8Array(512)]);
  await assert.rejects(
    picture.readPixels(256 * 8, [new Uint8Array(513)]),
    (error) => isPixelError(error, 'damaged-picture') && /line 10 /.test(error.message) && error.details.line === 10,
  );
});

test('Of very many damaged lines the first are named and the others counted', async () => {
  const png = await makePicture(noise(300_000));
  const start = Number(Buffer.from(png).readBigUInt64BE(Buffer.from(png).indexOf('pxMP') + 4));
  for (let line = 5; line < 1170; line++) png[start + line * 304]! ^= 1;
  const damages = await (await openPicture(new MemoryByteSource(png))).verify();
  assert.deepEqual([damages.length, damages[0]?.line, damages[999]?.line], [1001, 5, 1004]);
  assert.equal(damages[1000]?.message, '165 more lines are damaged.');
});

test('Reading a large compressed picture in order inflates it once', async () => {
  const source = watched(await makePicture(noise(2_000_000), { width: 512, compress: true }));
  const picture = await openPicture(source, { decodedMemory: 0 });
  const before = source.bytesRead;
  for (let at = 0; at < 2_000_000; at += 100_000) await picture.readPixels(at, [new Uint8Array(100_000)]);
  assert.ok(source.bytesRead - before < source.size * 1.3, `${source.bytesRead - before} of ${source.size}`);
});

test('Other programs may drop or add chunks', async () => {
  const text = chunk('tEXt', Buffer.from('Software\0anything'));
  const picture = await openPicture(
    new MemoryByteSource(encodePng(RASTER, { chunks: [text, chunk('gAMA', Buffer.alloc(4))] })),
  );
  const target = new Uint8Array(BYTES.length);
  await picture.readPixels(4 * WIDTH, [target]);
  assert.equal(Buffer.compare(target, BYTES), 0);
});

test('What optimizers make of a mappable picture with the old hint chunk kept is read by what is really there', async () => {
  const mapping = Buffer.alloc(16, 1);
  const png = encodePng(RASTER, { chunks: [chunk('pxMP', mapping)], chunkBytes: 8192 });
  assert.equal((await openPicture(new MemoryByteSource(png))).access, 'decoded');
});

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

describe('A hostile PNG', () => {
  const rejects = (bytes: Uint8Array, says: RegExp) =>
    assert.rejects(
      openPicture(new MemoryByteSource(bytes)),
      (error) => isPixelError(error) && says.test(error.message),
    );
  const header = (width: number, height: number, form = [8, 6, 0, 0, 0]) => {
    const data = Buffer.alloc(13);
    data.writeUInt32BE(width);
    data.writeUInt32BE(height, 4);
    data.set(form, 8);
    return chunk('IHDR', data);
  };
  const file = (...chunks: Uint8Array[]) => new Uint8Array(Buffer.concat([PNG.subarray(0, 8), ...chunks]));
  const end = chunk('IEND', new Uint8Array(0));

  test('that declares more pixels than its bytes can hold is refused before anything is allocated', async () => {
    const data = chunk('IDAT', Buffer.from('789c030000000001', 'hex'));
    await rejects(file(header(60_000, 16_000_000), data, end), /far too short/);
    await rejects(file(header(16_000_000, 16_000_000), data, end), /wide|too short/);
    await rejects(file(header(60_000, 16_000_000, [8, 6, 0, 0, 1]), data, end), /exceed|too short/);
    await rejects(file(header(2 ** 31, 1), data, end), /limit/);
    collectGarbage();
    const before = process.memoryUsage().arrayBuffers;
    await rejects(file(header(64, 8_000_000, [8, 6, 0, 0, 1]), data, end), /too short/);
    await rejects(file(header(64, 8_000_000), data, end), /too short/);
    assert.ok(process.memoryUsage().arrayBuffers - before < 1e6);
  });

  test('whose image data go on beyond its size is refused, without inflating them', async () => {
    const bomb = chunk('IDAT', deflateSync(Buffer.alloc(100_000_000), { level: 9 }));
    assert.ok(bomb.length < 100_000);
    collectGarbage();
    const before = process.memoryUsage().arrayBuffers;
    // Deflate grows at most 1032-fold, and 32 KiB are fed at once.
    await rejects(file(header(64, 100), bomb, end), /longer than its header|ordinary/);
    assert.ok(process.memoryUsage().arrayBuffers - before < 36e6);
    const longer = { ...RASTER, height: RASTER.height + 50, rgba: new Uint8Array(RASTER.rgba.length + 50 * 256) };
    longer.rgba.set(RASTER.rgba);
    const shorter = file(header(64, RASTER.height), encodePng(longer).subarray(33));
    const picture = await openPicture(new MemoryByteSource(shorter));
    assert.match((await picture.verify())[0]?.message ?? '', /longer than its header/);
  });

  test('with impossible headers, chunks without end or of giant length is refused', async () => {
    for (const form of [
      [3, 6, 0, 0, 0],
      [16, 3, 0, 0, 0],
      [8, 5, 0, 0, 0],
      [8, 6, 1, 0, 0],
      [8, 6, 0, 1, 0],
      [8, 6, 0, 0, 2],
    ]) {
      await rejects(file(header(64, 2, form), end), /does not allow/);
    }
    await rejects(file(header(0, 2), end), /does not allow/);
    await rejects(file(header(64, 2), end), /without image data/);
    await rejects(file(header(64, 2)), /truncated|ends at byte/);
    await rejects(file(chunk('IDAT', new Uint8Array(2))), /header/);
    await rejects(file(header(64, 2), chunk('ABCD', new Uint8Array(2)), end), /none that a PNG reader knows/);
    await rejects(file(header(64, 2), Buffer.from('7fffffff49444154', 'hex')), /cut short/);
    await rejects(file(header(64, 2), Buffer.from('ffffffff49444154', 'hex')), /no PNG chunk/);
    const many = Buffer.concat(Array.from({ length: LIMITS.ancillaryChunks }, () => chunk('teXt', new Uint8Array(0))));
    await rejects(file(header(64, 2), many), /more than 10000 chunks/);
    await rejects(file(header(4, 4, [8, 3, 0, 0, 0]), chunk('IDAT', new Uint8Array(2)), end), /palette/);
    await rejects(
      file(header(4, 4, [8, 3, 0, 0, 0]), chunk('PLTE', new Uint8Array(4)), chunk('IDAT', new Uint8Array(2)), end),
      /palette/,
    );
    await rejects(
      file(header(4, 4, [8, 2, 0, 0, 0]), chunk('tRNS', new Uint8Array(4)), chunk('IDAT', new Uint8Array(2)), end),
      /transparency/,
    );
    await rejects(file(header(64, 2), chunk('PLTE', new Uint8Array(LIMITS.ancillaryChunkBytes + 1)), end), /limit/);
  });

  test('of a newer version of the format says that the program has to be updated', async () => {
    const rgba = RASTER.rgba.slice();
    const bytes = new Uint8Array(48);
    for (let i = 0; i < 48; i++) bytes[i] = rgba[Math.floor(i / 3) * 4 + (i % 3)]!;
    bytes[4] = 2;
    new DataView(bytes.buffer).setUint32(44, crc32(bytes.subarray(0, 44)), true);
    for (let i = 0; i < 48; i++) rgba[Math.floor(i / 3) * 4 + (i % 3)] = bytes[i]!;
    await rejects(encodePng({ ...RASTER, rgba }), /format version 2.*update/);
  });
});

describe('Mutated files', () => {
  /** Deflate grows at most 1032-fold; a feed of 32 KiB is what may be in flight, beside the picture itself. */
  const MEMORY_BOUND = 64e6;

  test('never crash, hang or take memory beyond the bound, and every error is one of ours', {
    timeout: 180_000,
  }, async () => {
    const seeds = KINDS.map(({ png }) => png);
    let opened = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: seeds.length - 1 }),
        fc.array(
          fc.record({
            // Most of what can be declared stands at the start and the end.
            at: fc.oneof(fc.nat(400), fc.nat(60_000), fc.integer({ min: -60, max: -1 })),
            how: fc.constantFrom('flip', 'set', 'cut', 'insert', 'repeat', 'number'),
            value: fc.nat(255),
          }),
          { minLength: 1, maxLength: 4 },
        ),
        fc.boolean(),
        async (seed, mutations, mended) => {
          const mutated = mutations.reduce<Uint8Array>((from, mutation) => mutate(from, mutation), seeds[seed]!);
          // With its CRCs right again, a file gets past the first door.
          const bytes = mended ? mendChunks(mutated) : mutated;
          collectGarbage();
          const before = process.memoryUsage().arrayBuffers;
          try {
            const picture = await openPicture(new MemoryByteSource(bytes), { decodedMemory: seed * 1_000_000 });
            opened++;
            await picture.verify();
            await picture.readPixels(0, [new Uint8Array(1000)]);
            const { offset, byteLength } = picture.superblock.manifest;
            await picture.readPixels(offset, [new Uint8Array(byteLength)]);
          } catch (error) {
            if (!isPixelError(error)) throw error;
          }
          assert.ok(process.memoryUsage().arrayBuffers - before < MEMORY_BOUND);
        },
      ),
      { numRuns: process.env.PIXEL_FULL === '1' ? 2000 : 150, seed: 7 },
    );
    assert.ok(opened > 20, 'some mutations leave the picture readable');
  });

  function mutate(from: Uint8Array, { at, how, value }: { at: number; how: string; value: number }): Uint8Array {
    const bytes = Buffer.from(from);
    const place = at < 0 ? Math.max(0, bytes.length + at) : Math.min(at, Math.max(0, bytes.length - 1));
    if (how === 'cut') return bytes.subarray(0, place);
    if (how === 'insert')
      return Buffer.concat([bytes.subarray(0, place), Buffer.alloc(value, value), bytes.subarray(place)]);
    if (how === 'repeat') return Buffer.concat([bytes.subarray(0, place), bytes.subarray(Math.max(0, place - value))]);
    if (how === 'number') bytes.fill(value % 3 === 0 ? 0 : 255, place, Math.min(bytes.length, place + 4));
    else if (bytes.length > 0) bytes[place] = how === 'flip' ? bytes[place]! ^ (1 << (value & 7)) : value;
    return bytes;
  }
});
