/** Rows of every weight type, decoded exactly. */
import assert from 'node:assert/strict';
import { seeded } from '../../../../test/conformance-weights.ts';
import { typeNamed } from '../../../gguf/testing.ts';
import { runOnce } from '../run-once.ts';
import { gpuTest } from '../testing.ts';
import { embedKernel } from './embed.ts';
import { planesOf, randomMatrix, relativeDifference } from './testing.ts';
import { KERNEL_WEIGHT_TYPES } from './weight-formats.ts';

for (const type of KERNEL_WEIGHT_TYPES) {
  gpuTest(`rows of ${type} weights are the numbers they stand for`, async (device) => {
    const { blockElements } = typeNamed(type);
    for (const width of blockElements === 1 ? [3, 24] : [2 * blockElements]) {
      const table = randomMatrix(type, 5, width, seeded(width));
      const kernel = embedKernel({ type, width, firstRow: 0, rows: 5 }, device.traits);
      const inputs = { ids: Int32Array.of(4, 0, -2, 4), carried: Int32Array.of(1, 3), ...planesOf('table', table) };
      const { out } = await runOnce(device, kernel, { rows: 4, context: 0 }, inputs, { out: 4 * width });
      const expected = [4, 0, 3, 4].flatMap((row) => Array.from(table.values.subarray(row * width, (row + 1) * width)));
      assert.ok(relativeDifference(out!, expected) < 3e-7, type);
    }
  });
}

gpuTest('scales that are subnormal halves are not lost', async (device) => {
  const table = randomMatrix('Q4_0', 1, 32, seeded(1));
  table.blocks.set([0x35, 0x00]);
  const kernel = embedKernel({ type: 'Q4_0', width: 32, firstRow: 0, rows: 1 }, device.traits);
  const inputs = { ids: Int32Array.of(0), carried: Int32Array.of(0), ...planesOf('table', table) };
  const { out } = await runOnce(device, kernel, { rows: 1, context: 0 }, inputs, { out: 32 });
  const quants = table.blocks.subarray(2);
  const expected = Array.from(
    { length: 32 },
    (_, i) => (((quants[i % 16]! >> (i < 16 ? 0 : 4)) & 15) - 8) * 0x35 * 2 ** -24,
  );
  assert.ok(relativeDifference(out!, expected) < 3e-7);
});

gpuTest('a part of a table leaves the rows of others alone', async (device) => {
  const table = randomMatrix('F32', 2, 4, seeded(2));
  const kernel = embedKernel({ type: 'F32', width: 4, firstRow: 10, rows: 2 }, device.traits);
  const inputs = { ids: Int32Array.of(9, 11, 12), carried: Int32Array.of(0), ...planesOf('table', table) };
  const { out } = await runOnce(device, kernel, { rows: 3, context: 0 }, inputs, { out: 12 });
  assert.deepEqual(Array.from(out!), [0, 0, 0, 0, ...table.values.subarray(4, 8), 0, 0, 0, 0]);
});
