import assert from 'node:assert/strict';
import { seeded } from '../../../../test/conformance-weights.ts';
import { runOnce } from '../run-once.ts';
import { gpuTest } from '../testing.ts';
import { dotProductKernel } from './dot-product.ts';
import { productInDoubles, randomFloats } from './testing.ts';

for (const restrictions of [{}, { subgroups: false, leastLimits: true }]) {
  gpuTest(
    `a dot product is the sum of all products (${JSON.stringify(restrictions)})`,
    async (device) => {
      for (const length of [1, 4, 1000, 100_003]) {
        const random = seeded(length);
        const [a, b] = [randomFloats(length, random), randomFloats(length, random)];
        const kernel = dotProductKernel(device.traits);
        const { out } = await runOnce(device, kernel, { rows: length, context: 0 }, { a, b }, { out: 1 });
        const usual = Math.sqrt(length) / 3;
        assert.ok(Math.abs(out![0]! - productInDoubles(a, b, length)[0]!) < 1e-5 * usual, `${length} numbers`);
      }
    },
    restrictions,
  );
}
