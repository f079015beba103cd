/** Layer norm (arXiv 1607.06450): mean 0 and variance 1, then a gain and a bias. */
import type { NormAttributes } from '../../program/program.ts';

/** x [T, n], gain [size], bias [size], where size divides n -> [T, n]. The variance is taken in a second pass, from the mean. */
export function layerNorm(
  x: Float32Array,
  gain: Float32Array,
  bias: Float32Array,
  { epsilon, size }: NormAttributes,
): Float32Array {
  const out = new Float32Array(x.length);
  for (let start = 0; start < x.length; start += size) {
    let sum = 0;
    for (let i = 0; i < size; i++) sum += x[start + i]!;
    const mean = sum / size;
    let squares = 0;
    for (let i = 0; i < size; i++) squares += (x[start + i]! - mean) ** 2;
    const factor = 1 / Math.sqrt(squares / size + epsilon);
    for (let i = 0; i < size; i++) out[start + i] = (x[start + i]! - mean) * factor * gain[i]! + bias[i]!;
  }
  return out;
}
