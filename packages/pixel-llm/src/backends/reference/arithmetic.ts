/** The ops that need no explanation: sum, product and multiple, value by value. */

/** a, b (same shape) -> a + b */
export function add(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, i) => value + b[i]!);
}

/** a, b (same shape) -> a x b */
export function mul(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, i) => value * b[i]!);
}

/** x -> factor x x */
export function scale(x: Float32Array, factor: number): Float32Array {
  return x.map((value) => value * factor);
}
