/** Gradients of the ops that read large weights: products, embedding. Sums in f64, over the entries in order. */
import { PixelError } from '../../../core/errors.ts';

/** d [T, rows], matrix [rows, columns] -> [T, columns] */
export function matmulGradientInput(
  d: Float32Array,
  matrix: Float32Array,
  rows: number,
  columns: number,
): Float32Array {
  const count = d.length / rows;
  const out = new Float32Array(count * columns);
  const sums = new Float64Array(columns);
  for (let t = 0; t < count; t++) {
    sums.fill(0);
    for (let row = 0; row < rows; row++) {
      const factor = d[t * rows + row]!;
      for (let i = 0; i < columns; i++) sums[i]! += factor * matrix[row * columns + i]!;
    }
    out.set(sums, t * columns);
  }
  return out;
}

/** d [T, rows], x [T, columns] -> [rows, columns] */
export function matmulGradientMatrix(d: Float32Array, x: Float32Array, rows: number, columns: number): Float32Array {
  const sums = new Float64Array(rows * columns);
  for (let t = 0; t < d.length / rows; t++) {
    for (let row = 0; row < rows; row++) {
      const factor = d[t * rows + row]!;
      for (let i = 0; i < columns; i++) sums[row * columns + i]! += factor * x[t * columns + i]!;
    }
  }
  return Float32Array.from(sums);
}

/** d [T, n] -> [n]: the sum of its rows, or of all groups of n values */
export function sumRows(d: Float32Array, n: number): Float32Array {
  const sums = new Float64Array(n);
  for (let i = 0; i < d.length; i++) sums[i % n]! += d[i]!;
  return Float32Array.from(sums);
}

/** ids [T], d [T, dim] -> [vocab, dim]. Throws `bad-argument` for an id outside the table. */
export function embedGradient(ids: Int32Array, d: Float32Array, vocab: number, dim: number): Float32Array {
  const sums = new Float64Array(vocab * dim);
  ids.forEach((id, row) => {
    if (id < 0 || id >= vocab)
      throw new PixelError('bad-argument', `Token ${id} is not in the vocabulary of ${vocab} tokens.`);
    for (let i = 0; i < dim; i++) sums[id * dim + i]! += d[row * dim + i]!;
  });
  return Float32Array.from(sums);
}
