/**
 * Where a step of the device `cpu` spends its time, op by op, on one thread: `node bench/cpu-profile.ts [--shape qwen2.5-0.5b]
 * [--type Q8_0] [--tokens 512] [--sequences 1] [--past 0]
 * [--kv-type f16] [--rounds 3] [--save]`. `tokens` is how many each sequence brings, `past` how
 * many it has already. The model of random weights is made once, in .cache/.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Batch, KvType } from '../packages/pixel-llm/src/backends/types.ts';
import { KernelModule, supportedBuild } from '../packages/pixel-llm/src/backends/wasm/kernel-module.ts';
import { loadShares } from '../packages/pixel-llm/src/backends/wasm/load-shares.ts';
import { planThreads } from '../packages/pixel-llm/src/backends/wasm/thread-plan.ts';
import { ThreadShare } from '../packages/pixel-llm/src/backends/wasm/thread-share.ts';
import { placeWeights } from '../packages/pixel-llm/src/backends/wasm/weight-placement.ts';
import { openGgufFile } from '../packages/pixel-llm/src/gguf/node.ts';
import { buildProgram } from '../packages/pixel-llm/src/program/build-program.ts';
import type { Op, Program } from '../packages/pixel-llm/src/program/program.ts';
import { createGgufWeights } from '../packages/pixel-llm/src/pxi/gguf-weights.ts';
import { cachedModel } from './cached-model.ts';
import { median, printTable, type ResultRow, rounded, saveResults } from './harness.ts';

const { values: options } = parseArgs({
  options: {
    shape: { type: 'string', default: 'qwen2.5-0.5b' },
    type: { type: 'string', default: 'Q8_0' },
    tokens: { type: 'string', default: '512' },
    sequences: { type: 'string', default: '1' },
    past: { type: 'string', default: '0' },
    'kv-type': { type: 'string', default: 'f16' },
    rounds: { type: 'string', default: '3' },
    save: { type: 'boolean' },
  },
});
const [tokens = 1, sequences = 1, past = 0, rounds = 1] = [
  options.tokens,
  options.sequences,
  options.past,
  options.rounds,
].map(Number);
const entries = tokens * sequences;
const PAGE_TOKENS = 64;
const pagesEach = Math.ceil((past + tokens) / PAGE_TOKENS);

const source = createGgufWeights(await openGgufFile(await cachedModel(options.shape, options.type)));
const program = buildProgram(source.head, { activations: 'q8' });
const plan = planThreads(program, 1);
const kernels = new URL(`../packages/pixel-llm/src/backends/wasm/kernels-${supportedBuild()}.wasm`, import.meta.url);
const module = new KernelModule(new WebAssembly.Module(readFileSync(kernels)));
const pages = { pageCount: sequences * pagesEach, pageTokens: PAGE_TOKENS, kvType: options['kv-type'] as KvType };
const share = new ThreadShare({ module, program, plan, thread: 0, pages });
await loadShares(placeWeights(program), source, [share], plan.rowCuts, {});
await source.dispose();

const batch = batchOf();
const byOp = new Map<string, number[]>();
const totals: number[] = [];
for (let round = 0; round <= rounds; round++) runOnce(round > 0);

const total = median(totals);
const madds = maddsByOp(program);
const rows: ResultRow[] = [...byOp]
  .map(([op, seconds]) => ({ op, seconds: median(seconds) }))
  .toSorted((a, b) => b.seconds - a.seconds)
  .map(({ op, seconds }) => ({
    what: `${op}`,
    ratio: rounded(seconds / total),
    rates: {
      milliseconds: rounded(1000 * seconds),
      ...(madds.has(op) && { GmaddsPerS: rounded(madds.get(op)! / seconds / 1e9) }),
    },
  }));
const what = `${options.shape} ${options.type}: ${sequences} x ${tokens} tokens after ${past}, one thread`;
printTable([{ what, rates: { milliseconds: rounded(1000 * total), tokensPerS: rounded(entries / total) } }, ...rows]);
if (options.save) {
  const named = rows.map((row) => ({ ...row, what: `${what}, ${row.what}` }));
  console.log(await saveResults(`cpu-profile-${options.type}-${sequences}x${tokens}-after-${past}`, named));
}

function runOnce(isCounted: boolean): void {
  const spent = new Map<string, number>();
  const begun = performance.now();
  share.begin(batch);
  for (const [index, step] of plan.steps.entries()) {
    const from = performance.now();
    share.run(index, batch);
    const key = step.kind === 'op' ? nameOf(step.op) : step.kind;
    spent.set(key, (spent.get(key) ?? 0) + (performance.now() - from) / 1000);
  }
  if (!isCounted) return;
  totals.push((performance.now() - begun) / 1000);
  for (const [key, seconds] of spent) byOp.set(key, [...(byOp.get(key) ?? []), seconds]);
}

/** Matrices apart by their role, layers together. */
function nameOf(op: Op): string {
  return op.op === 'matmul' ? `matmul ${op.weights[0]!.replace(/blk\.\d+\./, '')}` : op.op;
}

function maddsByOp({ ops, weights, values }: Program): Map<string, number> {
  const sums = new Map<string, number>();
  for (const op of ops) {
    let count = 0;
    if (op.op === 'matmul') {
      const [rowCount = 1, columns = 1] = weights.find(({ name }) => name === op.weights[0])!.shape;
      const isOutput = values.find(({ name }) => name === op.out)?.shape[0] === 'outputs';
      count = rowCount * columns * (isOutput ? batch.outputEntries.length : entries);
    } else if (op.op === 'attention') {
      const { heads, headDim } = op.attributes;
      for (const position of batch.positions) count += 2 * heads * headDim * (position + 1);
    } else continue;
    sums.set(nameOf(op), (sums.get(nameOf(op)) ?? 0) + count);
  }
  return sums;
}

function batchOf(): Batch {
  const list = Array.from({ length: sequences }, (_, sequence) =>
    Array.from({ length: tokens }, (_, i) => ({ sequence, position: past + i })),
  ).flat();
  return {
    sequences: Int32Array.from(list, ({ sequence }) => sequence),
    positions: Int32Array.from(list, ({ position }) => position),
    pages: Array.from({ length: sequences }, (_, sequence) =>
      Array.from({ length: pagesEach }, (_, page) => sequence * pagesEach + page),
    ),
    outputEntries: Int32Array.from({ length: sequences }, (_, sequence) => (sequence + 1) * tokens - 1),
    inputs: { tokens: Int32Array.from(list, ({ position }) => 1000 + 17 * position) },
  };
}
