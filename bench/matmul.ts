/**
 * The matrix product of the GPU in GFLOP/s, squares from 256 to 2048, f32 and f16 packed two to a word: `node bench/matmul.ts
 * [--adapter NAME] [--rounds 3] [--most 2048]`. Operands stay on the device; timed is from the submit to its end. First the check: some rows
 * of each product against sums in doubles.
 */
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { chooseAdapter } from '../packages/pixel-llm/src/backends/webgpu/adapters.ts';
import { GpuDevice } from '../packages/pixel-llm/src/backends/webgpu/gpu-device.ts';
import { matrixProductKernel } from '../packages/pixel-llm/src/backends/webgpu/kernels/matrix-product.ts';
import '../packages/pixel-llm/src/backends/webgpu/node.ts';
import { floatToHalf, HALF_TO_FLOAT } from '../packages/pixel-llm/src/gguf/half.ts';
import { GpuBench } from './gpu-bench.ts';
import { interleave, printTable, type ResultRow, rounded, saveResults } from './harness.ts';

const { values: options } = parseArgs({
  options: {
    adapter: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    most: { type: 'string', default: '2048' },
  },
});

const device = await GpuDevice.open(await chooseAdapter(options.adapter));
const bench = new GpuBench(device);
const results: ResultRow[] = [];
for (let size = 256; size <= Number(options.most); size *= 2) results.push(await measure(size));
printTable(results);
console.log(await saveResults('matmul', results));
device.destroy();

async function measure(size: number): Promise<ResultRow> {
  const numbers = Float32Array.from({ length: size * size }, (_, i) => HALF_TO_FLOAT[floatToHalf(Math.sin(i))] ?? 0);
  const halves = Uint16Array.from(numbers, floatToHalf);
  const shape = { rows: size, columns: size, inner: size };
  const product = async (type: 'f32' | 'f16', values: Float32Array | Uint16Array) => {
    const kernel = matrixProductKernel(type, shape, device.traits);
    const inputs = { a: values, b: values, shape: Uint32Array.of(size, size, size, 0) };
    const run = await bench.prepare(kernel, { rows: size, context: 0 }, inputs, 4 * size * size);
    checkRow(await run.result(), numbers, size);
    return run;
  };
  const runs = { f32: await product('f32', numbers), f16: await product('f16', halves) };
  const seconds = await interleave({ f32: runs.f32.run, f16: runs.f16.run }, { rounds: Number(options.rounds) });
  for (const run of Object.values(runs)) run.dispose();
  const operations = 2 * size ** 3;
  return {
    what: `${size} x ${size} x ${size} on ${device.name}`,
    rates: {
      f32GFLOPs: rounded(operations / seconds.f32 / 1e9),
      f16GFLOPs: rounded(operations / seconds.f16 / 1e9),
    },
  };
}

/** The first and the last row. */
function checkRow(found: Float32Array, numbers: Float32Array, size: number): void {
  for (const row of [0, size - 1]) {
    for (let column = 0; column < size; column++) {
      let sum = 0;
      for (let i = 0; i < size; i++) sum += numbers[row * size + i]! * numbers[column * size + i]!;
      assert.ok(Math.abs(found[row * size + column]! - sum) < 1e-5 * size, `row ${row}, column ${column}`);
    }
  }
}
