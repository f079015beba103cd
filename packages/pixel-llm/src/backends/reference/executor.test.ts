import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GREEDY } from '../../../test/sampling-settings.ts';
import { makeTinyModel, tinyWeights } from '../../../test/tiny-model.ts';
import { isPixelError, type PixelErrorCode } from '../../core/errors.ts';
import { buildProgram } from '../../program/build-program.ts';
import type { WeightSource } from '../../pxi/weight-source.ts';
import { selectBackend } from '../select.ts';
import type { Batch, Executor, LoadOptions } from '../types.ts';
import { createReferenceBackend } from './backend.ts';

const code = (expected: PixelErrorCode) => (error: unknown) => isPixelError(error, expected);

function loadTiny(options: Partial<LoadOptions> = {}, source: WeightSource = tinyWeights()): Promise<Executor> {
  return createReferenceBackend().load(buildProgram(source.head), source, { pageCount: 4, pageTokens: 8, ...options });
}

const BATCH: Batch = {
  sequences: Int32Array.of(0, 0, 0),
  positions: Int32Array.of(0, 1, 2),
  pages: [[2]],
  outputEntries: Int32Array.of(2),
  inputs: { tokens: Int32Array.of(4, 5, 6) },
};

const BEST = { ...GREEDY, position: 3, topLogprobs: 1 };

test('a step gives the sampled token and the values asked for', async () => {
  const executor = await loadTiny();
  const { sampled, values } = await executor.step(
    { ...BATCH, sampling: [BEST] },
    { readBack: ['logits', 'tokens', 'blk.0.q'] },
  );
  const logits = values.get('logits');
  assert.equal(logits?.length, executor.program.vocab);
  assert.equal(sampled[0]?.token, logits.indexOf(Math.max(...logits) as never));
  assert.equal(sampled[0]?.top[0]?.[0], sampled[0]?.token);
  assert.deepEqual(values.get('tokens'), BATCH.inputs.tokens);
  assert.equal(values.get('blk.0.q')?.length, 3 * 32);
});

test('a step without outputs only fills the cache', async () => {
  const executor = await loadTiny();
  const { sampled, values } = await executor.step(
    { ...BATCH, outputEntries: new Int32Array() },
    { readBack: ['logits'] },
  );
  assert.deepEqual([sampled.length, values.get('logits')?.length], [0, 0]);
});

test('a batch that contradicts itself is refused before anything changes', async () => {
  const executor = await loadTiny();
  const settings = { ...BEST, temperature: Number.NaN };
  const wrong: Partial<Batch>[] = [
    { sequences: Int32Array.of(0) },
    { sequences: Int32Array.of(0, 0, 1) },
    { sequences: Int32Array.of(0, 0, -1) },
    { positions: Int32Array.of(0, 2, 1) },
    { positions: Int32Array.of(0, 1, 1) },
    { positions: Int32Array.of(-1, 0, 1) },
    { positions: Int32Array.of(0, 1, 8) },
    { pages: [[4]] },
    { pages: [[0.5]] },
    { sequences: Int32Array.of(0, 1, 1), positions: Int32Array.of(0, 0, 1), pages: [[2], [2]] },
    { outputEntries: Int32Array.of(3) },
    { outputEntries: Int32Array.of(1, 1) },
    { outputEntries: Int32Array.of(-1) },
    { inputs: {} },
    { inputs: { tokens: Int32Array.of(1) } },
    { inputs: { tokens: Float32Array.of(1, 2, 3) } },
    { inputs: { tokens: Int32Array.of(1, 2, 1_000_000) } },
    { sampling: [] },
    { sampling: [settings] },
    { sampling: [{ ...BEST, topK: 0.5 }] },
    { sampling: [{ ...BEST, recentTokens: Int32Array.of(-1) }] },
    { sampling: [{ ...BEST, bias: [[0, Infinity]] }] },
    { sampling: [{ ...BEST, bias: [[1_000_000, 0]] }] },
  ];
  for (const change of wrong) {
    const step = executor.step({ ...BATCH, ...change });
    await assert.rejects(step, code('bad-argument'), JSON.stringify(change));
  }
  await assert.rejects(executor.step(BATCH, { readBack: ['nonsense'] }), code('bad-argument'));
  await assert.rejects(executor.copyPage(0, 4, 1), code('bad-argument'));
  await assert.rejects(executor.copyPage(0, 1, 9), code('bad-argument'));
});

