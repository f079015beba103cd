/**
 * How fast the device `cpu` runs a model: `node bench/cpu.ts [--shape qwen2.5-0.5b] [--types Q8_0,Q4_0] [--threads 1,2] [--rounds 5]`.
 * Models of random weights are made once, in .cache/. Decoding and prompts, tokens a second; weights a second against what one
 * thread reads from memory in order. First the check: two threads give the bits of one.
 */
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { Batch, Executor } from '../packages/pixel-llm/src/backends/types.ts';
import { createCpuBackend } from '../packages/pixel-llm/src/backends/wasm/backend.ts';
import '../packages/pixel-llm/src/backends/wasm/node.ts';
import { openGgufFile } from '../packages/pixel-llm/src/gguf/node.ts';
import { buildProgram } from '../packages/pixel-llm/src/program/build-program.ts';
import { createGgufWeights } from '../packages/pixel-llm/src/pxi/gguf-weights.ts';
import { cachedModel } from './cached-model.ts';
import { interleave, printTable, type ResultRow, rounded, saveResults } from './harness.ts';

const { values: options } = parseArgs({
  options: {
    shape: { type: 'string', default: 'qwen2.5-0.5b' },
    types: { type: 'string', default: 'Q8_0,Q4_0,Q4_K,Q6_K' },
    threads: { type: 'string', default: `1,${availableParallelism()}` },
    rounds: { type: 'string', default: '5' },
  },
});
const DECODED = 8;
const PROMPT = 128;
const SEQUENCES = 8;
const PAGES = 3 * SEQUENCES;
const threadCounts = options.threads.split(',').map(Number);

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
  topLogprobs: 0,
};

const READ_WORDS = 12_500_000;
const memory = new Float64Array(READ_WORDS).fill(1);

const rows: ResultRow[] = [];
for (const type of options.types.split(',')) rows.push(...(await measure(type)));
printTable(rows);
console.log(await saveResults('cpu', rows));

/** All thread counts of one type in turns. */
async function measure(type: string): Promise<ResultRow[]> {
  const path = await cachedModel(options.shape, type);
  const loaded = new Map<number, { executor: Executor; seconds: number; weights: number }>();
  for (const threads of threadCounts) loaded.set(threads, await load(path, threads));
  const executors = [...loaded.values()].map(({ executor }) => executor);
  await checkSameBits(executors);
  const cases: Record<string, () => Promise<void>> = { read: async () => void readInOrder() };
  for (const [threads, { executor }] of loaded) {
    cases[`decode ${threads}`] = () => decode(executor, 1);
    cases[`together ${threads}`] = () => decode(executor, SEQUENCES);
    cases[`prompt ${threads}`] = async () => void (await executor.step(promptOf(PROMPT)));
  }
  const seconds = await interleave(cases, { rounds: Number(options.rounds) });
  const result = [...loaded].map(([threads, { seconds: loadSeconds, weights }]): ResultRow => {
    const decodeTokens = DECODED / seconds[`decode ${threads}`]!;
    return {
      what: `${options.shape} ${type}, ${threads} thread(s)`,
      rates: {
        decodeTokensPerS: rounded(decodeTokens),
        decode8TokensPerS: rounded((SEQUENCES * DECODED) / seconds[`together ${threads}`]!),
        prompt128TokensPerS: rounded(PROMPT / seconds[`prompt ${threads}`]!),
        decodeGweightsPerS: rounded((decodeTokens * weights) / 1e9),
        readGBps: rounded((READ_WORDS * 8) / seconds.read! / 1e9),
        loadS: rounded(loadSeconds),
      },
    };
  });
  for (const executor of executors) await executor.dispose();
  return result;
}

/** weights: how many one token meets. */
async function load(path: string, threads: number): Promise<{ executor: Executor; seconds: number; weights: number }> {
  const source = createGgufWeights(await openGgufFile(path));
  const begun = performance.now();
  const program = buildProgram(source.head, { activations: 'q8' });
  const executor = await createCpuBackend({ threads }).load(program, source, { pageCount: PAGES });
  const seconds = (performance.now() - begun) / 1000;
  await source.dispose();
  const used = new Set(program.ops.flatMap((op) => (op.op === 'matmul' ? [op.weights[0]] : [])));
  const matrices = program.weights.filter(({ name }) => used.has(name));
  const weights = matrices.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
  return { executor, seconds, weights };
}

async function checkSameBits(executors: readonly Executor[]): Promise<void> {
  const logits = await Promise.all(executors.map((executor) => executor.step(promptOf(5), { readBack: ['logits'] })));
  for (const { values } of logits) assert.deepEqual(values.get('logits'), logits[0]!.values.get('logits'));
}

async function decode(executor: Executor, sequences: number): Promise<void> {
  for (let step = 0; step < DECODED; step++) {
    await executor.step(batchOf(Array.from({ length: sequences }, (_, sequence) => [sequence, 64 + step])));
  }
}

function promptOf(tokens: number): Batch {
  const batch = batchOf(Array.from({ length: tokens }, (_, position) => [0, position]));
  return { ...batch, outputEntries: Int32Array.of(tokens - 1), sampling: batch.sampling!.slice(0, 1) };
}

function batchOf(entries: readonly (readonly [sequence: number, position: number])[]): Batch {
  return {
    sequences: Int32Array.from(entries, ([sequence]) => sequence),
    positions: Int32Array.from(entries, ([, position]) => position),
    pages: Array.from({ length: SEQUENCES }, (_, sequence) => [0, 1, 2].map((page) => 3 * sequence + page)),
    outputEntries: Int32Array.from(entries.keys()),
    sampling: entries.map(() => GREEDY),
    inputs: { tokens: Int32Array.from(entries, ([, position]) => 1000 + 17 * position) },
  };
}

/** 100 MB, eight bytes at a time, four sums. */
function readInOrder(): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0; i < READ_WORDS; i += 4) {
    a += memory[i]!;
    b += memory[i + 1]!;
    c += memory[i + 2]!;
    d += memory[i + 3]!;
  }
  return a + b + c + d;
}
