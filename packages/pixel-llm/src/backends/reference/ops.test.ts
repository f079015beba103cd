/** Each op of the reference against numbers worked out by hand. Sampling and the executor have tests of their own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPixelError } from '../../core/errors.ts';
import type { RopeAttributes } from '../../program/program.ts';
import type { Batch } from '../types.ts';
import { add, mul, scale } from './arithmetic.ts';
import { attention } from './attention.ts';
import { crossEntropy } from './cross-entropy.ts';
import { embed } from './embed.ts';
import { gatedGelu, gelu } from './gelu.ts';
import { KvPages } from './kv-pages.ts';
import { layerNorm } from './layer-norm.ts';
import { matmul } from './matmul.ts';
import { rmsNorm } from './rms-norm.ts';
import { rope } from './rope.ts';
import { roundActivations } from './round-activations.ts';
import { gatedSilu, silu } from './silu.ts';
import { logSumExp, softmax } from './softmax.ts';
import { takeRows } from './take-rows.ts';

const f32 = (...values: number[]): Float32Array => Float32Array.from(values);
const i32 = (...values: number[]): Int32Array => Int32Array.from(values);

function assertClose(actual: ArrayLike<number>, expected: readonly number[]): void {
  assert.equal(actual.length, expected.length);
  for (const [i, value] of expected.entries()) {
    assert.ok(Math.abs(actual[i]! - value) < 1e-6, `value ${i}: ${actual[i]} instead of ${value}`);
  }
}

test('embed copies rows of the table, one id as often as it occurs', () => {
  assert.deepEqual(embed(i32(2, 0, 2), f32(1, 2, 3, 4, 5, 6), 2), f32(5, 6, 1, 2, 5, 6));
});

test('embed refuses an id outside the vocabulary', () => {
  for (const id of [-1, 3]) {
    assert.throws(
      () => embed(i32(0, id), f32(1, 2, 3), 1),
      (error) => isPixelError(error, 'bad-argument'),
    );
  }
});

test('takeRows keeps the rows that are asked for', () => {
  assert.deepEqual(takeRows(f32(1, 2, 3, 4, 5, 6), i32(0, 2), 2), f32(1, 2, 5, 6));
});

test('rmsNorm divides each group by its root mean square', () => {
  // sqrt((9 + 16) / 2 + 0) = 3.5355339; the second group is all ones.
  assertClose(rmsNorm(f32(3, 4, 1, 1), f32(1, 2), { epsilon: 0, size: 2 }), [0.8485281, 2.2627417, 1, 2]);
  // Under the root stand 1 + 3 = 4.
  assertClose(rmsNorm(f32(1, 1), f32(1, 1), { epsilon: 3, size: 2 }), [0.5, 0.5]);
});

test('layerNorm makes mean 0 and variance 1, then gain and bias', () => {
  assertClose(layerNorm(f32(1, 3, 10, 10), f32(2, 2), f32(1, 0), { epsilon: 0, size: 2 }).subarray(0, 2), [-1, 2]);
  // Equal values leave the bias only.
  assertClose(layerNorm(f32(10, 10), f32(2, 2), f32(1, 0), { epsilon: 1e-5, size: 2 }), [1, 0]);
});

test('matmul takes the product of every row of x with every row of the matrix, plus the bias', () => {
  const matrix = f32(1, 0, 2, 0, 1, -1);
  const shape = { rows: 2, columns: 3, activations: 'f32' } as const;
  assert.deepEqual(matmul(f32(1, 2, 3, 4, 5, 6), matrix, undefined, shape), f32(7, -1, 16, -1));
  assert.deepEqual(matmul(f32(1, 2, 3), matrix, f32(0.5, 10), shape), f32(7.5, 9));
});

test('q8 activations are integers of a block times its scale; halves go to the even neighbour', () => {
  const x = new Float32Array(34);
  x.set([127, 0.5, 1.5, -2.5, 0.4, -126.6]);
  x.set([254, -1], 32);
  const expected = new Array(34).fill(0);
  expected.splice(0, 6, 127, 0, 2, -2, 0, -127);
  // The last block is shorter and has a scale of 2; -1 is half a step, and goes to 0.
  expected.splice(32, 2, 254, 0);
  assertClose(roundActivations(x, 34), expected);
});

test('q8 activations start a new block at each row, and too small a block is zeros', () => {
  assertClose(roundActivations(f32(127, 1, 1.27, 1), 2), [127, 1, 1.27, 1]);
  assert.deepEqual([...roundActivations(f32(1e-38, -1e-38), 2)], [0, 0]);
});

const ROPE: RopeAttributes = { rotaryDim: 4, headDim: 4, frequencyBase: 10_000, pairing: 'adjacent', linearFactor: 1 };

test('rope turns pair i by position x base^(-2i / rotaryDim)', () => {
  const [c0, s0, c1, s1] = [Math.cos(2), Math.sin(2), Math.cos(0.02), Math.sin(0.02)];
  assertClose(rope(f32(1, 0, 0, 1), i32(2), undefined, ROPE), [c0, s0, -s1, c1]);
  assertClose(rope(f32(1, 0, 0, 1), i32(2), undefined, { ...ROPE, pairing: 'halves' }), [c0, -s1, s0, c1]);
});

test('rope leaves position 0 and what lies beyond rotaryDim as they are', () => {
  assert.deepEqual(rope(f32(1, 2, 3, 4), i32(0), undefined, ROPE), f32(1, 2, 3, 4));
  const turned = rope(f32(1, 0, 3, 4), i32(1), undefined, { ...ROPE, rotaryDim: 2 });
  assertClose(turned, [Math.cos(1), Math.sin(1), 3, 4]);
});

test("rope divides angles by the linear factor and by each pair's frequency factor", () => {
  const expected = [Math.cos(0.5), Math.sin(0.5), Math.cos(0.01), Math.sin(0.01)];
  assertClose(rope(f32(1, 0, 1, 0), i32(2), undefined, { ...ROPE, linearFactor: 4 }), [
    ...expected.slice(0, 2),
    Math.cos(0.005),
    Math.sin(0.005),
  ]);
  assertClose(rope(f32(1, 0, 1, 0), i32(2), f32(4, 2), ROPE), expected);
});

test('rope with YaRN keeps fast pairs, stretches slow ones, and scales both by the attention factor', () => {
  // d(beta) = 4 ln(100 / (2 pi beta)) / (2 ln 10000) is 0.60 for beta 1 and -0.16 for 32: the ramp runs from pair 0 to pair 1.
  const yarn = { factor: 4, originalContext: 100, extrapolation: 1, attention: 1, betaFast: 32, betaSlow: 1 };
  const magnitude = 1 + 0.1 * Math.log(4);
  const turned = rope(f32(1, 0, 1, 0), i32(2), undefined, { ...ROPE, yarn });
  const expected = [Math.cos(2), Math.sin(2), Math.cos(0.005), Math.sin(0.005)];
  assertClose(
    turned,
    expected.map((value) => value * magnitude),
  );
});

const BATCH: Batch = {
  sequences: i32(0, 0),
  positions: i32(0, 1),
  pages: [[1, 0]],
  outputEntries: i32(),
  inputs: {},
};
const HEAD = { state: 'kv', heads: 1, kvHeads: 1, headDim: 1, scale: 1 };

test('attention weighs the values seen so far by e^score', () => {
  const inputs = { q: f32(1, 1), k: f32(0, Math.log(3)), v: f32(10, 20) };
  // The first entry sees itself only; the second weighs 10 and 20 as 1 : 3.
  assertClose(attention(inputs, new KvPages(2, 1, 1), BATCH, HEAD), [10, 17.5]);
});

test('attention finds keys and values through the page list, and stores them there', () => {
  const cache = new KvPages(2, 1, 1);
  attention({ q: f32(1, 1), k: f32(5, 6), v: f32(7, 8) }, cache, BATCH, HEAD);
  assert.deepEqual([cache.keys, cache.values], [f32(6, 5), f32(8, 7)]);
});

test('attention with a window of 1 sees only the entry itself', () => {
  const inputs = { q: f32(1, 1), k: f32(9, 1), v: f32(10, 20) };
  assertClose(attention(inputs, new KvPages(2, 1, 1), BATCH, { ...HEAD, window: 1 }), [10, 20]);
});

test('attention with a soft cap squeezes scores', () => {
  const softcap = 2;
  // score 4 becomes 2 tanh(2) = 1.9280552; the first key scores 0.
  const inputs = { q: f32(1, 4), k: f32(0, 1), v: f32(0, 1) };
  const share = Math.exp(1.9280552) / (1 + Math.exp(1.9280552));
  assertClose(attention(inputs, new KvPages(2, 1, 1), BATCH, { ...HEAD, softcap }), [0, share]);
});

test('attention shares key/value heads among runs of query heads', () => {
  const batch = { ...BATCH, sequences: i32(0), positions: i32(0) };
  const attributes = { ...HEAD, heads: 4, kvHeads: 2 };
  const inputs = { q: f32(1, 1, 1, 1), k: f32(1, 1), v: f32(5, 6) };
  assert.deepEqual(attention(inputs, new KvPages(2, 1, 2), batch, attributes), f32(5, 5, 6, 6));
});

test('attention survives scores that e^x could not hold', () => {
  const inputs = { q: f32(1, 1000), k: f32(1, 2), v: f32(10, 20) };
  assertClose(attention(inputs, new KvPages(2, 1, 1), BATCH, HEAD), [10, 20]);
});

test('silu is x / (1 + e^-x), and gates a product', () => {
  assertClose(silu(f32(0, 1, -1, 100, -100)), [0, 0.7310586, -0.2689414, 100, 0]);
  assertClose(gatedSilu(f32(1, 2), f32(10, -1)), [7.310586, -1.7615942]);
});

test('gelu is the tanh form, and gates a product', () => {
  assertClose(gelu(f32(0, 1, -1, 100, -100)), [0, 0.841192, -0.158808, 100, 0]);
  assertClose(gatedGelu(f32(1), f32(2)), [1.682384]);
});

test('add, mul and scale work value by value', () => {
  assert.deepEqual(add(f32(1, 2), f32(10, 20)), f32(11, 22));
  assert.deepEqual(mul(f32(1, 2), f32(10, 20)), f32(10, 40));
  assert.deepEqual(scale(f32(1, -2), -0.5), f32(-0.5, 1));
});

test('softmax gives each row a sum of 1 and survives large values', () => {
  assertClose(softmax(f32(0, Math.log(3), 1000, 1000), 2), [0.25, 0.75, 0.5, 0.5]);
});

test('logSumExp counts -Infinity as nothing', () => {
  assert.equal(logSumExp(f32(-Infinity, 2)), 2);
  assert.equal(logSumExp(f32(-Infinity)), -Infinity);
});

test('crossEntropy is -ln p of the target, and 0 where there is none', () => {
  assertClose(crossEntropy(f32(0, Math.log(3), 5, 5), i32(1, -1), 2), [-Math.log(0.75), 0]);
  assert.throws(
    () => crossEntropy(f32(0, 0), i32(2), 2),
    (error) => isPixelError(error, 'bad-argument'),
  );
});
