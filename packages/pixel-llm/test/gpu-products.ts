/**
 * Matrix products of random shapes, in f32 and f16, against sums in doubles: for one driver after another, as drivers are chosen once
 * a process.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matrixProductKernel } from '../src/backends/webgpu/kernels/matrix-product.ts';
import { productInDoubles, randomFloats, relativeDifference } from '../src/backends/webgpu/kernels/testing.ts';
import { runOnce } from '../src/backends/webgpu/run-once.ts';
import { testDevice } from '../src/backends/webgpu/testing.ts';
import { floatToHalf, HALF_TO_FLOAT } from '../src/gguf/half.ts';
import { seeded } from './conformance-weights.ts';

const TOLERANCE = 1e-5;
const SHAPES = 110;
/** Rows, columns and inner columns: below, at and above what a tile takes; seldom multiples of anything. */
const LARGEST = [150, 150, 200] as const;

export function testGpuProducts(driver: string): void {
  for (const type of ['f32', 'f16'] as const) {
    test(`gpu (${driver}) multiplies ${SHAPES} matrices of random shapes in ${type}`, async (context) => {
      const device = await testDevice(context);
      if (!device) return;
      for (let i = 0; i < SHAPES; i++) {
        const random = seeded(900 + i);
        const [rows = 1, columns = 1, inner = 1] = LARGEST.map((most) => 1 + Math.floor(random() ** 2 * most));
        const width = Math.ceil(inner / 4) * 4;
        const given = [rows, columns].map((count) => paddedRows(randomFloats(count * inner, random), inner, width));
        const halves = given.map((values) => Uint16Array.from(values, floatToHalf));
        const seen =
          type === 'f32' ? given : halves.map((bits) => Float32Array.from(bits, (half) => HALF_TO_FLOAT[half]!));
        const [a, b] = type === 'f32' ? given : halves;
        const shape = { rows, columns, inner };
        const { out } = await runOnce(
          device,
          matrixProductKernel(type, shape, device.traits),
          { rows, context: 0 },
          { a: a!, b: b!, shape: Uint32Array.of(rows, columns, inner, 0) },
          { out: rows * columns },
        );
        const difference = relativeDifference(out!, productInDoubles(seen[0]!, seen[1]!, width));
        assert.ok(difference < TOLERANCE, `${JSON.stringify(shape)}: relative difference ${difference}`);
      }
    });
  }
}

function paddedRows(values: Float32Array, inner: number, width: number): Float32Array {
  const padded = new Float32Array((values.length / inner) * width);
  for (let row = 0; row * inner < values.length; row++)
    padded.set(values.subarray(row * inner, (row + 1) * inner), row * width);
  return padded;
}
