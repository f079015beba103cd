/** The matrix product: every row of x with every row of the matrix. Nearly all time is spent here. */
import type { ActivationMode } from '../../program/program.ts';
import { roundActivations } from './round-activations.ts';

export interface MatmulShape {
  readonly rows: number;
  readonly columns: number;
  readonly activations: ActivationMode;
}

/** x [T, columns], matrix [rows, columns], bias [rows]? -> [T, rows] */
export function matmul(
  x: Float32Array,
  matrix: Float32Array,
  bias: Float32Array | undefined,
  { rows, columns, activations }: MatmulShape,
): Float32Array {
  const rounded = activations === 'q8' ? roundActivations(x, columns) : Float64Array.from(x);
  const count = x.length / columns;
  const out = new Float32Array(count * rows);
  for (let row = 0; row < rows; row++) {
    const weights = matrix.subarray(row * columns, (row + 1) * columns);
    for (let t = 0; t < count; t++) {
      out[t * rows + row] = dot(rounded, t * columns, weights) + (bias?.[row] ?? 0);
    }
  }
  return out;
}

/** Sums in f64 from the first column to the last, so that an entry's result never depends on its neighbours. */
function dot(x: Float64Array, start: number, weights: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) sum += x[start + i]! * weights[i]!;
  return sum;
}
