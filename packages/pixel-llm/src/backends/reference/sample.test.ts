import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GREEDY } from '../../../test/sampling-settings.ts';
import { isPixelError } from '../../core/errors.ts';
import { philox, uniform } from '../../core/random.ts';
import type { SamplingSettings } from '../types.ts';
import { likeliest } from './likeliest.ts';
import { sampleRow } from './sample.ts';

const PLAIN: SamplingSettings = { ...GREEDY, temperature: 1 };

/** Probabilities 0.5, 0.3, 0.15, 0.05. */
const LOGITS = Float32Array.from([0.15, 0.5, 0.05, 0.3], Math.log);

/** How often each token comes out over many positions. */
function shares(logits: Float32Array, settings: Partial<SamplingSettings>, draws = 4000): number[] {
  const counts = new Array<number>(logits.length).fill(0);
  for (let position = 0; position < draws; position++) {
    counts[sampleRow(logits, { ...PLAIN, ...settings, position }).token]! += 1 / draws;
  }
  return counts;
}

function assertShares(settings: Partial<SamplingSettings>, expected: readonly number[]): void {
  for (const [token, share] of shares(LOGITS, settings).entries()) {
    assert.ok(Math.abs(share - expected[token]!) < 0.03, `token ${token}: ${share} instead of ${expected[token]}`);
    if (expected[token] === 0) assert.equal(share, 0);
  }
}

test('philox gives the published test vectors', () => {
  const words = (text: string): number[] => text.split(' ').map((word) => Number.parseInt(word, 16));
  assert.deepEqual(philox([0, 0, 0, 0], [0, 0]), words('6627e8d5 e169c58d bc57ac4c 9b00dbd8'));
  const ones = 0xffffffff;
  assert.deepEqual(philox([ones, ones, ones, ones], [ones, ones]), words('408f276d 41c83b0e a20bc7c6 6d5451fd'));
  const pi = words('243f6a88 85a308d3 13198a2e 03707344') as [number, number, number, number];
  assert.deepEqual(philox(pi, [0xa4093822, 0x299f31d0]), words('d16cfe09 94fdcceb 5001e420 24126ea1'));
});

test('uniform numbers depend on seed and position alone, and are f32 numbers below 1', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 31 - 1), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), (position, seed) => {
      const value = uniform(seed, position);
      assert.ok(value >= 0 && value < 1 && value === Math.fround(value) && value === uniform(seed, position));
    }),
  );
  assert.notEqual(uniform(1, 5), uniform(1 + 2 ** 32, 5));
  assert.notEqual(uniform(1, 5), uniform(1, 6));
});

test('without settings tokens come out as likely as the model says', () => {
  assertShares({}, [0.15, 0.5, 0.05, 0.3]);
});

test('a temperature of 0 takes the likeliest token, the lowest id among equals', () => {
  const settings = { ...PLAIN, temperature: 0 };
  assert.equal(sampleRow(LOGITS, settings).token, 1);
  assert.equal(sampleRow(Float32Array.of(1, 4, 4), settings).token, 1);
});

test('temperature sharpens or flattens', () => {
  const powers = [0.15, 0.5, 0.05, 0.3].map((p) => p ** 2);
  const total = powers.reduce((sum, power) => sum + power);
  assertShares(
    { temperature: 0.5 },
    powers.map((power) => power / total),
  );
  assert.equal(sampleRow(LOGITS, { ...PLAIN, temperature: 1e-300 }).token, 1);
});

test('top-k, top-p and min-p each keep a beginning of the list, and the shortest wins', () => {
  assertShares({ topK: 2 }, [0, 0.625, 0, 0.375]);
  assertShares({ topP: 0.5 }, [0, 1, 0, 0]);
  assertShares({ topP: 0.51 }, [0, 0.625, 0, 0.375]);
  assertShares({ topP: 0 }, [0, 1, 0, 0]);
  assertShares({ minP: 0.2 }, [0.15 / 0.95, 0.5 / 0.95, 0, 0.3 / 0.95]);
  assertShares({ minP: 0.2, topK: 2 }, [0, 0.625, 0, 0.375]);
});

test('bias is added first, and -Infinity forbids a token', () => {
  assertShares({ bias: [[1, -Infinity]] }, [0.3, 0, 0.1, 0.6]);
  assertShares({ bias: [[2, Math.log(10)]] }, [0.15 / 1.45, 0.5 / 1.45, 0.5 / 1.45, 0.3 / 1.45]);
});

test('penalties make recent tokens less likely, whatever the sign of their logits', () => {
  const greedy = { ...PLAIN, temperature: 0 };
  const logits = Float32Array.of(2, 1.9, -0.1, -0.15);
  const recentTokens = Int32Array.of(0, 0, 2);
  assert.equal(sampleRow(logits, { ...greedy, recentTokens, repeatPenalty: 1.1 }).token, 1);
  assert.equal(sampleRow(logits.subarray(2), { ...greedy, recentTokens: Int32Array.of(0), repeatPenalty: 2 }).token, 1);
  // Token 0 stands there twice: 2 - 2 x 0.06 is below 1.9, 2 - 0.06 is not.
  assert.equal(sampleRow(logits, { ...greedy, recentTokens, frequencyPenalty: 0.06 }).token, 1);
  assert.equal(sampleRow(logits, { ...greedy, recentTokens, presencePenalty: 0.06 }).token, 0);
});

test('only the 256 likeliest tokens are chosen from, unless the whole vocabulary is asked for', () => {
  const flat = Float32Array.from({ length: 1000 }, (_, token) => -token * 1e-6);
  assert.ok(shares(flat, {}, 2000).findLastIndex((share) => share > 0) === 255);
  assert.ok(shares(flat, { wholeVocabulary: true }, 200).findLastIndex((share) => share > 0) > 900);
});

test("log-probabilities are the model's own, whatever the settings do", () => {
  const { token, logprob, top } = sampleRow(LOGITS, {
    ...PLAIN,
    topK: 1,
    bias: [[2, 20]],
    temperature: 3,
    topLogprobs: 2,
  });
  assert.equal(token, 2);
  assert.ok(Math.abs(logprob - Math.log(0.05)) < 1e-6);
  assert.deepEqual(
    top.map(([id]) => id),
    [1, 3],
  );
  assert.ok(Math.abs(top[1]![1] - Math.log(0.3)) < 1e-6);
});

test('logits that are not numbers, and a bias that forbids everything, are named', () => {
  for (const bad of [Number.NaN, Infinity]) {
    assert.throws(
      () => sampleRow(Float32Array.of(1, bad, 2), PLAIN),
      (error) => isPixelError(error, 'not-finite'),
    );
  }
  assert.throws(
    () => sampleRow(Float32Array.of(1), { ...PLAIN, bias: [[0, -Infinity]] }),
    (error) => isPixelError(error, 'not-finite'),
  );
});

test('likeliest is a sort that stops early', () => {
  const values = fc.array(fc.integer({ min: -3, max: 3 }), { maxLength: 200 });
  fc.assert(
    fc.property(values, fc.nat(30), (numbers, count) => {
      const sorted = [...numbers.keys()].sort((a, b) => numbers[b]! - numbers[a]! || a - b);
      assert.deepEqual(likeliest(Float32Array.from(numbers), count), sorted.slice(0, count));
    }),
  );
});
