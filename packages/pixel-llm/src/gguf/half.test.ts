import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { floatToBfloat16, floatToHalf, HALF_TO_FLOAT } from './half.ts';

test('known half-precision numbers decode as IEEE 754 says', () => {
  const known: [number, number][] = [
    [0x0000, 0],
    [0x8000, -0],
    [0x3c00, 1],
    [0xc000, -2],
    [0x3555, 0.333251953125],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x7bff, 65_504],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0xfc00, Number.NEGATIVE_INFINITY],
    [0x7e00, Number.NaN],
  ];
  for (const [bits, value] of known) assert.ok(Object.is(HALF_TO_FLOAT[bits], value), bits.toString(16));
});

test('every half-precision number survives decoding and encoding', () => {
  for (let bits = 0; bits < 65_536; bits++) {
    const value = HALF_TO_FLOAT[bits]!;
    const encoded = floatToHalf(value);
    if (Number.isNaN(value)) assert.ok(Number.isNaN(HALF_TO_FLOAT[encoded]));
    else assert.equal(encoded, bits);
  }
});

/** The half nearest to a finite value, ties to even, found by looking at its neighbours. */
function isNearest(value: number, bits: number): boolean {
  const distance = (candidate: number): number => Math.abs(HALF_TO_FLOAT[candidate]! - value);
  const magnitude = bits & 0x7fff;
  const neighbours = [magnitude - 1, magnitude + 1].filter((m) => m >= 0 && m < 0x7c00).map((m) => m | (bits & 0x8000));
  return neighbours.every(
    (neighbour) => distance(bits) < distance(neighbour) || (distance(bits) === distance(neighbour) && (bits & 1) === 0),
  );
}

test('encoding gives the nearest half, ties to even, small numbers too', () => {
  const values = fc.oneof(
    fc.float({ min: Math.fround(-65_519), max: Math.fround(65_519), noNaN: true }),
    fc.float({ min: Math.fround(-1e-4), max: Math.fround(1e-4), noNaN: true }),
    fc.nat(0x7bfe).map((bits) => (HALF_TO_FLOAT[bits]! + HALF_TO_FLOAT[bits + 1]!) / 2),
  );
  fc.assert(
    fc.property(values, (value) => isNearest(value, floatToHalf(value))),
    { numRuns: 3000 },
  );
});

test('what is beyond the largest half becomes infinity', () => {
  assert.equal(floatToHalf(65_519.99), 0x7bff);
  assert.equal(floatToHalf(65_520), 0x7c00);
  assert.equal(floatToHalf(-1e10), 0xfc00);
  assert.equal(floatToHalf(Number.NEGATIVE_INFINITY), 0xfc00);
});

test('bfloat16 is the upper half of a float32, rounded to nearest, ties to even', () => {
  assert.equal(floatToBfloat16(1), 0x3f80);
  assert.equal(floatToBfloat16(1 + 2 ** -8), 0x3f80);
  assert.equal(floatToBfloat16(1 + 3 * 2 ** -8), 0x3f82);
  assert.equal(floatToBfloat16(1 + 2 ** -8 + 2 ** -20), 0x3f81);
  assert.equal(floatToBfloat16(-2), 0xc000);
  assert.equal(floatToBfloat16(3.4e38), 0x7f80);
  assert.equal(floatToBfloat16(Number.NEGATIVE_INFINITY), 0xff80);
  const nan = floatToBfloat16(Number.NaN);
  assert.ok((nan & 0x7f80) === 0x7f80 && (nan & 0x7f) !== 0);
});
