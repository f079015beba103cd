/** Root-mean-square norm (arXiv 1910.07467), over whole rows or over each head of a row. */
import type { NormAttributes } from '../../program/program.ts';

/** x [T, n], gain [size], where size divides n -> [T, n] */
export function rmsNorm(x: Float32Array, gain: Float32Array, { epsilon, size }: NormAttributes): Float32Array {
  const out = new Float32Array(x.length);
  for (let start = 0; start < x.length; start += size) {
    let squares = 0;
    for (let i = 0; i < size; i++) squares += x[start + i]! ** 2;
    const factor = 1 / Math.sqrt(squares / size + epsilon);
    for (let i = 0; i < size; i++) out[start + i] = x[start + i]! * factor * gain[i]!;
  }
  return out;
}
