import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MemoryByteSource } from '../core/byte-source.ts';
import { isPixelError } from '../core/errors.ts';
import { noise } from './testing.ts';
import { createWindowSource } from './window-source.ts';

test('A window gives the bytes of its source, forwards, backwards and across its edges', async () => {
  const bytes = noise(2000);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(1999), fc.nat(300)), { minLength: 1, maxLength: 12 }), async (reads) => {
      const window = createWindowSource(new MemoryByteSource(bytes), 256);
      for (const [offset, wanted] of reads) {
        const length = Math.min(wanted, bytes.length - offset);
        const targets = [new Uint8Array(length >> 1), new Uint8Array(length - (length >> 1))];
        await window.read(offset, targets);
        assert.deepEqual(Buffer.concat(targets), Buffer.from(bytes.subarray(offset, offset + length)));
      }
    }),
  );
});

test('A window asks its source once for neighbouring small reads, and does not close it', async () => {
  let reads = 0;
  const source = new MemoryByteSource(noise(2000));
  const read = source.read.bind(source);
  source.read = (...parts) => {
    reads++;
    return read(...parts);
  };
  const window = createWindowSource(source, 1000);
  for (let at = 0; at < 1000; at += 10) await window.read(at, [new Uint8Array(10)]);
  assert.equal(reads, 1);
  await window.dispose();
  await assert.rejects(window.read(1995, [new Uint8Array(10)]), (error) => isPixelError(error, 'truncated'));
});
