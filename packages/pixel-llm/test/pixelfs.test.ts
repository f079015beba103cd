import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { MemoryByteSink } from '../src/core/byte-sink.ts';
import { BlobByteSource, type ByteSource, MemoryByteSource } from '../src/core/byte-source.ts';
import { isPixelError } from '../src/core/errors.ts';
import { openHttpByteSource } from '../src/core/http-byte-source.ts';
import { openFileByteSink, openFileByteSource } from '../src/core/node.ts';
import { openPixelFs, verifyPixelFs } from '../src/png/pixelfs.ts';
import { squareWidth, writePixelFs } from '../src/png/pixelfs-writer.ts';
import { makeFile, makePicture, noise } from '../src/png/testing.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pixelfs-'));
});
after(() => rm(folder, { recursive: true }));

async function* pieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array, void, void> {
  const piece = new Uint8Array(length);
  for (let at = 0; at < bytes.length; at += length) {
    const part = bytes.subarray(at, at + length);
    // One buffer for all, as a reader may give.
    piece.set(part);
    yield piece.subarray(0, part.length);
  }
}

describe('PixelFS', () => {
  test('gives back any bytes, of any length, from a stream or whole, stored or compressed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 5000, size: 'max' }),
        fc.boolean(),
        fc.integer({ min: 0, max: 700 }),
        async (bytes, compress, step) => {
          const sink = new MemoryByteSink();
          await writePixelFs(sink, step === 0 ? bytes : pieces(bytes, step), { name: 'é.bin', compress });
          await using file = await openPixelFs(new MemoryByteSource(sink.result()));
          assert.equal(file.name, 'é.bin');
          assert.equal(file.size, bytes.length);
          assert.equal(Buffer.compare(await file.readAll(), bytes), 0);
          assert.deepEqual(await file.verify(), []);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('reads the same over memory, a Blob, a file and HTTP ranges', async () => {
    const bytes = noise(300_000);
    const png = await makeFile(bytes, { name: 'noise.bin' });
    const path = join(folder, 'noise.png');
    await writeFile(path, png);
    const server = createServer((request, response) => {
      const [, from, to] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? [];
      const part = png.subarray(Number(from), Number(to) + 1);
      response.writeHead(206, {
        'content-range': `bytes ${from}-${Number(from) + part.length - 1}/${png.length}`,
        'content-length': part.length,
      });
      response.end(part);
    }).listen(0, '127.0.0.1');
    await new Promise((listening) => server.once('listening', listening));
    try {
      const sources: ByteSource[] = [
        new MemoryByteSource(png),
        new BlobByteSource(new Blob([png])),
        await openFileByteSource(path),
        await openHttpByteSource(`http://127.0.0.1:${(server.address() as AddressInfo).port}/noise.png`),
      ];
      for (const source of sources) {
        await using file = await openPixelFs(source);
        assert.deepEqual(await file.read(123_456, 1000), bytes.slice(123_456, 124_456));
        assert.deepEqual(await file.read(300_000, 0), new Uint8Array(0));
        const streamed: Uint8Array[] = [];
        for await (const piece of file.stream()) streamed.push(piece);
        assert.equal(Buffer.compare(Buffer.concat(streamed), bytes), 0);
        const { note, ...info } = file.info();
        assert.deepEqual(info, {
          name: 'noise.bin',
          byteLength: 300_000,
          sha256: info.sha256,
          createdBy: 'pixel-llm',
          formatVersion: 1,
          width: 256,
          height: 295,
          access: 'mappable',
          pictureBytes: png.length,
        });
        assert.equal(note, undefined);
      }
    } finally {
      server.close();
    }
  });

  test('makes a picture that is roughly square, and says when it is too tall for viewers', async () => {
    for (const length of [0, 1, 16_384, 100_000, 1e6, 268e6]) {
      const width = squareWidth(length);
      const lines = Math.max(1, length / 4 / width);
      assert.ok(width === 64 || (width / lines < 2.1 && lines / width < 2.1), `${length} bytes: ${width} wide`);
    }
    assert.equal(squareWidth(1e12), 8192);
    await using file = await openPixelFs(new MemoryByteSource(await makeFile(noise(2_200_000), { width: 64 })));
    assert.match(file.info().note ?? '', /8596 lines; many viewers open at most 8176/);
  });

  test('refuses reads outside the file, pictures of other kinds, and manifests that point elsewhere', async () => {
    await using file = await openPixelFs(new MemoryByteSource(await makeFile(noise(100))));
    for (const [offset, length] of [
      [-1, 1],
      [0, 101],
      [100, 1],
      [0.5, 1],
      [0, Number.NaN],
    ] as const) {
      await assert.rejects(file.read(offset, length), (error) => isPixelError(error, 'bad-argument'));
    }
    await assert.rejects(
      openPixelFs(new MemoryByteSource(await makePicture(noise(10), { kind: 'model' }))),
      (error) => isPixelError(error, 'unknown-format') && /kind "model"/.test(error.message),
    );
    await assert.rejects(
      openPixelFs(new MemoryByteSource(await makePicture(noise(10)))),
      (error) => isPixelError(error, 'bad-manifest') && /manifest is malformed at/.test(error.message),
    );
  });

  test('names the damaged line, also when it is one of the manifest', async () => {
    const png = await makeFile(noise(10_000), { width: 64 });
    const start = Number(Buffer.from(png).readBigUInt64BE(Buffer.from(png).indexOf('pxMP') + 4));
    const height = Buffer.from(png).readUInt32BE(20);
    for (const line of [1, 17, height - 1]) {
      const damaged = png.slice();
      damaged[start + line * (4 * 64 + 48) + 3]! ^= 16;
      const [damage] = await verifyPixelFs(new MemoryByteSource(damaged));
      assert.equal(damage?.line, line);
    }
    assert.deepEqual(await verifyPixelFs(new MemoryByteSource(png)), []);
  });

  test('an interrupted write leaves the old file, and nothing beside it', async () => {
    const path = join(folder, 'kept.png');
    await writeFile(path, 'old');
    const stop = new AbortController();
    async function* endless(): AsyncGenerator<Uint8Array, void, void> {
      for (let i = 0; ; i++) {
        if (i === 5) stop.abort();
        yield new Uint8Array(2_000_000);
      }
    }
    for (const compress of [false, true]) {
      const work = writePixelFs(await openFileByteSink(path), endless(), { signal: stop.signal, compress });
      await assert.rejects(work, (error) => isPixelError(error, 'aborted'));
    }
    async function* failing(): AsyncGenerator<Uint8Array, void, void> {
      yield new Uint8Array(5_000_000);
      throw new Error('the disk was pulled');
    }
    await assert.rejects(writePixelFs(await openFileByteSink(path), failing()), /the disk was pulled/);
    await assert.rejects(writePixelFs(await openFileByteSink(path), noise(9), { width: 65 }), (error) =>
      isPixelError(error, 'bad-argument'),
    );
    assert.equal(await readFile(path, 'utf8'), 'old');
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.includes('kept')),
      ['kept.png'],
    );
  });

  test('reports its progress', async () => {
    const sink = new MemoryByteSink();
    const seen: number[] = [];
    let last = '';
    await writePixelFs(sink, noise(9_000_000), {
      onProgress: ({ phase, done, total }) => {
        last = phase;
        if (total !== undefined) seen.push(done, total);
      },
    });
    assert.deepEqual(seen, [4_194_304, 9_000_000, 8_388_608, 9_000_000, 9_000_000, 9_000_000]);
    assert.equal(last, 'writing to disk');
    await using file = await openPixelFs(new MemoryByteSource(sink.result()));
    const phases = new Map<string, number>();
    await file.verify({ onProgress: ({ phase, done }) => phases.set(phase, done) });
    assert.deepEqual(
      [...phases],
      [
        ['verifying', file.info().height],
        ['reading', 9_000_000],
      ],
    );
  });
});

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

