import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { crc32 } from '../core/hashing.ts';
import { dequantize } from './dequantize.ts';
import { canQuantize, quantize } from './quantize.ts';
import { TENSOR_TYPES } from './tensor-types.ts';
import { noise, typeNamed } from './testing.ts';

const BLOCK_TYPES = ['Q8_0', 'Q4_0', 'Q4_K', 'Q6_K'] as const;

/** Sums of noise: roughly normal, as weights are. */
function weights(count: number): Float32Array {
  const bytes = noise(count * 4, 99);
  return Float32Array.from({ length: count }, (_, i) => {
    const sum = bytes[4 * i]! + bytes[4 * i + 1]! + bytes[4 * i + 2]! + bytes[4 * i + 3]!;
    return (sum - 510) / 4000;
  });
}

function roundTrip(name: string, values: Float32Array): Float32Array {
  const restored = new Float32Array(values.length);
  dequantize(typeNamed(name), quantize(typeNamed(name), values), restored);
  return restored;
}

/** CRC-32 of the blocks: the project's own vectors; the golden ones prove the same functions against libggml. */
const CHECKSUMS: Readonly<Record<string, string>> = {
  F32: 'b1acec94',
  F16: '6ebf3e98',
  Q4_0: '75dac256',
  Q8_0: '429cd887',
  Q4_K: '801025d8',
  Q6_K: 'be093a5',
  BF16: 'b15b326c',
};

for (const [name, checksum] of Object.entries(CHECKSUMS)) {
  test(`weights make the ${name} blocks they always made`, () => {
    assert.equal(crc32(quantize(typeNamed(name), weights(2048))).toString(16), checksum);
  });
}

test('there is a checksum for every type that can be quantized to', () => {
  const known = TENSOR_TYPES.filter(canQuantize).map(({ name }) => name);
  assert.deepEqual(Object.keys(CHECKSUMS).sort(), known.sort());
});

/** Largest error as a fraction of the block's largest magnitude: half a step of the type, with room for stored scales. */
const BOUNDS = { Q8_0: 0.6 / 127, Q4_0: 1.1 / 8, Q4_K: 2.2 / 15, Q6_K: 1.2 / 31 };

for (const name of BLOCK_TYPES) {
  test(`${name}: weights come back within a step of the type, whatever their scale`, () => {
    const { blockElements } = typeNamed(name);
    const numbers = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), {
      minLength: blockElements,
      maxLength: blockElements,
    });
    fc.assert(
      fc.property(numbers, fc.integer({ min: -6, max: 8 }), (list, exponent) => {
        const values = Float32Array.from(list, (value) => value * 2 ** exponent);
        const restored = roundTrip(name, values);
        const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        for (let i = 0; i < values.length; i++) {
          const error = Math.abs(restored[i]! - values[i]!);
          assert.ok(error <= BOUNDS[name] * largest + 1e-4, `weight ${i}: ${values[i]} became ${restored[i]}`);
        }
      }),
      { numRuns: 60 },
    );
  });

  test(`${name}: zeros stay zeros, and weights too small for a scale become them`, () => {
    assert.ok(roundTrip(name, new Float32Array(256)).every((value) => value === 0));
    assert.ok(roundTrip(name, new Float32Array(256).fill(1e-30)).every((value) => value === 0));
  });

  test(`${name}: weights that it cannot hold are refused by their place`, () => {
    const values = weights(512);
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e30]) {
      values[300] = bad;
      assert.throws(() => quantize(typeNamed(name), values), { code: 'bad-argument', message: /Weight 300 is/ });
    }
    values[300] = 2e9;
    assert.throws(() => quantize(typeNamed(name), values), { code: 'bad-argument', message: /too large/ });
  });
}

test('floating-point types keep infinities and NaN', () => {
  const special = Float32Array.of(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, -0, 1e-40);
  for (const name of ['F32', 'F16', 'BF16']) {
    const [infinity, minus, nan, zero] = roundTrip(name, special);
    assert.deepEqual([infinity, minus, nan], [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]);
    assert.ok(Object.is(zero, -0));
  }
  assert.deepEqual(roundTrip('F32', special), special);
  assert.equal(roundTrip('F16', Float32Array.of(1e6))[0], Number.POSITIVE_INFINITY);
});

test('a type without a quantizer, and a part of a block, are refused', () => {
  assert.throws(() => quantize(typeNamed('Q5_K'), weights(256)), { code: 'unsupported-type', message: /Q5_K/ });
  assert.throws(() => quantize(typeNamed('Q4_K'), weights(128)), { code: 'bad-argument', message: /blocks of 256/ });
});
