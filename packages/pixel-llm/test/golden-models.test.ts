/**
 * The reference executor against two oracles that nobody here wrote: an exact forward pass, and llama.cpp with its 8-bit activations
 * (goldens/README.md has the rules). From GGUF bytes to probabilities: every layer below has to be right.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { selectBackend } from '../src/backends/select.ts';
import type { Executor, SamplingSettings } from '../src/backends/types.ts';
import { openGgufFile } from '../src/gguf/node.ts';
import { buildProgram } from '../src/program/build-program.ts';
import type { ActivationMode } from '../src/program/program.ts';
import { createGgufWeights } from '../src/pxi/gguf-weights.ts';
import { golden, goldenTest } from './goldens.ts';
import { GREEDY } from './sampling-settings.ts';

type Scored = readonly (readonly [token: number, value: number])[];

interface GoldenModel {
  readonly prompt: readonly number[];
  readonly exact_top16_ln_p_at_each_position: readonly Scored[];
  readonly exact_ln_p_after_prompt: readonly number[];
  readonly exact_greedy_token_and_margin_in_nats: Scored;
  readonly llama_cpp_distance_from_exact: { readonly max_abs_d_ln_p: number; readonly mean_abs_d_ln_p: number };
}

/** Rules for `reference`, in nats. */
const TOLERANCE = 0.001;
const LEAST_MARGIN = 0.002;
const COMPARED_ABOVE = Math.log(0.0001);

const BEST_TWO: SamplingSettings = { ...GREEDY, topLogprobs: 2 };

const LLAMA_TYPES = 'BF16 F16 F32 Q2_K Q3_K Q4_0 Q4_1 Q4_K Q5_0 Q5_1 Q5_K Q6_K Q8_0'.split(' ');
const QWEN_TYPES = 'F16 Q4_0 Q4_K Q8_0'.split(' ');
const names = [
  'TinyStories-656K-Q8_0',
  ...LLAMA_TYPES.map((type) => `random-llama-${type}`),
  ...QWEN_TYPES.flatMap((type) => [`random-qwen2-${type}`, `random-qwen3-${type}`]),
];

for (const name of names) {
  goldenTest(`the reference gives the exact probabilities and greedy text of ${name}`, async () => {
    await withModel(name, 'f32', async (executor, model) => {
      const logProbabilities = await promptLogProbabilities(executor, model.prompt);
      checkTopTokens(logProbabilities, model);
      checkAllTokens(logProbabilities.at(-1) ?? [], model);
      await checkGreedyText(executor, model);
    });
  });
}

/**
 * The rule for 8-bit activations, over all quantized models together. A single model has few, correlated positions, on which the
 * rounding is luck: the same scheme with the scale in f16 instead of f32 moves TinyStories' mean by half.
 */
goldenTest("8-bit activations stray from exact by no more than llama.cpp's", async () => {
  const ratios: number[] = [];
  for (const name of names.filter((candidate) => !/F32|F16/.test(candidate))) {
    await withModel(name, 'q8', async (executor, model) => {
      const logProbabilities = await promptLogProbabilities(executor, model.prompt);
      const distances = model.exact_top16_ln_p_at_each_position.flatMap((top, position) =>
        top.slice(0, 4).map(([token, exact]) => Math.abs(logProbabilities[position]![token]! - exact)),
      );
      const mean = distances.reduce((total, distance) => total + distance, 0) / distances.length;
      const theirs = model.llama_cpp_distance_from_exact;
      assert.ok(mean > 1e-5, `${name}: the activations are rounded at all`);
      assert.ok(mean < 3 * theirs.mean_abs_d_ln_p, `${name}: mean ${mean}, llama.cpp ${theirs.mean_abs_d_ln_p}`);
      assert.ok(Math.max(...distances) < 3 * theirs.max_abs_d_ln_p, `${name}: largest ${Math.max(...distances)}`);
      ratios.push(mean / theirs.mean_abs_d_ln_p);
    });
  }
  assert.equal(ratios.length, 17);
  const ratio = ratios.reduce((total, one) => total + one, 0) / ratios.length;
  assert.ok(ratio < 1.1, `mean of the models' ratios: ${ratio}`);
});

async function withModel(
  name: string,
  activations: ActivationMode,
  body: (executor: Executor, model: GoldenModel) => Promise<void>,
): Promise<void> {
  const source = createGgufWeights(await openGgufFile(golden(`models/${name}.gguf`)));
  const backend = await selectBackend('reference');
  const executor = await backend.load(buildProgram(source.head, { activations }), source, { pageCount: 2 });
  try {
    await body(executor, JSON.parse(readFileSync(golden(`models/${name}.json`), 'utf8')) as GoldenModel);
  } finally {
    await executor.dispose();
    await source.dispose();
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

function checkTopTokens(logProbabilities: number[][], model: GoldenModel): void {
  assert.equal(model.exact_top16_ln_p_at_each_position.length, logProbabilities.length);
  for (const [position, top] of model.exact_top16_ln_p_at_each_position.entries()) {
    for (const [token, exact] of top) {
      if (exact > COMPARED_ABOVE)
        checkClose(logProbabilities[position]?.[token], exact, `token ${token} at ${position}`);
    }
  }
}

function checkAllTokens(logProbabilities: number[], model: GoldenModel): void {
  assert.equal(model.exact_ln_p_after_prompt.length, logProbabilities.length);
  for (const [token, exact] of model.exact_ln_p_after_prompt.entries()) {
    if (exact > COMPARED_ABOVE) checkClose(logProbabilities[token], exact, `token ${token} after the prompt`);
  }
}

/** Feeds the exact text, so that a near tie that went the other way does not end the comparison. */
async function checkGreedyText(executor: Executor, model: GoldenModel): Promise<void> {
  const steps = model.exact_greedy_token_and_margin_in_nats;
  assert.equal(steps.length, 48);
  let previous = model.prompt.at(-1) ?? 0;
  for (const [step, [exactToken, margin]] of steps.entries()) {
    const { sampled } = await executor.step({
      sequences: Int32Array.of(0),
      positions: Int32Array.of(model.prompt.length - 1 + step),
      pages: [[1, 0]],
      outputEntries: Int32Array.of(0),
      sampling: [BEST_TWO],
      inputs: { tokens: Int32Array.of(previous) },
    });
    const [choice] = sampled;
    assert.ok(choice);
    if (margin >= LEAST_MARGIN) assert.equal(choice.token, exactToken, `greedy step ${step}`);
    checkClose((choice.top[0]?.[1] ?? 0) - (choice.top[1]?.[1] ?? 0), margin, `margin of step ${step}`, LEAST_MARGIN);
    previous = exactToken;
  }
}

function checkClose(actual: number | undefined, exact: number, what: string, tolerance: number = TOLERANCE): void {
  assert.ok(Math.abs((actual ?? Number.NaN) - exact) <= tolerance, `ln p of ${what}: ${actual}, exact ${exact}`);
}
