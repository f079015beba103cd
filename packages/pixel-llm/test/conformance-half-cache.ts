/** Attention cases for devices that keep keys and values in f16: given such as f16 holds exactly, so that the tolerance can be that of f32 sums. */
import assert from 'node:assert/strict';
import { createReferenceBackend } from '../src/backends/reference/backend.ts';
import { floatToHalf, HALF_TO_FLOAT } from '../src/gguf/half.ts';
import { type ConformanceCase, PAGE_TOKENS } from './conformance-case.ts';
import { memoryWeights } from './conformance-weights.ts';

/** Attention with keys and values rounded to f16, and what the reference makes of them. */
export async function withHalfCache(original: ConformanceCase): Promise<ConformanceCase> {
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
