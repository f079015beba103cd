import assert from 'node:assert/strict';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { BlobByteSource, type ByteSource, MemoryByteSource, readBytes } from './byte-source.ts';
import { isPixelError } from './errors.ts';
import { openFileByteSource } from './node.ts';

const bytes = Uint8Array.from({ length: 5000 }, (_, index) => (index * 31) & 255);
let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pixel-llm-source-'));
  await writeFile(join(folder, 'bytes'), bytes);
});
after(() => rm(folder, { recursive: true, force: true }));

const kinds: [string, () => Promise<ByteSource>][] = [
  ['memory', async () => new MemoryByteSource(bytes)],
  ['a Blob', async () => new BlobByteSource(new Blob([bytes]))],
  ['a file', () => openFileByteSource(join(folder, 'bytes'))],
];

for (const [kind, open] of kinds) {
  describe(`A byte source over ${kind}`, () => {
    test('scatters any range over any targets', async () => {
      const source = await open();
      await fc.assert(
        fc.asyncProperty(fc.nat(4000), fc.array(fc.nat(120), { maxLength: 8 }), async (offset, lengths) => {
          const targets = lengths.map((length) => new Uint8Array(length));
          await source.read(offset, targets);
          const total = lengths.reduce((sum, length) => sum + length, 0);
          assert.deepEqual(Buffer.concat(targets), Buffer.from(bytes.subarray(offset, offset + total)));
        }),
        { numRuns: 40 },
      );
      await source.dispose();
    });

    test('says "truncated" for what lies beyond its end, and "bad-argument" for what makes no sense', async () => {
      const source = await open();
      await assert.rejects(readBytes(source, 4990, 11), (error) => isPixelError(error, 'truncated'));
      await assert.rejects(readBytes(source, -1, 4), (error) => isPixelError(error, 'bad-argument'));
      await assert.rejects(readBytes(source, 0.5, 4), (error) => isPixelError(error, 'bad-argument'));
      assert.equal((await readBytes(source, 5000, 0)).length, 0);
      await source.dispose();
    });

    test('stops when its signal has fired', async () => {
      const source = await open();
      const read = source.read(0, [new Uint8Array(4)], { signal: AbortSignal.abort() });
      await assert.rejects(read, (error) => isPixelError(error, 'aborted'));
      await source.dispose();
      await source.dispose();
    });
  });
}

describe('A file as a byte source', () => {
  test('takes more targets than the kernel does in one call', async () => {
    const source = await openFileByteSource(join(folder, 'bytes'));
    const targets = Array.from({ length: 2500 }, () => new Uint8Array(2));
    await source.read(0, targets);
    assert.deepEqual(Buffer.concat(targets), Buffer.from(bytes));
    await source.dispose();
  });

  test('names a file that is missing, a folder, and a source that was closed', async () => {
    await assert.rejects(openFileByteSource(join(folder, 'none')), (error) => isPixelError(error, 'file-not-found'));
    await assert.rejects(openFileByteSource(folder), (error) => isPixelError(error));
    const source = await openFileByteSource(join(folder, 'bytes'));
    await source.dispose();
    await assert.rejects(readBytes(source, 0, 1), (error) => isPixelError(error, 'disposed'));
  });

  test('says "truncated" when the file became shorter after it was opened', async () => {
    const path = join(folder, 'shrinking');
    await writeFile(path, bytes);
    const source = await openFileByteSource(path);
    await truncate(path, 100);
    await assert.rejects(readBytes(source, 0, 200), (error) => isPixelError(error, 'truncated'));
    await source.dispose();
  });
});
