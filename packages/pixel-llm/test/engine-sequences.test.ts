import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { selectBackend } from '../src/backends/select.ts';
import type { Executor } from '../src/backends/types.ts';
import { isPixelError, PixelError } from '../src/core/errors.ts';
import type { GenerateOptions } from '../src/engine/generation.ts';
import { loadModel } from '../src/engine/load-model.ts';
import { SequenceStore } from '../src/engine/sequence.ts';
import { buildProgram } from '../src/program/build-program.ts';
import { GREEDY } from './sampling-settings.ts';
import { tinyWeights } from './tiny-model.ts';

const hasCode = (code: Parameters<typeof isPixelError>[1]) => (error: unknown) => isPixelError(error, code);

describe('The sequences of a store', () => {
  const full = new Array<number>(64).fill(5);

  test('give their pages to a busy one, the one first that was not used for longest', async () => {
    const { executor } = await recordingExecutor(() => {});
    const store = new SequenceStore(executor);
    const sequences = Array.from({ length: 8 }, () => store.create());
    for (const sequence of sequences) {
      using _claim = sequence.claim();
      await sequence.append(full);
    }
    sequences[0]?.claim()[Symbol.dispose]();
    assert.equal(store.freePages, 0);
    await store.create().append([1]);
    assert.deepEqual(
      sequences.map(({ tokens }) => tokens.length),
      [64, 0, 64, 64, 64, 64, 64, 64],
    );
    await store.dispose();
  });

  test('give their pages back when disposed of, a claimed one at the end of its work', async () => {
    const { executor } = await recordingExecutor(() => {});
    const store = new SequenceStore(executor);
    const sequence = store.create();
    const claim = sequence.claim();
    await sequence.append(full);
    sequence.dispose();
    assert.equal(store.freePages, executor.pageCount - 1);
    await assert.rejects(sequence.append([1]), hasCode('disposed'));
    claim[Symbol.dispose]();
    assert.equal(store.freePages, executor.pageCount);
    await store.dispose();
  });
});

describe('The step queue', () => {
  test('what breaks one step of a batch falls on no other', async () => {
    await using model = await loadModel(tinyWeights(), { device: 'reference', sequences: 3 });
    const write = (options: GenerateOptions) =>
      model
        .createSession()
        .generate('the cat', { seed: 11, ignoreEndOfText: true, maxTokens: 4, ...options })
        .complete();
    const alone = await write({});
    const nothingAllowed = Array.from({ length: model.vocab }, (_, token) => [token, -Infinity] as const);
    const broken = assert.rejects(write({ logitBias: nothingAllowed }), hasCode('not-finite'));
    const [beside] = await Promise.all([write({}), broken]);
    assert.deepEqual(beside.tokens, alone.tokens);
  });

  test('an aborted step does not wait for the one that runs, and gives its pages back', async () => {
    let release = (): void => {};
    const { executor } = await recordingExecutor(() => new Promise<void>((resolve) => (release = resolve)));
    const store = new SequenceStore(executor);
    const running = store.create().append([1, 2]);
    while (store.freePages === executor.pageCount) await setImmediate();
    await setImmediate();
    const abort = new AbortController();
    const waiting = store.create().append([3, 4], { signal: abort.signal });
    await setImmediate();
    assert.equal(store.freePages, executor.pageCount - 2);
    abort.abort();
    await assert.rejects(waiting, hasCode('aborted'));
    assert.equal(store.freePages, executor.pageCount - 1);
    release();
    await running;
    await store.dispose();
  });

  test('joins what waits into one batch, keeps read-backs alone, and cutting the prompt changes nothing', async () => {
    const batches: number[] = [];
    const { executor } = await recordingExecutor((sizes) => batches.push(sizes));
    const store = new SequenceStore(executor);
    const sampling = { ...GREEDY, position: 3 };
    const [a, b, c] = [store.create(), store.create(), store.create()];
    const run = [a.append([4, 5, 6], { sampling }), b.append([7, 8], {}), c.appendForLogits([9, 10])] as const;
    const [sampled] = await Promise.all(run);
    assert.deepEqual(batches, [5, 2]);
    const whole = await a.append([20, 21, 22, 23], { sampling });

    const cut = store.create();
    for (const token of [4, 5, 6, 20, 21, 22]) await cut.append([token]);
    assert.deepEqual(await cut.append([23], { sampling }), whole);
    assert.ok(sampled);
    await store.dispose();
    const before = batches.length;
    await assert.rejects(b.append([1]), hasCode('disposed'));
    assert.equal(batches.length, before);
  });

  test('a step that fails leaves the sequence as it was, and the next one runs', async () => {
    let fails = true;
    const { executor } = await recordingExecutor(() => {
      if (fails) throw new PixelError('io', 'device lost');
    });
    const store = new SequenceStore(executor);
    const sequence = store.create();
    await assert.rejects(sequence.append([1, 2]), hasCode('io'));
    assert.deepEqual(sequence.tokens, []);
    fails = false;
    await sequence.append([1, 2]);
    assert.deepEqual(sequence.tokens, [1, 2]);
    sequence.dispose();
    assert.equal(store.freePages, executor.pageCount);
    await store.dispose();
  });
});

/** The reference executor of the tiny model; `observe` gets the number of tokens of each batch first. */
async function recordingExecutor(observe: (tokens: number) => unknown): Promise<{ executor: Executor }> {
  const weights = tinyWeights();
  const backend = await selectBackend('reference');
  const inner = await backend.load(buildProgram(weights.head), weights, { pageCount: 8 });
  const executor: Executor = {
    device: inner.device,
    program: inner.program,
    pageTokens: inner.pageTokens,
    pageCount: inner.pageCount,
    async step(batch, options) {
      await observe(batch.positions.length);
      return inner.step(batch, options);
    },
    copyPage: (from, to, tokens) => inner.copyPage(from, to, tokens),
    dispose: () => inner.dispose(),
  };
  return { executor };
}
