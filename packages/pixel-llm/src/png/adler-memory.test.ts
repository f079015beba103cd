import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { adler32, combineAdler32 } from '../core/hashing.ts';
import { createAdlerMemory } from './adler-memory.ts';
import { noise } from './testing.ts';

/** zlib's own: the last four bytes of its streams. */
function zlibAdler(bytes: Uint8Array): number {
  return deflateSync(bytes, { level: 0 }).readUInt32BE(deflateSync(bytes, { level: 0 }).length - 4);
}

describe('Adler-32', () => {
  test("in JavaScript is zlib's, also continued", () => {
    for (const length of [0, 1, 16, 5551, 5552, 5553, 40_000]) {
      for (const bytes of [noise(length, length), new Uint8Array(length).fill(255)]) {
        assert.equal(adler32(bytes), zlibAdler(bytes));
        const cut = length >> 1;
        assert.equal(adler32(bytes.subarray(cut), adler32(bytes.subarray(0, cut))), zlibAdler(bytes));
      }
    }
  });

  test('of two parts combines into that of the whole', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (first, second) => {
        const combined = combineAdler32(adler32(first), adler32(second), second.length);
        assert.equal(combined, adler32(Buffer.concat([first, second])));
      }),
    );
    const long = new Uint8Array(200_000).fill(255);
    assert.equal(combineAdler32(adler32(long), adler32(long), long.length), adler32(Buffer.concat([long, long])));
  });

  test('in WebAssembly is the same, at any offset, length and start', () => {
    const memory = createAdlerMemory(70_000);
    assert.ok(memory.bytes.length >= 70_000);
    for (const bytes of [noise(65_536), new Uint8Array(65_536).fill(255)]) {
      memory.bytes.set(bytes);
      for (const [offset, length] of [
        [0, 0],
        [0, 16],
        [48, 256],
        [16, 5552],
        [0, 5568],
        [32, 32_768],
        [0, 65_536],
      ] as const) {
        for (const previous of [1, 0x0001_0001, 0xfff0_fff0]) {
          const expected = adler32(bytes.subarray(offset, offset + length), previous);
          assert.equal(memory.adler32(offset, length, previous), expected);
        }
      }
    }
  });

  test('needs no WebAssembly', () => {
    const { Memory } = WebAssembly;
    try {
      Object.assign(WebAssembly, { Memory: undefined });
      const memory = createAdlerMemory(100);
      memory.bytes.set(noise(96));
      assert.equal(memory.adler32(0, 96, 1), adler32(noise(96)));
    } finally {
      Object.assign(WebAssembly, { Memory });
    }
  });
});
