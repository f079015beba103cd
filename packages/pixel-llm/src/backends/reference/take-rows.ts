/** Keeps the rows whose logits are wanted, so that the last norm and the largest product run over few rows. */

/** x [tokens, n], rows [outputs] -> [outputs, n] */
export function takeRows(x: Float32Array, rows: Int32Array, n: number): Float32Array {
  const out = new Float32Array(rows.length * n);
  rows.forEach((row, i) => {
    out.set(x.subarray(row * n, (row + 1) * n), i * n);
  });
  return out;
}
