/**
 * The Program: a model's forward pass as plain data. An architecture is written once, as a function from its
 * hyper-parameters to a Program; backends execute Programs and never know architectures.
 *
 * A Program is a flat list of ops in execution order over named values (activations) and named weights.
 * It is JSON: no functions, no typed arrays, no undefined.
 */

/**
 * The length of a dimension: a number, or a name bound when a batch is run.
 * `tokens`: the entries of the batch. `outputs`: the entries whose logits are wanted.
 */
export type Dimension = number | 'tokens' | 'outputs';

export interface ProgramValue {
  readonly name: string;
  /** Slowest dimension first, e.g. ['tokens', dim]. */
  readonly shape: readonly Dimension[];
  /** f32 unless said otherwise. */
  readonly type?: 'f32' | 'i32';
}

export interface ProgramWeight {
  /** The tensor's name in the WeightSource. */
  readonly name: string;
  /** [rows, columns], or [columns] for a vector. Slowest first: the reverse of ggml's dimensions. */
  readonly shape: readonly number[];
  /** The ggml type's name. */
  readonly type: string;
}

/** The KV cache of one layer: what an attention op appends to and reads. */
export interface ProgramState {
  readonly name: string;
  readonly kvHeads: number;
  readonly headDim: number;
}

/**
 * What a product does with its activations first.
 * `f32`: nothing. `q8`: each row is cut into blocks of 32 (the last may be shorter), and a block becomes 8-bit integers with one
 * f32 scale, as integer kernels need: with m = max|x| of the block, q = round-half-to-even(f32(x * f32(127 / m))),
 * and the product uses q * f32(m / 127). A block with m < 2^-100 is zeros. The same for every weight type.
 */
export const ACTIVATION_MODES = ['f32', 'q8'] as const;
export type ActivationMode = (typeof ACTIVATION_MODES)[number];

export interface OpShape<Name extends string, Attributes> {
  readonly op: Name;
  /** Names of values read. */
  readonly in: readonly string[];
  /** Names of weights read. */
  readonly weights: readonly string[];
  /** Name of the value written. */
  readonly out: string;
  readonly attributes: Attributes;
}

type None = Record<never, never>;

/**
 * Rotary position embedding (arXiv 2104.09864). Pair i of a head is turned by the angle t of its position p:
 * t = p x frequencyBase^(-2i / rotaryDim) / factors[i] (the weight, else 1), divided by `linearFactor`; `yarn` changes it as said there.
 */
export interface RopeAttributes {
  /** Rotated dimensions of each head (the first ones); the rest pass through. Even. */
  readonly rotaryDim: number;
  readonly headDim: number;
  readonly frequencyBase: number;
  /** `adjacent`: pairs (2i, 2i+1), as llama GGUF files. `halves`: pairs (i, i + rotaryDim/2), as qwen (NeoX). */
  readonly pairing: 'adjacent' | 'halves';
  /** Angles are divided by this (position interpolation). 1 = none. */
  readonly linearFactor: number;
  readonly yarn?: YarnAttributes;
}

/**
 * YaRN (arXiv 2309.00071), "NTK-by-parts": a pair that turns often within the original context keeps its angle t, one that turns
 * seldom gets t / factor, and between them the two are mixed along a ramp over i, from floor(d(betaFast)) to ceil(d(betaSlow)), where
 * d(beta) = rotaryDim x ln(originalContext / (2 pi beta)) / (2 ln frequencyBase), both ends within 0 .. rotaryDim - 1, at least 0.001 apart.
 * Cosine and sine are multiplied by attention x (1 + 0.1 ln factor).
 */
export interface YarnAttributes {
  readonly factor: number;
  readonly originalContext: number;
  /** How much of t is mixed in: 1 = all the ramp says. At 0 every pair gets t / factor, and cosine and sine are multiplied by attention only. */
  readonly extrapolation: number;
  readonly attention: number;
  readonly betaFast: number;
  readonly betaSlow: number;
}

export interface NormAttributes {
  readonly epsilon: number;
  /** Values normalized together: the row, or one head of it. Divides the last dimension. */
  readonly size: number;
}

