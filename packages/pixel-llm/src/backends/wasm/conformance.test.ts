/**
 * The conformance table over both builds of the kernels. Attention is given keys and values such as the cache holds exactly, in f16 or
 * in 8 bits, so that the tolerance can be that of f32 sums.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conformanceCases } from '../../../test/conformance.ts';
import { relativeDifference } from '../../../test/conformance-case.ts';
import { withBytesCache, withHalfCache } from '../../../test/conformance-rounded-cache.ts';
import { createCpuBackend } from './backend.ts';
import './node.ts';

/** Sums in f32. */
const TOLERANCE = 2e-6;
/** Types without a kernel are widened to f16: half a unit in the last place of eleven bits. */
const WIDENED_TOLERANCE = 2 ** -11;
const WIDENED = ['Q2_K', 'IQ4_NL', 'IQ4_XS'];

const cases = conformanceCases({ exhaustive: process.env.PIXEL_FULL === '1' });

for (const build of ['relaxed', 'plain'] as const) {
  for (const op of new Set(cases.map((candidate) => candidate.op))) {
    void test(`cpu (${build}) computes ${op} as its formula says, in every shape and type`, async () => {
      const backend = createCpuBackend({ build, threads: 1 });
      for (const candidate of cases.filter((other) => other.op === op)) {
        const difference = await relativeDifference(backend, await withHalfCache(candidate));
        const isWidened = WIDENED.includes(candidate.program.weights[0]?.type ?? '');
        const tolerance = isWidened ? WIDENED_TOLERANCE : TOLERANCE;
        assert.ok(difference <= tolerance, `${candidate.title}: relative difference ${difference}`);
      }
    });
  }
}

for (const build of ['relaxed', 'plain'] as const) {
  void test(`cpu (${build}) attends to keys and values in 8 bits as to those they stand for`, async () => {
    const backend = createCpuBackend({ build, threads: 1, kvType: 'q8' });
    for (const candidate of cases.filter(({ op }) => op === 'attention')) {
      const difference = await relativeDifference(backend, await withBytesCache(candidate));
      assert.ok(difference <= TOLERANCE, `${candidate.title}: relative difference ${difference}`);
    }
  });
}
