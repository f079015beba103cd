/** Training on a GPU: the conformance table of gradients, and a whole decoder beside the reference; for one driver after another. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadReferenceTraining } from '../src/backends/reference/training-executor.ts';
import type { TrainingResult } from '../src/backends/training-types.ts';
import type { DeviceRestrictions } from '../src/backends/webgpu/gpu-device.ts';
import { testDevice } from '../src/backends/webgpu/testing.ts';
import { type GpuTrainingOptions, loadGpuTraining } from '../src/backends/webgpu/training/training-executor.ts';
import { buildProgram } from '../src/program/build-program.ts';
import { differentiate } from '../src/train/differentiate.ts';
import { packBatches } from '../src/train/training-data.ts';
import { runCommand } from './command-line.ts';
import { gradientCases, gradientDifference } from './conformance-gradients.ts';
import { seeded } from './conformance-weights.ts';
import { tinyWeights } from './tiny-model.ts';

/** Sums in f32. */
const TOLERANCE = 4e-6;
/** What products multiply is rounded to 11 bits, in every op of two layers and back. */
const HALF_TOLERANCE = 1e-2;

const cases = gradientCases();
const source = tinyWeights();
const program = differentiate(buildProgram(source.head));
const sequences = [9, 1, 70, 17].map((length, seed) => {
  const random = seeded(seed + 40);
  return { tokens: Array.from({ length }, () => Math.floor(random() * 100)), learnFrom: seed === 2 ? 12 : 0 };
});
// The second batch is larger than the first, so room has to be made.
const batches = packBatches(sequences, 80).toSorted((a, b) => a.sequences.length - b.sequences.length);

export function testGpuTraining(driver: string, restrictions: DeviceRestrictions = {}): void {
  for (const op of new Set(cases.map((candidate) => candidate.op))) {
    test(`gpu (${driver}) computes ${op} as differences of its forward formula say`, async (context) => {
      const device = await testDevice(context, restrictions);
      if (!device) return;
      for (const candidate of cases.filter((other) => other.op === op)) {
        const difference = await gradientDifference(loadGpuTraining({ device }), candidate);
        assert.ok(difference <= TOLERANCE, `${candidate.title}: relative difference ${difference}`);
      }
    });
  }

  test(`gpu (${driver}) gives the losses and gradients of a decoder, batch after batch`, async (context) => {
    const device = await testDevice(context, restrictions);
    if (!device) return;
    const expected = await trained(undefined);
    assert.ok(batches.length > 1);
    compare(await trained({ device }), expected, TOLERANCE);
  });

  test(`gpu (${driver}) trains in 16 bits, and small gradients do not vanish`, async (context) => {
    const device = await testDevice(context, restrictions);
    if (!device) return;
    if (!device.traits.f16) {
      await assert.rejects(trained({ device, precision: 'f16' }), { code: 'unknown-device' });
      return;
    }
    // Loss weights as of a step of ten million predictions: their gradients lie below what f16 can hold.
    const small = batches.map(({ sequences, inputs }) => {
      return {
        sequences,
        inputs: { ...inputs, lossWeights: (inputs.lossWeights as Float32Array).map((weight) => weight / 1e5) },
      };
    });
    compare(await trained({ device, precision: 'f16' }, small), await trained(undefined, small), HALF_TOLERANCE);
  });
}

/** The command, a few steps on the GPU and on the processor: the same losses. The driver is the process's, so tests of one driver share it. */
export function testGpuTrainCommand(adapter: string): void {
  test(`pixel-llm train --device gpu (${adapter}) learns what it learns on cpu`, async (context) => {
    if (!(await testDevice(context))) return;
    const folder = await mkdtemp(join(tmpdir(), 'pixel-llm-gpu-train-'));
    context.after(() => rm(folder, { recursive: true }));
    const shape = { name: 'both', dim: 16, layers: 1, heads: 2, kvHeads: 1, hidden: 32, contextLength: 64 };
    const model = { shape, tokenizer: { vocabulary: 300 } };
    const recipe = {
      model,
      data: ['lines.jsonl'],
      heldOut: 0,
      steps: 4,
      stepTokens: 60,
      batchTokens: 40,
      warmUpSteps: 1,
    };
    const lines = Array.from({ length: 40 }, (_, i) => JSON.stringify({ text: `line ${i} of ${i * 7}` }));
    await writeFile(join(folder, 'lines.jsonl'), lines.join('\n'));
    await writeFile(join(folder, 'recipe.json'), JSON.stringify(recipe));
    const lossesOn = async (...words: string[]): Promise<number[]> => {
      const out = ['--out', `${words[0]}.pxi.png`, '--json', '--no-sample', '--device', ...words];
      const { code, stdout, stderr } = await runCommand(['train', 'recipe.json', ...out], { cwd: folder });
      assert.equal(code, 0, stderr);
      return stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).loss);
    };
    const [gpu, cpu] = [await lossesOn('gpu', '--gpu-adapter', adapter), await lossesOn('cpu', '--threads', '1')];
    assert.equal(gpu.length, 4);
    for (const [step, loss] of gpu.entries()) assert.ok(Math.abs(loss - cpu[step]!) < 1e-4, `${gpu} ${cpu}`);
    assert.ok(gpu[3]! < gpu[0]!);
  });
}

/** On the GPU, or without options by the reference. */
async function trained(options: GpuTrainingOptions | undefined, list = batches): Promise<TrainingResult> {
  const executor = await (options ? loadGpuTraining(options) : loadReferenceTraining())(program, source);
  try {
    const result = await executor.gradients(list);
    assert.deepEqual(await executor.losses(list), result.losses);
    return result;
  } finally {
    await executor.dispose();
  }
}

function compare(actual: TrainingResult, expected: TrainingResult, tolerance: number): void {
  for (const [index, losses] of expected.losses.entries()) {
    const difference = differenceOf(actual.losses[index]!, losses);
    assert.ok(difference <= tolerance, `losses of batch ${index}: relative difference ${difference}`);
  }
  assert.deepEqual([...actual.gradients.keys()].sort(), [...expected.gradients.keys()].sort());
  for (const [weight, gradient] of expected.gradients) {
    const difference = differenceOf(actual.gradients.get(weight)!, gradient);
    assert.ok(difference <= tolerance, `${weight}: relative difference ${difference}`);
  }
}

function differenceOf(actual: Float32Array, expected: Float32Array): number {
  assert.equal(actual.length, expected.length);
  const size = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - actual[i]!)), 0);
  return Number.isNaN(worst) ? Infinity : worst / size;
}
