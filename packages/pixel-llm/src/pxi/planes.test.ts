import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TENSOR_TYPES, unknownTensorType } from '../gguf/tensor-types.ts';
import { noise, tensorOf, typeNamed } from '../gguf/testing.ts';
import { joinPlane, splitPlane } from './planes.ts';
import { storedRows } from './stored-rows.ts';

for (const type of TENSOR_TYPES) {
  test(`${type.name}: the fields cover the block, and split and joined blocks are the same`, () => {
    const covered = new Uint8Array(type.blockBytes);
    for (const { offset, bytes } of type.fields) {
      for (let i = offset; i < offset + bytes; i++) covered[i]!++;
    }
    assert.ok(covered.every((times) => times === 1));
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9 }), fc.integer(), fc.nat(3), (count, seed, misalignment) => {
        const length = count * type.blockBytes;
        const blocks = noise(length + misalignment, seed).subarray(misalignment);
        const joined = new Uint8Array(length + misalignment).subarray(misalignment);
        for (const field of type.fields) {
          const plane = new Uint8Array(count * field.bytes);
          splitPlane(type, field.name, blocks, plane);
          for (let block = 0; block < count; block++) {
            const at = block * type.blockBytes + field.offset;
            const expected = blocks.subarray(at, at + field.bytes);
            assert.deepEqual(plane.subarray(block * field.bytes, (block + 1) * field.bytes), expected);
          }
          joinPlane(type, field.name, plane, joined);
        }
        assert.deepEqual(joined, blocks);
      }),
      { numRuns: process.env.PIXEL_FULL === '1' ? 500 : 10 },
    );
  });
}

test('joining one plane leaves the other fields alone', () => {
  const type = typeNamed('Q4_0');
  const blocks = new Uint8Array(36).fill(7);
  joinPlane(type, 'd', Uint8Array.of(1, 2, 3, 4), blocks);
  assert.deepEqual([...blocks.subarray(0, 4), ...blocks.subarray(18, 22)], [1, 2, 7, 7, 3, 4, 7, 7]);
});

test('a plane that the type does not have, or bytes that do not fit, are refused', () => {
  const type = typeNamed('Q4_0');
  const code = 'bad-argument';
  assert.throws(() => splitPlane(type, 'qh', new Uint8Array(18), new Uint8Array(16)), { code, message: /qs, d/ });
  assert.throws(() => splitPlane(type, 'qs', new Uint8Array(17), new Uint8Array(16)), { code, message: /do not fit/ });
  assert.throws(() => splitPlane(type, 'qs', new Uint8Array(36), new Uint8Array(16)), { code });
  assert.throws(() => joinPlane(type, 'd', new Uint8Array(2), new Uint8Array(36)), { code });
});

test('a tensor is a grid of rows of blocks; an unknown type is rows of one byte', () => {
  assert.deepEqual(storedRows(tensorOf('t', 'Q4_K', 512, 3, 5)), { rows: 15, rowBlocks: 2, rowBytes: 288 });
  assert.deepEqual(storedRows(tensorOf('t', 'F32')), { rows: 1, rowBlocks: 1, rowBytes: 4 });
  const unknown = { name: 't', type: unknownTensorType(999), dimensions: [64, 64], byteLength: 100 };
  assert.deepEqual(storedRows(unknown), { rows: 100, rowBlocks: 1, rowBytes: 1 });
});
