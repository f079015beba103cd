import assert from 'node:assert/strict';
import { runOnce } from '../run-once.ts';
import { gpuTest } from '../testing.ts';
import { elementwiseKernel } from './elementwise.ts';

gpuTest('a sum of two rows is computed on the GPU', async (device) => {
  const kernel = elementwiseKernel({ op: 'add', width: 3 }, device.traits);
  const a = Float32Array.of(1, 2, 3, 4, 5, 6);
  const b = Float32Array.of(10, 20, 30, 40, 50, 60);
  const { out } = await runOnce(device, kernel, { rows: 2, context: 0 }, { a, b }, { out: 6 });
  assert.deepEqual(Array.from(out ?? []), [11, 22, 33, 44, 55, 66]);
});

gpuTest('activations stay finite for the largest and smallest numbers', async (device) => {
  const a = Float32Array.of(-3e4, -200, 200, 3e4);
  for (const op of ['silu', 'gelu'] as const) {
    const kernel = elementwiseKernel({ op, width: 4 }, device.traits);
    const { out } = await runOnce(device, kernel, { rows: 1, context: 0 }, { a }, { out: 4 });
    assert.deepEqual(
      Array.from(out ?? [], (value) => Math.round(value)),
      [-0, -0, 200, 30000],
      op,
    );
  }
});