test('steps called at once run one after the other', async () => {
  const executor = await loadTiny();
  const steps = [0, 1, 2].map((position) =>
    executor.step(
      {
        sequences: Int32Array.of(0),
        positions: Int32Array.of(position),
        pages: [[2]],
        outputEntries: Int32Array.of(0),
        inputs: { tokens: Int32Array.of(4 + position) },
      },
      { readBack: ['logits'] },
    ),
  );
  const last = (await Promise.all(steps)).at(-1)?.values.get('logits');
  const together = await executor.step(BATCH, { readBack: ['logits'] });
  assert.deepEqual(last, together.values.get('logits'));
});

test('an aborted signal stops a step and a load', async () => {
  const executor = await loadTiny();
  const signal = AbortSignal.abort();
  await assert.rejects(executor.step(BATCH, { signal }), code('aborted'));
  await assert.rejects(loadTiny({ signal }), code('aborted'));
  await executor.step(BATCH);
});

test('after dispose, which may be called twice, every use is refused', async () => {
  const executor = await loadTiny();
  await executor.dispose();
  await executor.dispose();
  await assert.rejects(executor.step(BATCH), code('disposed'));
  await assert.rejects(executor.copyPage(0, 1, 1), code('disposed'));
});

test('loading reports each tensor and refuses sizes that make no sense', async () => {
  const done: number[] = [];
  const executor = await loadTiny({ onProgress: (progress) => done.push(progress.done) });
  assert.deepEqual(
    done,
    Array.from({ length: executor.program.weights.length + 1 }, (_, i) => i),
  );
  await assert.rejects(loadTiny({ pageCount: -1 }), code('bad-argument'));
  await assert.rejects(loadTiny({ pageTokens: 0 }), code('bad-argument'));
});

test('a cache larger than any memory is an error with a code, not a crash', async () => {
  await assert.rejects(loadTiny({ pageCount: 2 ** 50 }), code('out-of-memory'));
});

test('weights that are missing, of another shape, or of a type nobody computes with are named', async () => {
  const source = tinyWeights();
  const program = buildProgram(source.head);
  const backend = await selectBackend('reference');
  const first = program.weights[0]!;
  const load = (change: object): Promise<unknown> =>
    backend.load({ ...program, weights: [{ ...first, ...change }, ...program.weights.slice(1)] }, source, {
      pageCount: 1,
    });
  await assert.rejects(load({ type: 'F16' }), code('bad-program'));
  const tensors = new Map(source.head.tensors);
  tensors.delete(first.name);
  const lacking = { ...source, head: { ...source.head, tensors } };
  await assert.rejects(backend.load(program, lacking, { pageCount: 1 }), code('unknown-tensor'));
  const info = source.head.tensors.get(first.name)!;
  tensors.set(first.name, { ...info, type: { ...info.type, name: 'Q8_K' } });
  const odd = { ...program, weights: [{ ...first, type: 'Q8_K' }, ...program.weights.slice(1)] };
  await assert.rejects(backend.load(odd, lacking, { pageCount: 1 }), code('unsupported-type'));
});

test('the estimate counts four bytes a weight and a cached value', () => {
  const program = buildProgram(tinyWeights(makeTinyModel()).head);
  const backend = createReferenceBackend();
  const empty = backend.estimateBytes(program, { pageCount: 0, pageTokens: 8 });
  const weights = makeTinyModel().tensors.reduce((sum, { data }) => sum + data.byteLength, 0);
  assert.equal(empty, weights);
  // 2 layers, keys and values of 2 heads of 8.
  assert.equal(backend.estimateBytes(program, { pageCount: 3, pageTokens: 8 }) - empty, 4 * 2 * 2 * 16 * 24);
});
