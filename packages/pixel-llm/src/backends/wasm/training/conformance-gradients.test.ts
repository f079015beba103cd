/** The conformance table of training over both builds of the kernels. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gradientCases, gradientDifference } from '../../../../test/conformance-gradients.ts';
import '../node.ts';
import { loadCpuTraining } from './training-executor.ts';

/** Sums in f32. */
const TOLERANCE = 4e-6;

const cases = gradientCases();

for (const build of ['relaxed', 'plain'] as const) {
  for (const op of new Set(cases.map((candidate) => candidate.op))) {
    void test(`cpu (${build}) computes ${op} as differences of its forward formula say`, async () => {
      for (const candidate of cases.filter((other) => other.op === op)) {
        const difference = await gradientDifference(loadCpuTraining({ build, threads: 1 }), candidate);
        assert.ok(difference <= TOLERANCE, `${candidate.title}: relative difference ${difference}`);
      }
    });
  }
}
