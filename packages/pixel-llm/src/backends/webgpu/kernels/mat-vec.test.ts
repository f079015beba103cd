/** Every weight type, with one and several tokens, with everything that is fused; with subgroups and without, with small limits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seeded } from '../../../../test/conformance-weights.ts';
import { typeNamed } from '../../../gguf/testing.ts';
import { matmul } from '../../reference/matmul.ts';
import type { GpuDevice } from '../gpu-device.ts';
import { runOnce } from '../run-once.ts';
import { gpuTest } from '../testing.ts';
import { canMultiplyPacked, type MatVecSpec, matVecKernel } from './mat-vec.ts';
import { quantizeActivationsKernel } from './quantize-activations.ts';
import { planesOf, productInDoubles, randomFloats, randomMatrix, relativeDifference } from './testing.ts';
import { KERNEL_WEIGHT_TYPES } from './weight-formats.ts';

const TOLERANCE = 1e-5;

for (const type of KERNEL_WEIGHT_TYPES) {
  gpuTest(`${type} weights are multiplied with one token`, async (device) => {
    const { blockElements } = typeNamed(type);
    for (const columns of blockElements === 1 ? [1, 33, 264] : [3 * blockElements]) {
      await checkProduct(device, { type, rows: 7, columns, tokens: 1 });
    }
  });
}

for (const type of KERNEL_WEIGHT_TYPES) {
  gpuTest(
    `${type} weights are multiplied with exactly eight tokens, the most that one kernel takes`,
    async (device) => {
      const { blockElements } = typeNamed(type);
      await checkProduct(device, { type, rows: 5, columns: blockElements === 1 ? 40 : 2 * blockElements, tokens: 8 });
    },
  );
}

gpuTest('rows longer than a workgroup reaches at once are multiplied strip by strip', async (device) => {
  await checkProduct(device, { type: 'Q4_K', rows: 5, columns: 4096 + 512, tokens: 1 });
  await checkProduct(device, { type: 'F16', rows: 2, columns: 2056, tokens: 1 });
});

gpuTest('several tokens are multiplied at once, as many as there are', async (device) => {
  await checkProduct(device, { type: 'Q6_K', rows: 6, columns: 256, tokens: 2 });
  await checkProduct(device, { type: 'F16', rows: 9, columns: 33, tokens: 3 });
});

gpuTest(
  'a device with the least limits and without subgroups multiplies the same',
  async (device) => {
    await checkProduct(device, { type: 'F32', rows: 5, columns: 520, tokens: 1 });
    await checkProduct(device, { type: 'Q5_K', rows: 5, columns: 2304, tokens: 1 });
    await checkProduct(device, { type: 'BF16', rows: 5, columns: 40, tokens: 5 });
  },
  { subgroups: false, f16: false, leastLimits: true },
);

gpuTest('norm, bias and residual are part of the product', async (device) => {
  const [rows, columns, epsilon] = [6, 64, 1e-6];
  const random = seeded(5);
  for (const type of ['F32', 'Q8_0']) {
    const matrix = randomMatrix(type, rows, columns, random);
    const [x, gain, bias, residual] = [columns, columns, rows, rows].map((count) => randomFloats(count, random));
    const fused = { bias: true, residual: true, norm: { epsilon } };
    const kernel = matVecKernel(
      { matrices: [{ name: 'matrix', type, rows }], columns, tokens: 1, ...fused },
      device.traits,
    );
    const inputs = { x: x!, gain: gain!, bias: bias!, residual: residual!, ...planesOf('matrix', matrix) };
    const { out } = await runOnce(device, kernel, { rows: 1, context: 0 }, inputs, { out: rows });
    const scale = 1 / Math.sqrt(x!.reduce((sum, value) => sum + value * value, 0) / columns + epsilon);
    const normed = x!.map((value, i) => value * scale * gain![i]!);
    const expected = productInDoubles(normed, matrix.values, columns).map(
      (value, i) => value + bias![i]! + residual![i]!,
    );
    assert.ok(relativeDifference(out!, expected) < TOLERANCE, kernel.label);
  }
});

gpuTest('matrices of several types share one input and one output', async (device) => {
  const columns = 256;
  const random = seeded(6);
  const matrices = [
    { name: 'first', type: 'Q4_K', rows: 9 },
    { name: 'second', type: 'Q6_K', rows: 5 },
  ];
  const weights = matrices.map(({ type, rows }) => randomMatrix(type, rows, columns, random));
  const x = randomFloats(columns, random);
  const kernel = matVecKernel({ matrices, columns, tokens: 1 }, device.traits);
  const inputs = { x, ...planesOf('first', weights[0]!), ...planesOf('second', weights[1]!) };
  const { out } = await runOnce(device, kernel, { rows: 1, context: 0 }, inputs, { out: 14 });
  const stacked = Float32Array.from(weights.flatMap(({ values }) => Array.from(values)));
  assert.ok(relativeDifference(out!, productInDoubles(x, stacked, columns)) < TOLERANCE);
});

gpuTest('gates and ups, one below the other, become one activated value a pair', async (device) => {
  const [hidden, columns] = [5, 96];
  const random = seeded(7);
  const matrix = randomMatrix('Q4_0', 2 * hidden, columns, random);
  const x = randomFloats(columns, random);
  const spec: MatVecSpec = {
    matrices: [{ name: 'matrix', type: 'Q4_0', rows: 2 * hidden }],
    columns,
    tokens: 1,
    gate: 'gatedSilu',
  };
  const kernel = matVecKernel(spec, device.traits);
  const { out } = await runOnce(
    device,
    kernel,
    { rows: 1, context: 0 },
    { x, ...planesOf('matrix', matrix) },
    { out: hidden },
  );
  const products = productInDoubles(x, matrix.values, columns);
  const gated = Array.from(
    { length: hidden },
    (_, i) => (products[i]! / (1 + Math.exp(-products[i]!))) * products[i + hidden]!,
  );
  assert.ok(relativeDifference(out!, gated) < TOLERANCE);
});

gpuTest('a part of a matrix writes its own columns of the result and nothing else', async (device) => {
  const random = seeded(8);
  const matrix = randomMatrix('F32', 6, 8, random);
  const x = randomFloats(2 * 8, random);
  const spec: MatVecSpec = {
    matrices: [{ name: 'matrix', type: 'F32', rows: 6 }],
    columns: 8,
    tokens: 2,
    out: { first: 3, width: 11 },
  };
  const { out } = await runOnce(
    device,
    matVecKernel(spec, device.traits),
    { rows: 2, context: 0 },
    { x, ...planesOf('matrix', matrix) },
    { out: 22 },
  );
  const expected = productInDoubles(x, matrix.values, 8);
  const rows = [0, 1].map((t) => [0, 0, 0, ...expected.slice(6 * t, 6 * t + 6), 0, 0]);
  assert.ok(relativeDifference(out!, rows.flat()) < TOLERANCE);
});

for (const type of KERNEL_WEIGHT_TYPES.filter((name) => canMultiplyPacked(name, 512))) {
  gpuTest(`${type} weights are multiplied with activations of 8 bits, four products at a time`, async (device) => {
    const [rows, tokens] = [5, type === 'Q4_K' ? 2 : 1];
    const { blockElements } = typeNamed(type);
    const columns = 2 * Math.max(blockElements, 32);
    const random = seeded(columns);
    const matrix = randomMatrix(type, rows, columns, random);
    const x = randomFloats(tokens * columns, random);
    x.fill(0, 32, 64);
    const sizes = { rows: tokens, context: 0 };
    const quantize = quantizeActivationsKernel({ width: columns }, device.traits);
    const counts = { packed: (tokens * columns) / 4, scales: (tokens * columns) / 32 };
    const { packed, scales } = await runOnce(device, quantize, sizes, { x }, counts);
    const matrices = [{ name: 'matrix', type, rows }];
    const kernel = matVecKernel({ matrices, columns, tokens: capacity(tokens), activations: 'q8' }, device.traits);
    const inputs = { x: packed!, x_scales: scales!, ...planesOf('matrix', matrix) };
    const { out } = await runOnce(device, kernel, sizes, inputs, { out: tokens * rows });
    const expected = matmul(x, matrix.values, undefined, { rows, columns, activations: 'q8' });
    const difference = relativeDifference(out!, expected);
    assert.ok(difference < TOLERANCE, `${kernel.label}: relative difference ${difference}`);
  });
}

void test('types without integers have no product with activations of 8 bits', () => {
  assert.deepEqual(
    KERNEL_WEIGHT_TYPES.filter((name) => !canMultiplyPacked(name, 512)),
    ['F32', 'F16', 'BF16', 'IQ4_NL', 'MXFP4', 'IQ4_XS'],
  );
});

interface Product {
  readonly type: string;
  readonly rows: number;
  readonly columns: number;
  readonly tokens: number;
}

async function checkProduct(device: GpuDevice, { type, rows, columns, tokens }: Product): Promise<void> {
  const random = seeded(rows * columns + tokens);
  const matrix = randomMatrix(type, rows, columns, random);
  const x = randomFloats(tokens * columns, random);
  const kernel = matVecKernel(
    { matrices: [{ name: 'matrix', type, rows }], columns, tokens: capacity(tokens) },
    device.traits,
  );
  const inputs = { x, ...planesOf('matrix', matrix) };
  const { out } = await runOnce(device, kernel, { rows: tokens, context: 0 }, inputs, { out: tokens * rows });
  const difference = relativeDifference(out!, productInDoubles(x, matrix.values, columns));
  assert.ok(difference < TOLERANCE, `${kernel.label}: relative difference ${difference}`);
}

function capacity(tokens: number): MatVecSpec['tokens'] {
  return ([1, 2, 4, 8] as const).find((most) => most >= tokens) ?? 8;
}
