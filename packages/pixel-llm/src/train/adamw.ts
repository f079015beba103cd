/**
 * AdamW: Adam with weight decay apart from the gradient (arXiv 1711.05101, algorithm 2; Adam: arXiv 1412.6980). Moments are f32, each
 * update is computed in f64; the same numbers give the same bits everywhere.
 */
export interface AdamWOptions {
  /** Decay of the mean and of the mean square. */
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Share of a matrix's weight that a step takes away, times the learning rate. Vectors (norms, biases) do not decay. */
  weightDecay: number;
}

export const ADAMW_DEFAULTS: AdamWOptions = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 };

/** The optimizer's memory of one weight. */
export interface Moments {
  readonly mean: Float32Array<ArrayBuffer>;
  readonly square: Float32Array<ArrayBuffer>;
}

export interface AdamWStep {
  readonly learningRate: number;
  /** Counts from 1. */
  readonly step: number;
  /** What gradients are multiplied by first: clipping. */
  readonly gradientScale: number;
  readonly decays: boolean;
}

/** Changes weights and moments in place. */
export function adamW(
  weights: Float32Array,
  gradient: Float32Array,
  { mean, square }: Moments,
  { learningRate, step, gradientScale, decays }: AdamWStep,
  { beta1, beta2, epsilon, weightDecay }: AdamWOptions,
): void {
  const meanScale = 1 / (1 - beta1 ** step);
  const squareScale = 1 / (1 - beta2 ** step);
  const kept = decays ? 1 - learningRate * weightDecay : 1;
  for (let i = 0; i < weights.length; i++) {
    const g = gradient[i]! * gradientScale;
    const m = beta1 * mean[i]! + (1 - beta1) * g;
    const v = beta2 * square[i]! + (1 - beta2) * g * g;
    mean[i] = m;
    square[i] = v;
    weights[i] = kept * weights[i]! - (learningRate * (m * meanScale)) / (Math.sqrt(v * squareScale) + epsilon);
  }
}

/** The Euclidean length of all gradients together. */
export function gradientNorm(gradients: Iterable<Float32Array>): number {
  let squares = 0;
  for (const values of gradients) for (let i = 0; i < values.length; i++) squares += values[i]! * values[i]!;
  return Math.sqrt(squares);
}
