import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadReferenceTraining } from '../src/backends/reference/training-executor.ts';
import { gradientCases, gradientDifference } from './conformance-gradients.ts';

/** f64 sums stored as f32, beside central differences (their own error is about 1e-9). */
const TOLERANCE = 4e-7;

const cases = gradientCases();

for (const op of new Set(cases.map((candidate) => candidate.op))) {
  test(`reference computes ${op} as differences of its forward formula say`, async () => {
    for (const candidate of cases.filter((other) => other.op === op)) {
      const difference = await gradientDifference(loadReferenceTraining(), candidate);
      assert.ok(difference <= TOLERANCE, `${candidate.title}: relative difference ${difference}`);
    }
  });
}
