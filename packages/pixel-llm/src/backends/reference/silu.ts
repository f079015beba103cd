/** SiLU, or swish (arXiv 1702.03118), alone and as the gate of a product (SwiGLU, arXiv 2002.05202). */

/** x -> x / (1 + e^-x) */
export function silu(x: Float32Array): Float32Array {
  return x.map(siluOf);
}

/** gate, up (same shape) -> silu(gate) x up */
export function gatedSilu(gate: Float32Array, up: Float32Array): Float32Array {
  return gate.map((value, i) => siluOf(value) * up[i]!);
}

function siluOf(x: number): number {
  return x / (1 + Math.exp(-x));
}
