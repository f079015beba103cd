/** Embedding: the table's rows of the given ids. */
import { PixelError } from '../../core/errors.ts';

/** ids [T], table [vocab, dim] -> [T, dim]. Throws `bad-argument` for an id outside the table, before it reads anything. */
export function embed(ids: Int32Array, table: Float32Array, dim: number): Float32Array {
  const vocab = table.length / dim;
  const stray = ids.find((id) => id < 0 || id >= vocab);
  if (stray !== undefined) {
    throw new PixelError('bad-argument', `Token ${stray} is not in the vocabulary of ${vocab} tokens.`);
  }
  const out = new Float32Array(ids.length * dim);
  ids.forEach((id, row) => {
    out.set(table.subarray(id * dim, (id + 1) * dim), row * dim);
  });
  return out;
}
