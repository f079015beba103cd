/** Softmax over the last dimension, and the log-sum-exp that it, cross-entropy and sampling share. */

/** x [T, n] -> [T, n] */
export function softmax(x: Float32Array, n: number): Float32Array {
  const out = new Float32Array(x.length);
  for (let start = 0; start < x.length; start += n) {
    const row = x.subarray(start, start + n);
    const total = logSumExp(row);
    for (let i = 0; i < n; i++) out[start + i] = Math.exp(row[i]! - total);
  }
  return out;
}

/** ln of the sum of e^x over all values, in f64; the largest is taken out first so that nothing overflows. -Infinity counts as nothing. */
export function logSumExp(row: Float32Array | Float64Array): number {
  let largest = -Infinity;
  for (let i = 0; i < row.length; i++) largest = Math.max(largest, row[i]!);
  if (!Number.isFinite(largest)) return largest;
  let sum = 0;
  for (let i = 0; i < row.length; i++) sum += Math.exp(row[i]! - largest);
  return largest + Math.log(sum);
}
