/** Products with prompts: every weight type, ragged tiles, f16 packed two to a word; and a planted fault that must be seen. */
import assert from 'node:assert/strict';
import { seeded } from '../../../../test/conformance-weights.ts';
import { floatToHalf, HALF_TO_FLOAT } from '../../../gguf/half.ts';
import { typeNamed } from '../../../gguf/testing.ts';
import type { GpuDevice } from '../gpu-device.ts';
import { runOnce } from '../run-once.ts';
import { gpuTest } from '../testing.ts';
import type { Kernel } from './kernel.ts';
import { planesOf, productInDoubles, randomFloats, randomMatrix, relativeDifference } from './testing.ts';
import { type TiledProductSpec, tiledProductKernel } from './tiled-product.ts';
import { KERNEL_WEIGHT_TYPES } from './weight-formats.ts';

const TOLERANCE = 1e-5;

for (const type of KERNEL_WEIGHT_TYPES) {
  gpuTest(`${type} weights are multiplied with a prompt`, async (device) => {
    const { blockElements } = typeNamed(type);
    for (const columns of blockElements === 1 ? [24, 37] : [2 * blockElements]) {
      assert.ok((await difference(device, { type, rows: 67, columns }, 11)) < TOLERANCE);
    }
  });
}

gpuTest('halves packed two to a word are multiplied exactly as the numbers they are', async (device) => {
  assert.ok((await difference(device, { type: 'F16', rows: 70, columns: 40, x: 'f16' }, 65)) < TOLERANCE);
});

gpuTest('a kernel with a planted fault is found out', async (device) => {
  const spec = { type: 'F32', rows: 5, columns: 20 };
  const sound = tiledProductKernel(spec, device.traits);
  const broken = { ...sound, code: sound.code.replace('low1 += w0 * by.y', 'low1 += w0 * by.x') };
  assert.notEqual(broken.code, sound.code);
  assert.ok((await difference(device, spec, 3, broken)) > 100 * TOLERANCE);
});

async function difference(device: GpuDevice, spec: TiledProductSpec, tokens: number, kernel?: Kernel): Promise<number> {
  const { type, rows, columns, x: kind } = spec;
  const random = seeded(rows * columns + tokens);
  const matrix = randomMatrix(type, rows, columns, random);
  const given = randomFloats(tokens * columns, random);
  const halves = Uint16Array.from(given, floatToHalf);
  const x = kind === 'f16' ? Float32Array.from(halves, (bits) => HALF_TO_FLOAT[bits]!) : given;
  const bias = randomFloats(rows, random);
  const residual = randomFloats(tokens * rows, random);
  const { out } = await runOnce(
    device,
    kernel ?? tiledProductKernel({ ...spec, bias: true, residual: true }, device.traits),
    { rows: tokens, context: 0 },
    { x: kind === 'f16' ? new Uint8Array(halves.buffer) : x, bias, residual, ...planesOf('matrix', matrix) },
    { out: tokens * rows },
  );
  const products = productInDoubles(x, matrix.values, columns);
  const added = kernel ? products : products.map((value, i) => value + bias[i % rows]! + residual[i]!);
  return relativeDifference(out!, added);
}
