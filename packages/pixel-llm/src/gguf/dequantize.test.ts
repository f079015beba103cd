import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from '../core/hashing.ts';
import { canDequantize, dequantize } from './dequantize.ts';
import { TENSOR_TYPES, type TensorType } from './tensor-types.ts';
import { noise, typeNamed } from './testing.ts';

/** Noise whose half-precision fields are finite numbers. */
function noisyBlocks(type: TensorType, count: number): Uint8Array {
  const blocks = noise(count * type.blockBytes, type.id + 1);
  for (let block = 0; block < count; block++) {
    for (const { name, offset, bytes } of type.fields) {
      const halves = name === 'd' || name === 'dm' || (name === 'v' && bytes === 2) ? bytes / 2 : 0;
      for (let i = 0; i < halves; i++) blocks[block * type.blockBytes + offset + 2 * i + 1]! &= 0xbf;
    }
  }
  return blocks;
}

/**
 * CRC-32 of the float32 that 16 noisy blocks stand for: the project's own vectors, so that a change shows without the golden
 * ones, which prove the same functions against libggml.
 */
const CHECKSUMS: Readonly<Record<string, string>> = {
  F32: 'bc5eb72d',
  F16: '623e608b',
  Q4_0: '4ca8e54a',
  Q4_1: 'ebd6b1e5',
  Q5_0: '42a3f18f',
  Q5_1: '43d62114',
  Q8_0: '9c268f7f',
  Q2_K: '8386316a',
  Q3_K: '3be1c9ca',
  Q4_K: '6a3a2143',
  Q5_K: '870615c9',
  Q6_K: '144dbf',
  IQ4_NL: '4e916edd',
  IQ4_XS: '76dda46c',
  F64: 'e09de8a8',
  BF16: '5bf897bd',
  MXFP4: 'c8b09512',
};

for (const [name, checksum] of Object.entries(CHECKSUMS)) {
  test(`${name} blocks stand for the numbers they always stood for`, () => {
    const type = typeNamed(name);
    const values = new Float32Array(16 * type.blockElements);
    dequantize(type, noisyBlocks(type, 16), values);
    assert.equal(crc32(new Uint8Array(values.buffer)).toString(16), checksum);
  });
}

test('there is a checksum for every type that can be computed with', () => {
  const computable = TENSOR_TYPES.filter(canDequantize).map(({ name }) => name);
  assert.deepEqual(Object.keys(CHECKSUMS).sort(), computable.sort());
});

/** Half-precision 1 and 0.5, as bytes. */
const [one, half] = [
  [0x00, 0x3c],
  [0x00, 0x38],
];

function valuesOf(name: string, ...bytes: number[]): number[] {
  const type = typeNamed(name);
  const blocks = new Uint8Array(type.blockBytes);
  blocks.set(bytes);
  const values = new Float32Array(type.blockElements);
  dequantize(type, blocks, values);
  return [...values];
}

test('blocks worked out by hand', () => {
  assert.deepEqual(valuesOf('Q8_0', ...half!, 4, 0xfe).slice(0, 3), [2, -1, 0]);
  const q4 = valuesOf('Q4_0', ...one!, 0xf0);
  assert.deepEqual([q4[0], q4[16], q4[1]], [-8, 7, -8]);
  const q41 = valuesOf('Q4_1', ...one!, ...half!, 0xf2);
  assert.deepEqual([q41[0], q41[16], q41[1]], [2.5, 15.5, 0.5]);
  const q5 = valuesOf('Q5_0', ...one!, 1, 0, 2, 0, 0x21);
  assert.deepEqual([q5[0], q5[16], q5[17]], [1, -14, 0]);
  const q51 = valuesOf('Q5_1', ...one!, ...half!, 1, 0, 2, 0, 0x21);
  assert.deepEqual([q51[0], q51[16], q51[17]], [17.5, 2.5, 16.5]);
  const iq4 = valuesOf('IQ4_NL', ...half!, 0xf8);
  assert.deepEqual([iq4[0], iq4[16], iq4[1]], [0.5, 56.5, -63.5]);
  const mxfp4 = valuesOf('MXFP4', 127, 0x92);
  assert.deepEqual([mxfp4[0], mxfp4[16]], [1, -0.5]);
  assert.deepEqual(valuesOf('BF16', 0x80, 0xbf), [-1]);
  assert.deepEqual(valuesOf('F16', ...half!), [0.5]);
  assert.deepEqual(valuesOf('F32', 0, 0, 0x80, 0x40), [4]);
  assert.deepEqual(valuesOf('F64', 0, 0, 0, 0, 0, 0, 0xf8, 0x3f), [1.5]);
});

test('a type that cannot be computed with, and lengths that do not fit, are refused', () => {
  const code = 'bad-argument';
  assert.throws(() => dequantize(typeNamed('IQ2_XXS'), new Uint8Array(66), new Float32Array(256)), {
    code: 'unsupported-type',
    message: /IQ2_XXS/,
  });
  assert.throws(() => dequantize(typeNamed('Q8_0'), new Uint8Array(33), new Float32Array(32)), { code });
  assert.throws(() => dequantize(typeNamed('Q8_0'), new Uint8Array(34), new Float32Array(31)), { code });
});

test('blocks may lie at any offset of their memory', () => {
  const type = typeNamed('Q6_K');
  const blocks = noisyBlocks(type, 1);
  const shifted = new Uint8Array(blocks.length + 3);
  shifted.set(blocks, 3);
  const [a, b] = [new Float32Array(256), new Float32Array(257).subarray(1)];
  dequantize(type, blocks, a);
  dequantize(type, shifted.subarray(3), b);
  assert.deepEqual(a, b);
});
