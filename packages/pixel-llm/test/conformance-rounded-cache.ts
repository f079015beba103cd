/**
 * Attention cases for devices that keep keys and values in f16 or in 8 bits: given such as these hold exactly, so that the tolerance can
 * be that of f32 sums.
 */
import assert from 'node:assert/strict';
import { createReferenceBackend } from '../src/backends/reference/backend.ts';
import { roundActivations } from '../src/backends/reference/round-activations.ts';
import { floatToHalf, HALF_TO_FLOAT } from '../src/gguf/half.ts';
import { type ConformanceCase, PAGE_TOKENS } from './conformance-case.ts';
import { memoryWeights } from './conformance-weights.ts';

/** Attention with keys and values rounded to f16, and what the reference makes of them. */
export function withHalfCache(original: ConformanceCase): Promise<ConformanceCase> {
  return withCache(original, roundToHalves);
}

/** The same in 8 bits: as activations are rounded, a head at a time. */
export function withBytesCache(original: ConformanceCase): Promise<ConformanceCase> {
  return withCache(original, (values, headDim) =>
    Float32Array.from(roundActivations(Float32Array.from(values), headDim)),
  );
}

async function withCache(
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
