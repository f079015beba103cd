/** The device `gpu` on whole models, by the rules of goldens/README.md for f32 activations: within 0.01 of exact, and the exact text. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Executor } from '../src/backends/types.ts';
import { createGpuBackend, type GpuOptions } from '../src/backends/webgpu/backend.ts';
import { testDevice } from '../src/backends/webgpu/testing.ts';
import { openGgufFile } from '../src/gguf/node.ts';
import { buildProgram } from '../src/program/build-program.ts';
import { createGgufWeights } from '../src/pxi/gguf-weights.ts';
import { golden, goldenTest } from './goldens.ts';
import { GREEDY } from './sampling-settings.ts';

type Scored = readonly (readonly [token: number, value: number])[];

interface GoldenModel {
  readonly prompt: readonly number[];
  readonly exact_top16_ln_p_at_each_position: readonly Scored[];
  readonly exact_ln_p_after_prompt: readonly number[];
  readonly exact_greedy_token_and_margin_in_nats: Scored;
}

/** Rules for f32 and f16 activations, in nats. */
const TOLERANCE = 0.01;
const LEAST_MARGIN = 0.02;
const COMPARED_ABOVE = Math.log(0.0001);

const LLAMA_TYPES = 'BF16 F16 F32 Q2_K Q3_K Q4_0 Q4_1 Q4_K Q5_0 Q5_1 Q5_K Q6_K Q8_0'.split(' ');
const QWEN_TYPES = 'F16 Q4_0 Q4_K Q8_0'.split(' ');
const NAMES = [
  'TinyStories-656K-Q8_0',
  ...LLAMA_TYPES.map((type) => `random-llama-${type}`),
  ...QWEN_TYPES.flatMap((type) => [`random-qwen2-${type}`, `random-qwen3-${type}`]),
];

/** One test a model: all, or those named (with PIXEL_FULL all). */
export function testGpuGoldenModels(driver: string, some: readonly string[] = NAMES, options: GpuOptions = {}): void {
  for (const name of process.env.PIXEL_FULL === '1' ? NAMES : some) {
    const title = `gpu (${driver}) gives the exact probabilities and greedy text of ${name}, within the rules`;
    goldenTest(title, async (context) => {
      const device = await testDevice(context);
      if (!device) return;
      const backend = await createGpuBackend({ ...options, device });
      const source = createGgufWeights(await openGgufFile(golden(`models/${name}.gguf`)));
      const model = JSON.parse(readFileSync(golden(`models/${name}.json`), 'utf8')) as GoldenModel;
      const executor = await backend.load(buildProgram(source.head), source, { pageCount: 2 });
      try {
        checkProbabilities(await promptLogProbabilities(executor, model.prompt), model, name);
        await checkGreedyText(executor, model, name);
      } finally {
        await executor.dispose();
        await source.dispose();
      }
    });
  }
}

/** ln p of every token after each position of the prompt. */
async function promptLogProbabilities(executor: Executor, prompt: readonly number[]): Promise<number[][]> {
  const entries = Int32Array.from(prompt.keys());
  const { values } = await executor.step(
    {
      sequences: new Int32Array(prompt.length),
      positions: entries,
      pages: [[1, 0]],
      outputEntries: entries,
      inputs: { tokens: Int32Array.from(prompt) },
    },
    { readBack: ['logits'] },
  );
  const logits = values.get('logits');
  assert.ok(logits);
  const { vocab } = executor.program;
  return prompt.map((_, position) => {
    const row = Array.from(logits.subarray(position * vocab, (position + 1) * vocab));
    const total = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0));
    return row.map((logit) => logit - total);
  });
}

function checkProbabilities(found: readonly number[][], model: GoldenModel, name: string): void {
  const last = found.length - 1;
  const pairs = [
    ...model.exact_top16_ln_p_at_each_position.flatMap((top, position) =>
      top.map(([token, exact]) => ({ position, token, exact })),
    ),
    ...model.exact_ln_p_after_prompt.map((exact, token) => ({ position: last, token, exact })),
  ];
  for (const { position, token, exact } of pairs) {
    if (exact <= COMPARED_ABOVE) continue;
    const distance = Math.abs((found[position]?.[token] ?? Number.NaN) - exact);
    assert.ok(distance <= TOLERANCE, `${name}: ln p of token ${token} at ${position} is ${distance} from exact`);
  }
}

/** Sampled on the GPU. Feeds the exact text, so that a near tie that went the other way does not end the comparison. */
async function checkGreedyText(executor: Executor, model: GoldenModel, name: string): Promise<void> {
  let previous = model.prompt.at(-1) ?? 0;
  for (const [step, [exactToken, margin]] of model.exact_greedy_token_and_margin_in_nats.entries()) {
    const { sampled } = await executor.step({
      sequences: Int32Array.of(0),
      positions: Int32Array.of(model.prompt.length - 1 + step),
      pages: [[1, 0]],
      outputEntries: Int32Array.of(0),
      sampling: [{ ...GREEDY, topLogprobs: 2 }],
      inputs: { tokens: Int32Array.of(previous) },
    });
    const [choice] = sampled;
    assert.ok(choice);
    if (margin >= LEAST_MARGIN) assert.equal(choice.token, exactToken, `${name}: greedy step ${step}`);
    const found = (choice.top[0]?.[1] ?? 0) - (choice.top[1]?.[1] ?? 0);
    assert.ok(Math.abs(found - margin) <= LEAST_MARGIN, `${name}: margin of step ${step} is ${found}, exact ${margin}`);
    previous = exactToken;
  }
}
