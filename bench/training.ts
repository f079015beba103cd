/**
 * Training on the device `cpu`: whole steps (forward, backward, AdamW, weights back to the threads) of a model of a million weights, against
 * the f32 product alone, on as many threads: `node bench/training.ts [--threads 2] [--rounds 5] [--no-save]`. The yardstick is training's own
 * blocked product of squares that fit the caches, on every thread at once. Of a step only the matrix products are counted as work, three
 * for each of the forward pass: attention, norms and the optimizer are time that does not count. First the check: the loss falls.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { supportedBuild } from '../packages/pixel-llm/src/backends/wasm/kernel-module.ts';
import '../packages/pixel-llm/src/backends/wasm/node.ts';
import { loadCpuTraining } from '../packages/pixel-llm/src/backends/wasm/training/training-executor.ts';
import { buildProgram } from '../packages/pixel-llm/src/program/build-program.ts';
import { createTokenizer } from '../packages/pixel-llm/src/tokenizer/tokenizer.ts';
import { readValues } from '../packages/pixel-llm/src/train/checkpoint.ts';
import { writeStory } from '../packages/pixel-llm/src/train/corpora/stories.ts';
import { SequenceEncoder } from '../packages/pixel-llm/src/train/data-file.ts';
import { differentiate } from '../packages/pixel-llm/src/train/differentiate.ts';
import { Lessons } from '../packages/pixel-llm/src/train/lessons.ts';
import { newModel } from '../packages/pixel-llm/src/train/new-model.ts';
import { trainTokenizer } from '../packages/pixel-llm/src/train/tokenizer-training.ts';
import { Trainer } from '../packages/pixel-llm/src/train/trainer.ts';
import { interleave, printTable, type ResultRow, rounded, saveResults } from './harness.ts';

const { values: options } = parseArgs({
  options: {
    threads: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '5' },
    'no-save': { type: 'boolean' },
  },
});
const THREADS = Number(options.threads);
const SIZE = 512;
const PRODUCTS = 20;
const TARGET = 0.35;

const stories = Array.from({ length: 2000 }, (_, example) => ({ text: writeStory(1, example) }));
const tokenizer = await trainTokenizer(
  stories.map(({ text }) => text),
  { vocabulary: 512, preTokenizer: 'gpt-2' },
);
const shape = { name: 'bench', dim: 128, layers: 5, heads: 4, kvHeads: 2, hidden: 352, contextLength: 512 };
const base = newModel(shape, tokenizer, 1);
const forward = buildProgram(base.head);
const program = differentiate(forward);
const weightCount = [...base.head.tensors.values()].reduce((sum, { dimensions }) => sum + product(dimensions), 0);
/** Multiply-adds of the forward pass's products, a token. */
const multiplyAdds = forward.ops
  .filter(({ op }) => op === 'matmul')
  .reduce((sum, { weights }) => sum + product(forward.weights.find(({ name }) => name === weights[0])!.shape), 0);

const executor = await loadCpuTraining({ threads: THREADS })(program, base);
const weights = new Map<string, Float32Array<ArrayBuffer>>();
for (const { weight } of program.gradients) weights.set(weight, await readValues(base, weight));
const trainer = new Trainer(
  executor,
  { weights },
  { schedule: { peak: 0.003, warmUpSteps: 1, steps: 1000, finalShare: 1 } },
);
await trainer.restore();
const encoder = new SequenceEncoder(createTokenizer(base.head.metadata), base.head.metadata);
const lessons = new Lessons(
  stories.map((story) => encoder.encode(story)),
  { seed: 1, stepTokens: 8192, batchTokens: 1024, heldOut: 0 },
);

const losses: number[] = [];
let tokens = 0;
const step = async () => {
  const batches = lessons.batches(trainer.state.step + 1);
  tokens += batches.reduce((sum, { sequences }) => sum + sequences.length, 0);
  losses.push((await trainer.learn(batches)).loss);
};

const compiled = new WebAssembly.Module(
  readFileSync(new URL(`../packages/pixel-llm/src/backends/wasm/training-${supportedBuild()}.wasm`, import.meta.url)),
);
const workers = Array.from(
  { length: THREADS },
  () => new Worker(new URL('training-product-worker.ts', import.meta.url), { workerData: { compiled, size: SIZE } }),
);
const multiply = async () => {
  const answers = workers.map(
    (worker) =>
      new Promise((resolve, reject) => {
        worker.once('message', resolve).once('error', reject);
        worker.postMessage(PRODUCTS);
      }),
  );
  for (const right of await Promise.all(answers)) assert.equal(right, true);
};

const seconds = await interleave({ step, multiply }, { rounds: Number(options.rounds) });
assert.ok(
  losses.at(-1)! < losses[0]! - 0.5,
  `the loss does not fall: ${losses.map((loss) => loss.toFixed(2)).join(' ')}`,
);
await Promise.all(workers.map((worker) => worker.terminate()));
await executor.dispose();

const stepRate = (3 * 2 * multiplyAdds * (tokens / losses.length)) / seconds.step / 1e9;
const productRate = (THREADS * PRODUCTS * 2 * SIZE ** 3) / seconds.multiply / 1e9;
const result: ResultRow = {
  what: `training, ${rounded(weightCount / 1e6)} M weights, ${THREADS} threads: whole steps / the product alone`,
  ratio: rounded(stepRate / productRate),
  target: TARGET,
  rates: {
    tokensPerSecond: Math.round(tokens / losses.length / seconds.step),
    stepGFLOPs: rounded(stepRate),
    productGFLOPs: rounded(productRate),
  },
};
printTable([result]);
if (!options['no-save']) console.log(await saveResults('training', [result]));

function product(sizes: readonly number[]): number {
  return sizes.reduce((all, size) => all * size, 1);
}
