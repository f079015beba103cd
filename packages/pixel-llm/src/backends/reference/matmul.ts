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
  const rounded = activations === 'q8' ? roundActivations(x, columns) : new Float64Array(x);
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

/**
 * Four sums in f64, each over every fourth column, so that the processor need not wait for one addition to begin the next. The order
 * depends on the columns alone: an entry's result never depends on its neighbours.
 */
function dot(x: Float64Array, start: number, weights: Float32Array): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  let i = 0;
  for (; i + 4 <= weights.length; i += 4) {
    a += x[start + i]! * weights[i]!;
    b += x[start + i + 1]! * weights[i + 1]!;
    c += x[start + i + 2]! * weights[i + 2]!;
    d += x[start + i + 3]! * weights[i + 3]!;
  }
  for (; i < weights.length; i++) a += x[start + i]! * weights[i]!;
  return a + b + (c + d);
}
