/** Whole models are trained: the gradients of a decoder, on every device, and what a trainer makes of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadReferenceTraining } from '../src/backends/reference/training-executor.ts';
import type { LoadTraining, TrainingBatch } from '../src/backends/training-types.ts';
import '../src/backends/wasm/node.ts';
import { loadCpuTraining } from '../src/backends/wasm/training/training-executor.ts';
import { buildProgram } from '../src/program/build-program.ts';
import { readRows } from '../src/pxi/read-rows.ts';
import type { WeightSource } from '../src/pxi/weight-source.ts';
import { differentiate } from '../src/train/differentiate.ts';
import { meanLoss, Trainer } from '../src/train/trainer.ts';
import { packBatches } from '../src/train/training-data.ts';
import { seeded } from './conformance-weights.ts';
import { tinyWeights } from './tiny-model.ts';

const source = tinyWeights();
const program = differentiate(buildProgram(source.head));

const sequences = [9, 1, 30, 17].map((length, seed) => {
  const random = seeded(seed + 40);
  const tokens = Array.from({ length }, () => Math.floor(random() * 100));
  return { tokens, learnFrom: seed === 2 ? 12 : 0 };
});
const batches = packBatches(sequences, 40);

async function weightsOf(weights: WeightSource): Promise<Map<string, Float32Array<ArrayBuffer>>> {
  const all = new Map<string, Float32Array<ArrayBuffer>>();
  for (const [name, { dimensions }] of weights.head.tensors) {
    const rows = dimensions.slice(1).reduce((product, size) => product * size, 1);
    all.set(name, await readRows(weights, name, { start: 0, end: rows }));
  }
  return all;
}

async function lossAt(
  load: LoadTraining,
  list: readonly TrainingBatch[],
  moved: Map<string, Float32Array>,
): Promise<number> {
  const executor = await load(program, source);
  await executor.setWeights(moved);
  const losses = await executor.losses(list);
  await executor.dispose();
  return meanLoss(list, losses);
}

test('every weight of a decoder gets a gradient, and the loss changes along it as it says', async () => {
  const executor = await loadReferenceTraining()(program, source);
  const { gradients } = await executor.gradients(batches);
  await executor.dispose();
  assert.deepEqual([...gradients.keys()].sort(), [...source.head.tensors.keys()].sort());
  const weights = await weightsOf(source);
  for (const [name, gradient] of gradients) {
    const squares = gradient.reduce((sum, value) => sum + value * value, 0);
    const step = 0.01 / Math.sqrt(squares);
    const along = (sign: number): Map<string, Float32Array> =>
      new Map(weights).set(
        name,
        weights.get(name)!.map((value, i) => value + sign * step * gradient[i]!),
      );
    const slope =
      (await lossAt(loadReferenceTraining(), batches, along(1))) -
      (await lossAt(loadReferenceTraining(), batches, along(-1)));
    const measured = slope / (2 * step);
    assert.ok(Math.abs(measured / squares - 1) < 0.02, `${name}: ${measured} measured, ${squares} expected`);
  }
});

test('cpu computes the losses and gradients that the reference does', async () => {
  const reference = await loadReferenceTraining()(program, source);
  const expected = await reference.gradients(batches);
  for (const build of ['relaxed', 'plain'] as const) {
    const executor = await loadCpuTraining({ build, threads: 1 })(program, source);
    const actual = await executor.gradients(batches);
    await executor.dispose();
    assert.ok(Math.abs(meanLoss(batches, actual.losses) - meanLoss(batches, expected.losses)) < 1e-5);
    for (const [name, gradient] of expected.gradients) {
      const size = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const worst = gradient.reduce(
        (most, value, i) => Math.max(most, Math.abs(value - actual.gradients.get(name)![i]!)),
        0,
      );
      assert.ok(worst < 2e-5 * size, `${name} (${build}): ${worst / size}`);
    }
  }
});

test('the number of threads changes no bit of a gradient', async () => {
  const list = packBatches(sequences, 30);
  const results: Map<string, number[]>[] = [];
  for (const threads of [1, 2, 3]) {
    const executor = await loadCpuTraining({ threads })(program, source);
    const { gradients } = await executor.gradients(list);
    results.push(new Map([...gradients].map(([name, values]) => [name, Array.from(values)])));
    await executor.dispose();
  }
  assert.ok(list.length > 2);
  assert.deepEqual(results[1], results[0]);
  assert.deepEqual(results[2], results[0]);
});

test('a trainer lowers the loss to nearly nothing, and goes on from a state as if it had not stopped', async () => {
  const executor = await loadCpuTraining({ threads: 2 })(program, source);
  const options = { schedule: { peak: 0.01, warmUpSteps: 4, steps: 60, finalShare: 0.1 } };
  const trainer = new Trainer(executor, { weights: await weightsOf(source) }, options);
  const first = await trainer.learn(batches);
  let last = first;
  let half: Trainer['state'] | undefined;
  while (last.step < 60) {
    last = await trainer.learn(batches);
    if (last.step === 30) half = structuredClone(trainer.state);
  }
  assert.ok(first.loss > 3 && last.loss < 0.1, `${first.loss} -> ${last.loss}`);
  const resumed = new Trainer(executor, half!, options);
  await resumed.restore();
  let again = await resumed.learn(batches);
  while (again.step < 60) again = await resumed.learn(batches);
  assert.deepEqual(again, last);
  assert.deepEqual(resumed.state, trainer.state);
  await executor.dispose();
});
