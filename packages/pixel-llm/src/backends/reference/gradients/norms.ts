/**
 * Gradients of the norms, a group of `size` values at a time. With n the normalized values and g = d x gain, the input gets
 * (g - n mean(g n)) / root for the RMS norm, and (g - mean(g) - n mean(g n)) / root for the layer norm; the gain gets the sum of d n.
 */
import type { NormAttributes } from '../../../program/program.ts';

type Kind = 'rms' | 'layer';

/** x, d [T, n], gain [size] -> [T, n] */
export function normGradientInput(
  kind: Kind,
  x: Float32Array,
  d: Float32Array,
  gain: Float32Array,
  { epsilon, size }: NormAttributes,
): Float32Array {
  const out = new Float32Array(x.length);
  for (let start = 0; start < x.length; start += size) {
    const { normalized, root } = normalize(kind, x, start, size, epsilon);
    const g = Float64Array.from(normalized, (_, i) => d[start + i]! * gain[i]!);
    const mean = kind === 'layer' ? meanOf(g) : 0;
    const along = meanOf(g.map((value, i) => value * normalized[i]!));
    g.forEach((value, i) => {
      out[start + i] = (value - mean - normalized[i]! * along) / root;
    });
  }
  return out;
}

/** x, d [T, n] -> [size] */
export function normGradientGain(
  kind: Kind,
  x: Float32Array,
  d: Float32Array,
  { epsilon, size }: NormAttributes,
): Float32Array {
  const sums = new Float64Array(size);
  for (let start = 0; start < x.length; start += size) {
    normalize(kind, x, start, size, epsilon).normalized.forEach((value, i) => {
      sums[i]! += value * d[start + i]!;
    });
  }
  return Float32Array.from(sums);
}

function normalize(kind: Kind, x: Float32Array, start: number, size: number, epsilon: number) {
  const group = Float64Array.from(x.subarray(start, start + size));
  const mean = kind === 'layer' ? meanOf(group) : 0;
  const centred = group.map((value) => value - mean);
  const root = Math.sqrt(meanOf(centred.map((value) => value ** 2)) + epsilon);
  return { normalized: centred.map((value) => value / root), root };
}

function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
