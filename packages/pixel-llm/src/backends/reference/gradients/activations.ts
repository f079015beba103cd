/** Gradients of the ops that work value by value or row by row, and of the loss. */
import { logSumExp } from '../softmax.ts';

/** silu'(x) = s + x s (1 - s), with s = 1 / (1 + e^-x) */
export function siluSlope(x: number): number {
  const s = 1 / (1 + Math.exp(-x));
  return s + x * s * (1 - s);
}

/** With t = tanh(u), u = sqrt(2 / pi) (x + 0.044715 x^3): gelu'(x) = (1 + t) / 2 + x (1 - t^2) u' / 2 */
export function geluSlope(x: number): number {
  const root = Math.sqrt(2 / Math.PI);
  const t = Math.tanh(root * (x + 0.044715 * x ** 3));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * root * (1 + 3 * 0.044715 * x * x);
}

/** x, d -> d x slope(x) */
export function activationGradient(slope: (x: number) => number, x: Float32Array, d: Float32Array): Float32Array {
  return x.map((value, i) => slope(value) * d[i]!);
}

/** gate, up, d -> the gradient of gate */
export function gateGradient(
  slope: (x: number) => number,
  gate: Float32Array,
  up: Float32Array,
  d: Float32Array,
): Float32Array {
  return gate.map((value, i) => slope(value) * up[i]! * d[i]!);
}

/** y (a softmax's result), d [T, n] -> y x (d - sum(y x d)) */
export function softmaxGradient(y: Float32Array, d: Float32Array, n: number): Float32Array {
  const out = new Float32Array(y.length);
  for (let start = 0; start < y.length; start += n) {
    let along = 0;
    for (let i = start; i < start + n; i++) along += y[i]! * d[i]!;
    for (let i = start; i < start + n; i++) out[i] = y[i]! * (d[i]! - along);
  }
  return out;
}

/** logits [T, vocab], targets [T], d [T] -> [T, vocab]; targets are in the vocabulary, as crossEntropy has seen to. */
export function crossEntropyGradient(
  logits: Float32Array,
  targets: Int32Array,
  d: Float32Array,
  vocab: number,
): Float32Array {
  const out = new Float32Array(logits.length);
  targets.forEach((target, row) => {
    if (target === -1) return;
    const values = logits.subarray(row * vocab, (row + 1) * vocab);
    const total = logSumExp(values);
    values.forEach((value, token) => {
      out[row * vocab + token] = d[row]! * (Math.exp(value - total) - (token === target ? 1 : 0));
    });
  });
  return out;
}

/** x [T, n] -> [T, count] */
export function takeColumns(x: Float32Array, n: number, from: number, count: number): Float32Array {
  const out = new Float32Array((x.length / n) * count);
  for (let row = 0; row < x.length / n; row++) out.set(x.subarray(row * n + from, row * n + from + count), row * count);
  return out;
}
