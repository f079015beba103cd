/**
 * The natural logarithm in f64 without a table: the library's keeps one in static memory, which these modules do not have (their memory
 * belongs to the caller from the first bytes on). x = 2^e m with m near 1, and ln m = 2 (s + s^3 / 3 + s^5 / 5 + ...), s = (m - 1) / (m + 1).
 */

/** For finite x > 0 that is not subnormal. Relative error below 1e-15. */
export function logarithm(x: f64): f64 {
  const bits = reinterpret<u64>(x);
  let exponent = <i32>((bits >> 52) & 0x7ff) - 1023;
  let m = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    exponent++;
  }
  const s = (m - 1) / (m + 1);
  const square = s * s;
  let sum: f64 = 0;
  for (let odd: i32 = 21; odd >= 1; odd -= 2) sum = sum * square + 1.0 / <f64>odd;
  return <f64>exponent * 0.6931471805599453 + 2 * s * sum;
}