export interface AttentionAttributes {
  readonly state: string;
  readonly heads: number;
  /** Divides `heads`: query head h reads key/value head floor(h x kvHeads / heads). */
  readonly kvHeads: number;
  readonly headDim: number;
  /** Scores are multiplied by this: normally 1 / sqrt(headDim). */
  readonly scale: number;
  /** An entry sees only the last `window` positions, itself included. */
  readonly window?: number;
  /** Scores become softcap x tanh(score / softcap), after `scale`. */
  readonly softcap?: number;
}

/**
 * The op set. T stands for a leading dimension, the same on both sides; backends/reference/ has one file an op that says the rest.
 *
 * | op | in | weights | out |
 * |---|---|---|---|
 * | embed | ids i32 [T] | table [vocab, dim] | [T, dim]: the ids' rows of the table |
 * | takeRows | x [tokens, n] | | [outputs, n]: the rows of the batch's `outputEntries` |
 * | rmsNorm | x [T, n] | gain [size] | g = each `size` values of a row: g / sqrt(mean(g^2) + epsilon) x gain |
 * | layerNorm | x [T, n] | gain [size], bias [size] | (g - mean(g)) / sqrt(variance(g) + epsilon) x gain + bias |
 * | matmul | x [T, columns] | matrix [rows, columns], bias [rows]? | [T, rows]: sum over columns of x x matrix, plus bias |
 * | rope | x [tokens, heads x headDim], positions i32 [tokens] | frequency factors [rotaryDim / 2]? | same shape as x |
 * | attention | q [tokens, heads x headDim], k, v [tokens, kvHeads x headDim] | | shape of q: stores k and v of every entry in `state`, then each entry attends to its own sequence's positions 0 .. its own |
 * | silu, gelu | x | | x / (1 + e^-x); 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) |
 * | gatedSilu, gatedGelu | gate, up | | act(gate) x up |
 * | add, mul | a, b (same shape) | | a + b, a x b |
 * | scale | x | | x times `factor` |
 * | softmax | x [T, n] | | over the last dimension |
 * | sample | logits [outputs, vocab] | | i32 [outputs]: by the batch's sampling settings, specified in reference/sample.ts |
 * | crossEntropy | logits [T, vocab], targets i32 [T] | | [T]: -ln p(target); 0 for a target of -1, which stands for "no target" |
 */
export type Op =
  | OpShape<'embed', None>
  | OpShape<'takeRows', None>
  | OpShape<'rmsNorm', NormAttributes>
  | OpShape<'layerNorm', NormAttributes>
  | OpShape<'matmul', { readonly activations: ActivationMode }>
  | OpShape<'rope', RopeAttributes>
  | OpShape<'attention', AttentionAttributes>
  | OpShape<'silu', None>
  | OpShape<'gelu', None>
  | OpShape<'gatedSilu', None>
  | OpShape<'gatedGelu', None>
  | OpShape<'add', None>
  | OpShape<'mul', None>
  | OpShape<'scale', { readonly factor: number }>
  | OpShape<'softmax', None>
  | OpShape<'sample', None>
  | OpShape<'crossEntropy', None>;

export type OpName = Op['op'];

/** The op of one name, e.g. OpOf<'matmul'>. */
export type OpOf<Name extends OpName> = Extract<Op, { op: Name }>;

export interface Program {
  readonly formatVersion: 1;
  readonly architecture: string;
  /** Tokens in the vocabulary and the longest context, for callers that size buffers. */
  readonly vocab: number;
  readonly contextLength: number;
  readonly weights: readonly ProgramWeight[];
  readonly state: readonly ProgramState[];
  /** Every value an op reads or writes, inputs included. Each is written once: by the caller, or by one op before it is read. */
  readonly values: readonly ProgramValue[];
  readonly ops: readonly Op[];
  /** Values the caller provides. A language model's: `tokens` i32 [tokens] and `positions` i32 [tokens]. */
  readonly inputs: readonly string[];
  /** Values the caller may ask for. A language model's: `logits` [outputs, vocab], `sampled` i32 [outputs] and `hidden` [outputs, dim], which the logits are made of. */
  readonly outputs: readonly string[];
}
