/**
 * The conformance table over both builds of the kernels. Keys and values are kept in f16: attention is given such as f16 holds exactly,
 * so that the tolerance can be that of f32 sums.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conformanceCases } from '../../../test/conformance.ts';
import { type ConformanceCase, PAGE_TOKENS, relativeDifference } from '../../../test/conformance-case.ts';
import { memoryWeights } from '../../../test/conformance-weights.ts';
import { floatToHalf, HALF_TO_FLOAT } from '../../gguf/half.ts';
import { createReferenceBackend } from '../reference/backend.ts';
import { createCpuBackend } from './backend.ts';
import './node.ts';

/** Sums in f32. */
const TOLERANCE = 2e-6;
/** Types without a kernel are widened to f16: half a unit in the last place of eleven bits. */
const WIDENED_TOLERANCE = 2 ** -11;
const WIDENED = ['Q2_K', 'IQ4_NL', 'IQ4_XS'];

const cases = conformanceCases({ exhaustive: process.env.PIXEL_FULL === '1' });

for (const build of ['relaxed', 'plain'] as const) {
  for (const op of new Set(cases.map((candidate) => candidate.op))) {
    void test(`cpu (${build}) computes ${op} as its formula says, in every shape and type`, async () => {
      const backend = createCpuBackend({ build, threads: 1 });
      for (const candidate of cases.filter((other) => other.op === op)) {
        const difference = await relativeDifference(backend, await withExactCache(candidate));
        const isWidened = WIDENED.includes(candidate.program.weights[0]?.type ?? '');
        const tolerance = isWidened ? WIDENED_TOLERANCE : TOLERANCE;
        assert.ok(difference <= tolerance, `${candidate.title}: relative difference ${difference}`);
      }
    });
  }
}

/** Attention with keys and values rounded to f16, and what the reference makes of them. */
async function withExactCache(original: ConformanceCase): Promise<ConformanceCase> {
  if (original.op !== 'attention') return original;
  const { program, weights, steps } = original;
  const pageCount = 1 + Math.max(-1, ...steps.flatMap(({ batch }) => batch.pages.flat()));
  const reference = await createReferenceBackend().load(program, memoryWeights(weights), {
    pageCount,
    pageTokens: PAGE_TOKENS,
  });
  const rounded: ConformanceCase['steps'][number][] = [];
  for (const { batch: given } of steps) {
    const { k, v } = given.inputs;
    assert.ok(k && v);
    const batch = { ...given, inputs: { ...given.inputs, k: roundToHalves(k), v: roundToHalves(v) } };
    const { values } = await reference.step(batch, { readBack: ['out'] });
    rounded.push({ batch, expected: Array.from(values.get('out') ?? []) });
  }
  return { ...original, steps: rounded };
}

function roundToHalves(values: Float32Array | Int32Array): Float32Array {
  return Float32Array.from(values, (value) => HALF_TO_FLOAT[floatToHalf(value)] ?? Number.NaN);
}
