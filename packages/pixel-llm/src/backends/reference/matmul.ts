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
    for (let t = 0; t < count; t++) {
      out[t * rows + row] = dot(rounded, t * columns, matrix, row * columns, columns) + (bias?.[row] ?? 0);
    }
  }
  return out;
}

/**
 * Four sums in f64, each over every fourth column, so that the processor need not wait for one addition to begin the next. The order
 * depends on the columns alone: an entry's result never depends on its neighbours. (A subarray for each row would cost as much again.)
 */
function dot(x: Float64Array, xStart: number, matrix: Float32Array, start: number, columns: number): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let i = 0;
  for (; i + 4 <= columns; i += 4) {
    a += x[xStart + i]! * matrix[start + i]!;
    b += x[xStart + i + 1]! * matrix[start + i + 1]!;
    c += x[xStart + i + 2]! * matrix[start + i + 2]!;
    d += x[xStart + i + 3]! * matrix[start + i + 3]!;
  }
  for (; i < columns; i++) a += x[xStart + i]! * matrix[start + i]!;
  return a + b + (c + d);
}
