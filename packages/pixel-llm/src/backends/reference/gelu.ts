/** GELU in its tanh form (arXiv 1606.08415, section 2), alone and as the gate of a product (GEGLU, arXiv 2002.05202). */

/** x -> 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) */
export function gelu(x: Float32Array): Float32Array {
  return x.map(geluOf);
}

/** gate, up (same shape) -> gelu(gate) x up */
export function gatedGelu(gate: Float32Array, up: Float32Array): Float32Array {
  return gate.map((value, i) => geluOf(value) * up[i]!);
}

function geluOf(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}
