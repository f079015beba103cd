import assert from 'node:assert/strict';
import { test } from 'node:test';
import { selectBackend } from '../src/backends/select.ts';
import type { DeviceName } from '../src/backends/types.ts';
import { conformanceCases } from './conformance.ts';
import { relativeDifference } from './conformance-case.ts';
import { COMPUTED_TYPES } from './conformance-weights.ts';

/** Every device of this build, with the relative difference (max|a - b| / max|expected|) it is allowed. */
const DEVICES: readonly { device: DeviceName; tolerance: number }[] = [
  // f64 sums, stored as f32: half a unit in the last place, and what the roots and powers of two libraries differ by.
  { device: 'reference', tolerance: 1.2e-7 },
];

const cases = conformanceCases({ exhaustive: process.env.PIXEL_FULL === '1' });

for (const { device, tolerance } of DEVICES) {
  for (const op of new Set(cases.map((candidate) => candidate.op))) {
    test(`${device} computes ${op} as its formula says, in every shape and type`, async () => {
      const backend = await selectBackend(device);
      for (const candidate of cases.filter((other) => other.op === op)) {
        const difference = await relativeDifference(backend, candidate);
        assert.ok(difference <= tolerance, `${candidate.title}: relative difference ${difference}`);
      }
    });
  }
}

test('the table has every weight type that can be computed with', () => {
  for (const { name } of COMPUTED_TYPES) {
    for (const op of ['embed', 'matmul']) {
      const found = cases.some((candidate) => candidate.op === op && candidate.program.weights[0]?.type === name);
      assert.ok(found, `${op} over ${name}`);
    }
  }
  assert.ok(COMPUTED_TYPES.length >= 14);
});
