/**
 * The invariant of the device `cpu`: an entry's result has the same bits whatever else is in the batch and however many threads run.
 * Texts are fed in random pieces, interleaved at random, and compared with the same texts fed token by token on one thread.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { golden, goldenTest } from '../../../test/goldens.ts';
import { tinyWeights } from '../../../test/tiny-model.ts';
import { openGgufFile } from '../../gguf/node.ts';
import { buildProgram } from '../../program/build-program.ts';
import { createGgufWeights } from '../../pxi/gguf-weights.ts';
import type { WeightSource } from '../../pxi/weight-source.ts';
import type { Executor, KvType } from '../types.ts';
import { createCpuBackend } from './backend.ts';
import type { KernelBuild } from './kernel-module.ts';
import './node.ts';

const LENGTH = 21;
const PAGE_TOKENS = 8;
/** Pages in no order, a list for each sequence. */
const PAGES = [
  [4, 0, 7],
  [1, 6, 3],
];
const RUNS = process.env.PIXEL_FULL === '1' ? 100 : 6;

interface Piece {
  readonly sequence: number;
  readonly tokens: number;
}

/** A batch is one or two pieces of different sequences. */
const arbitraryOrder = fc.array(
  fc.record({ sequence: fc.integer({ min: 0, max: 1 }), tokens: fc.integer({ min: 1, max: 9 }), alone: fc.boolean() }),
  { minLength: 30, maxLength: 30 },
);

void test('keys and values in 8 bits give the same bits in any batches, on 1 to 3 threads', async () => {
  await checkModel(async () => tinyWeights(), [1, 2, 3], 'relaxed', 'q8');
});

void test('an F32 model gives the same bits in any batches, on 1 to 4 threads', async () => {
  await checkModel(async () => tinyWeights(), [1, 2, 3, 4], 'relaxed');
});

for (const type of ['Q4_0', 'Q5_1', 'Q6_K', 'Q4_K', 'Q8_0', 'F16']) {
  goldenTest(`${type} weights give the same bits in any batches, on several threads`, async () => {
    const open = async () => createGgufWeights(await openGgufFile(golden(`models/random-llama-${type}.gguf`)));
    await checkModel(open, [1, 2, 3], 'relaxed');
    await checkModel(open, [1, 2], 'plain');
  });
}

async function checkModel(
  open: () => Promise<WeightSource>,
  threads: readonly number[],
  build: KernelBuild,
  kvType: KvType = 'f16',
): Promise<void> {
  const executors = await Promise.all(threads.map((count) => load(open, count, build, kvType)));
  try {
    const texts = [0, 1].map((sequence) => Int32Array.from({ length: LENGTH }, (_, i) => (i * 7 + sequence * 31) % 60));
    const expected = await run(executors[0]!, texts, oneByOne());
    for (const executor of executors) {
      const property = fc.asyncProperty(arbitraryOrder, async (order) => {
        const found = await run(executor, texts, batchesOf(order));
        assert.deepEqual(found, expected);
      });
      await fc.assert(property, { numRuns: RUNS, seed: 3 });
    }
  } finally {
    for (const executor of executors) await executor.dispose();
  }
}

async function load(
  open: () => Promise<WeightSource>,
  threads: number,
  build: KernelBuild,
  kvType: KvType,
): Promise<Executor> {
  const source = await open();
  try {
    const program = buildProgram(source.head, { activations: 'q8' });
    return await createCpuBackend({ threads, build, kvType }).load(program, source, {
      pageCount: 8,
      pageTokens: PAGE_TOKENS,
    });
  } finally {
    await source.dispose();
  }
}

/** The logits of all positions of both texts. */
async function run(
  executor: Executor,
  texts: readonly Int32Array[],
  batches: readonly (readonly Piece[])[],
): Promise<Float32Array[]> {
  const done = texts.map(() => 0);
  const { vocab } = executor.program;
  const logits = texts.map(() => new Float32Array(LENGTH * vocab));
  for (const pieces of batches) {
    const entries = pieces.flatMap(({ sequence, tokens }) => {
      const start = done[sequence]!;
      done[sequence] = Math.min(LENGTH, start + tokens);
      return Array.from({ length: done[sequence]! - start }, (_, i) => ({ sequence, position: start + i }));
    });
    if (entries.length === 0) continue;
    const { values } = await executor.step(
      {
        sequences: Int32Array.from(entries, ({ sequence }) => sequence),
        positions: Int32Array.from(entries, ({ position }) => position),
        pages: PAGES,
        outputEntries: Int32Array.from(entries.keys()),
        inputs: { tokens: Int32Array.from(entries, ({ sequence, position }) => texts[sequence]![position]!) },
      },
      { readBack: ['logits'] },
    );
    const found = values.get('logits')!;
    for (const [row, { sequence, position }] of entries.entries()) {
      logits[sequence]!.set(found.subarray(row * vocab, (row + 1) * vocab), position * vocab);
    }
  }
  return logits;
}

function batchesOf(order: readonly (Piece & { alone: boolean })[]): Piece[][] {
  const batches = order.map((piece) =>
    piece.alone ? [piece] : [piece, { sequence: 1 - piece.sequence, tokens: 1 + (piece.tokens % 4) }],
  );
  // Whatever is left of either text.
  return [...batches, [0, 1].map((sequence) => ({ sequence, tokens: LENGTH }))];
}

function oneByOne(): Piece[][] {
  return [0, 1].flatMap((sequence) => Array.from({ length: LENGTH }, () => [{ sequence, tokens: 1 }]));
}
