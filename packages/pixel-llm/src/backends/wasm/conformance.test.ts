/**
 * The conformance table over both builds of the kernels. Attention is given keys and values such as the cache holds exactly, in f16 or
 * in 8 bits, so that the tolerance can be that of f32 sums.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conformanceCases } from '../../../test/conformance.ts';
import { type ConformanceCase, PAGE_TOKENS, relativeDifference } from '../../../test/conformance-case.ts';
import { memoryWeights } from '../../../test/conformance-weights.ts';
import { floatToHalf, HALF_TO_FLOAT } from '../../gguf/half.ts';
import { createReferenceBackend } from '../reference/backend.ts';
import { roundActivations } from '../reference/round-activations.ts';
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
        const difference = await relativeDifference(backend, await withExactCache(candidate, roundToHalves));
        const isWidened = WIDENED.includes(candidate.program.weights[0]?.type ?? '');
        const tolerance = isWidened ? WIDENED_TOLERANCE : TOLERANCE;
        assert.ok(difference <= tolerance, `${candidate.title}: relative difference ${difference}`);
      }
    });
  }
}

for (const build of ['relaxed', 'plain'] as const) {
  void test(`cpu (${build}) attends to keys and values in 8 bits as to those they stand for`, async () => {
    const backend = createCpuBackend({ build, threads: 1, kvType: 'q8' });
    for (const candidate of cases.filter(({ op }) => op === 'attention')) {
      const difference = await relativeDifference(backend, await withExactCache(candidate, roundToBytes));
      assert.ok(difference <= TOLERANCE, `${candidate.title}: relative difference ${difference}`);
    }
  });
}

/** Attention with rounded keys and values, and what the reference makes of them. */
async function withExactCache(
  original: ConformanceCase,
  round: (values: Float32Array | Int32Array, headDim: number) => Float32Array,
): Promise<ConformanceCase> {
  if (original.op !== 'attention') return original;
  const { program, weights, steps } = original;
  const { headDim } = program.state[0]!;
  const pageCount = 1 + Math.max(-1, ...steps.flatMap(({ batch }) => batch.pages.flat()));
  const reference = await createReferenceBackend().load(program, memoryWeights(weights), {
    pageCount,
    pageTokens: PAGE_TOKENS,
  });
  const rounded: ConformanceCase['steps'][number][] = [];
  for (const { batch: given } of steps) {
    const { k, v } = given.inputs;
    assert.ok(k && v);
    const batch = { ...given, inputs: { ...given.inputs, k: round(k, headDim), v: round(v, headDim) } };
    const { values } = await reference.step(batch, { readBack: ['out'] });
    rounded.push({ batch, expected: Array.from(values.get('out') ?? []) });
  }
  return { ...original, steps: rounded };
}

function roundToHalves(values: Float32Array | Int32Array): Float32Array {
  return Float32Array.from(values, (value) => HALF_TO_FLOAT[floatToHalf(value)] ?? Number.NaN);
}

/** As activations are rounded, a head at a time. */
function roundToBytes(values: Float32Array | Int32Array, headDim: number): Float32Array {
  return Float32Array.from(roundActivations(Float32Array.from(values), headDim));
}