test('A large stream is written, verified and read in constant memory', async () => {
  const path = join(folder, 'large.png');
  const step = noise(1_000_000);
  const steps = process.env.PIXEL_FULL === '1' ? 3000 : 150;
  let most = 0;
  collectGarbage();
  const start = process.memoryUsage().arrayBuffers;
  const look = (count: number) => {
    if (count % 10 !== 0) return;
    // Buffers are given back beside the program, after a collection; the next collection waits for that, so that none counts that is dead.
    collectGarbage();
    collectGarbage();
    most = Math.max(most, process.memoryUsage().arrayBuffers - start);
  };
  async function* large(): AsyncGenerator<Uint8Array, void, void> {
    for (let i = 0; i < steps; i++) {
      look(i);
      yield step;
    }
  }
  await writePixelFs(await openFileByteSink(path, { sync: false }), large());
  assert.ok((await stat(path)).size > steps * 1_000_000);
  await using file = await openPixelFs(await openFileByteSource(path));
  assert.deepEqual(await file.verify({ onProgress: ({ done }) => look(done) }), []);
  let length = 0;
  let count = 0;
  for await (const piece of file.stream()) {
    length += piece.length;
    look(count++);
  }
  assert.equal(length, steps * 1_000_000);
  assert.ok(most < 48e6, `${most} bytes at once`);
  await rm(path);
});
