/** What the device `cpu` does beside computing: refusing, stopping, forking, ending, and losing a thread. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oneOpProgram } from '../../../test/conformance-case.ts';
import { memoryWeights, randomWeight, seeded } from '../../../test/conformance-weights.ts';
import { tinyWeights } from '../../../test/tiny-model.ts';
import { buildProgram } from '../../program/build-program.ts';
import type { Batch, Executor } from '../types.ts';
import { createCpuBackend } from './backend.ts';
import { cpuPlatform, installCpuPlatform, type WorkerHandle } from './platform.ts';
import { webPlatform } from './web-threads.ts';
import './node.ts';

const GREEDY = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repeatPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  recentTokens: new Int32Array(),
  bias: [],
  seed: 0,
  position: 0,
  topLogprobs: 2,
};

for (const threads of [1, 2]) {
  void test(`with ${threads} thread(s), a token is sampled from the logits that can be read back`, async () => {
    await withExecutor(threads, async (executor) => {
      const { sampled, values } = await executor.step(batchOf([1, 2, 3], 0), {
        readBack: ['logits', 'sampled', 'tokens'],
      });
      const logits = values.get('logits')!;
      assert.equal(logits.length, executor.program.vocab);
      assert.equal(logits[sampled[0]!.token], Math.max(...logits));
      assert.deepEqual(values.get('sampled'), Int32Array.of(sampled[0]!.token));
      assert.deepEqual(values.get('tokens'), Int32Array.of(1, 2, 3));
    });
  });

  void test(`with ${threads} thread(s), every value of the Program can be read back, whole`, async () => {
    await withExecutor(threads, async (executor) => {
      await withExecutor(1, async (single) => {
        const readBack = executor.program.values.map(({ name }) => name);
        // From all over the vocabulary: each thread has the embeddings of some of them.
        const tokens = [5, executor.program.vocab - 1, 7, executor.program.vocab - 2];
        const found = await executor.step(batchOf(tokens, 0), { readBack });
        const expected = await single.step(batchOf(tokens, 0), { readBack });
        for (const name of readBack) assert.deepEqual(found.values.get(name), expected.values.get(name), name);
      });
    });
  });

  void test(`with ${threads} thread(s), a copied page continues as the original`, async () => {
    await withExecutor(threads, async (executor) => {
      await executor.step(batchOf([1, 2, 3], 0));
      await executor.copyPage(0, 2, 3);
      const original = await executor.step(batchOf([4], 3), { readBack: ['logits'] });
      const copy = await executor.step({ ...batchOf([4], 3), pages: [[2]] }, { readBack: ['logits'] });
      assert.deepEqual(copy.values.get('logits'), original.values.get('logits'));
    });
  });

  void test(`with ${threads} thread(s), what cannot be run is refused and changes nothing`, async () => {
    await withExecutor(threads, async (executor) => {
      const { vocab } = executor.program;
      await assert.rejects(executor.step(batchOf([vocab], 0)), { code: 'bad-argument' });
      await assert.rejects(executor.step(batchOf([-1], 0)), { code: 'bad-argument' });
      await assert.rejects(executor.step(batchOf([1], 199)), { code: 'bad-argument' });
      await assert.rejects(executor.step(batchOf([1], 0), { readBack: ['nothing'] }), { code: 'bad-argument' });
      await assert.rejects(executor.copyPage(0, 99, 1), { code: 'bad-argument' });
      await assert.rejects(executor.step(batchOf([1], 0), { signal: AbortSignal.abort() }), { code: 'aborted' });
      assert.equal((await executor.step(batchOf([1], 0))).sampled.length, 1);
    });
  });

  void test(`with ${threads} thread(s), nothing runs after dispose, which is harmless twice`, async () => {
    await withExecutor(threads, async (executor) => {
      await executor.dispose();
      await executor.dispose();
      await assert.rejects(executor.step(batchOf([1], 0)), { code: 'disposed' });
    });
  });

  void test(`with ${threads} thread(s), loading can be stopped, and broken weights are named`, async () => {
    const backend = createCpuBackend({ threads });
    const source = tinyWeights();
    const program = buildProgram(source.head);
    await assert.rejects(backend.load(program, source, { pageCount: 1, signal: AbortSignal.abort() }), {
      code: 'aborted',
    });
    const { readPlane } = source;
    source.readPlane = async (name, plane, rows, target, options) => {
      await readPlane.call(source, name, plane, rows, target, options);
      if (name === 'blk.1.attn_v.weight') target.fill(0xff);
    };
    await assert.rejects(backend.load(program, source, { pageCount: 1 }), (error: Error & { code: string }) => {
      return error.code === 'not-finite' && error.message.includes('blk.1.attn_v.weight');
    });
  });
}

void test('a step stopped halfway leaves the threads fit for the next', async () => {
  await withExecutor(2, async (executor) => {
    const expected = await executor.step(batchOf([1, 2, 3], 0), { readBack: ['logits'] });
    for (let delay = 0; delay < 4; delay++) {
      const controller = new AbortController();
      const step = executor.step(batchOf([1, 2, 3], 0), { signal: controller.signal });
      setTimeout(() => controller.abort(), delay);
      await step.catch((error) => assert.equal(error.code, 'aborted'));
    }
    const again = await executor.step(batchOf([1, 2, 3], 0), { readBack: ['logits'] });
    assert.deepEqual(again.values.get('logits'), expected.values.get('logits'));
  });
});

void test('a thread that dies gives device-lost at once, while idle or within a step, and never a hang', async () => {
  const workers: WorkerHandle[] = [];
  const platform = cpuPlatform(webPlatform);
  assert.ok(platform.startWorker);
  const startWorker = (): WorkerHandle => {
    const worker = platform.startWorker!();
    workers.push(worker);
    return worker;
  };
  installCpuPlatform({ ...platform, startWorker });
  try {
    await withExecutor(3, async (executor) => {
      await executor.step(batchOf([1], 0));
      await workers[1]!.terminate();
      await assert.rejects(executor.step(batchOf([1], 0)), { code: 'device-lost' });
    });
    await withExecutor(3, async (executor) => {
      const step = executor.step(
        batchOf(
          Array.from({ length: 100 }, () => 1),
          0,
        ),
      );
      setImmediate(() => void workers[4]!.terminate());
      await step.catch((error) => assert.equal(error.code, 'device-lost'));
      await assert.rejects(executor.step(batchOf([1], 0)), { code: 'device-lost' });
    });
  } finally {
    installCpuPlatform(platform);
  }
});

void test('weights that a Program wants exact are widened, and a line says so', async () => {
  const weight = randomWeight('matrix', 'Q4_0', [8, 64], seeded(1));
  const notes: string[] = [];
  const backend = createCpuBackend({ threads: 1, onNote: (line) => notes.push(line) });
  const op = { op: 'matmul', in: ['x'], weights: ['matrix'], out: 'out', attributes: { activations: 'f32' } } as const;
  const program = oneOpProgram({ title: '', op, inputs: { x: [[]] }, weights: [weight], outShape: ['tokens', 8] });
  const values = program.values.map((value) =>
    value.name === 'x' ? { ...value, shape: ['tokens', 64] as const } : value,
  );
  const executor = await backend.load({ ...program, values }, memoryWeights([weight]), { pageCount: 0 });
  await executor.dispose();
  assert.deepEqual(notes, [
    'Q4_0 weights are widened to F32 (1 tensor), for which there is no kernel: they take 2.0 kB instead of 0.3 kB, and as much longer to read for each token.',
  ]);
});

void test('options that make no sense are refused', () => {
  for (const threads of [0, -1, 1.5, 1000])
    assert.throws(() => createCpuBackend({ threads }), { code: 'bad-argument' });
});

async function withExecutor(threads: number, body: (executor: Executor) => Promise<void>): Promise<void> {
  const source = tinyWeights();
  const program = buildProgram(source.head, { activations: 'q8' });
  const executor = await createCpuBackend({ threads }).load(program, source, { pageCount: 3 });
  try {
    await body(executor);
  } finally {
    await executor.dispose();
  }
}

/** Tokens of one sequence from a position on; the last one's successor is sampled. */
function batchOf(tokens: readonly number[], position: number): Batch {
  return {
    sequences: new Int32Array(tokens.length),
    positions: Int32Array.from(tokens, (_, i) => position + i),
    pages: [[0, 1]],
    outputEntries: Int32Array.of(tokens.length - 1),
    sampling: [GREEDY],
    inputs: { tokens: Int32Array.from(tokens) },
  };
}

void test('the memory estimate knows how keys and values are kept', async () => {
  const source = tinyWeights();
  const program = buildProgram(source.head, { activations: 'q8' });
  const [f16, q8] = (['f16', 'q8'] as const).map((kvType) => {
    const { estimateBytes } = createCpuBackend({ threads: 1, kvType });
    const bytes = (pageCount: number) => estimateBytes(program, { pageCount, pageTokens: 64 });
    return (bytes(3) - bytes(0)) / 3;
  });
  const values = program.state.reduce((sum, { kvHeads, headDim }) => sum + 2 * 64 * kvHeads * headDim, 0);
  const scales = program.state.reduce(
    (sum, { kvHeads, headDim }) => sum + 2 * 64 * kvHeads * Math.ceil(headDim / 32),
    0,
  );
  assert.deepEqual([f16, q8], [2 * values, values + 4 * scales]);
  assert.throws(() => createCpuBackend({ kvType: 'q4' as 'q8' }), { code: 'bad-argument' });
});
