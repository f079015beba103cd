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

/** Rounds activations to f16 or to 8 bits before a product with quantized weights (as integer kernels do), or leaves them. */
export type ActivationMode = 'f32' | 'q8';

interface OpShape<Name extends string, Attributes> {
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

export interface RopeAttributes {
  /** Rotated dimensions of each head (the first ones); the rest pass through. */
  readonly rotaryDim: number;
  readonly headDim: number;
  readonly frequencyBase: number;
  /** `adjacent`: pairs (2i, 2i+1), as llama GGUF files. `halves`: pairs (i, i + rotaryDim/2), as qwen (NeoX). */
  readonly pairing: 'adjacent' | 'halves';
  /** Positions are divided by `linearFactor`. 1 = none. */
  readonly linearFactor: number;
  /** YaRN (arXiv 2309.00071), when the model was extended with it. */
  readonly yarn?: {
    readonly factor: number;
    readonly originalContext: number;
    readonly extrapolation: number;
    readonly attention: number;
    readonly betaFast: number;
    readonly betaSlow: number;
  };
}

/**
 * The op set.
 *
 * | op | in | weights | out |
 * |---|---|---|---|
 * | embed | ids i32 [tokens] | table [vocab, dim] | [tokens, dim] |
 * | takeRows | x [tokens, n] | | [outputs, n]: the rows of the entries whose logits are wanted |
 * | rmsNorm | x [.., n] | gain [n] | x normalized over its last `size` values (a head, or the row), times gain |
 * | layerNorm | x | gain [n], bias [n] | |
 * | matmul | x [tokens, columns] | matrix [rows, columns], bias [rows]? | [tokens, rows] |
 * | rope | x [tokens, heads x headDim], positions i32 [tokens] | frequency factors [rotaryDim/2]? | same shape |
 * | attention | q [tokens, heads x headDim], k, v [tokens, kvHeads x headDim] | | [tokens, heads x headDim]; appends k, v to `state`, then attends causally over the sequence |
 * | silu, gelu | x | | same shape |
 * | gatedSilu, gatedGelu | gate, up | | act(gate) x up |
 * | add, mul | a, b | | same shape |
 * | scale | x | | x times `factor` |
 * | softmax | x [.., n] | | over the last dimension |
 * | sample | logits [outputs, vocab] | | i32 [outputs]: by the batch's sampling settings |
 * | crossEntropy | logits [tokens, vocab], targets i32 [tokens] | | [tokens]: -ln p(target) |
 */
export type Op =
  | OpShape<'embed', None>
  | OpShape<'takeRows', None>
  | OpShape<'rmsNorm', { readonly epsilon: number; readonly size: number }>
  | OpShape<'layerNorm', { readonly epsilon: number; readonly size: number }>
  | OpShape<'matmul', { readonly activations: ActivationMode }>
  | OpShape<'rope', RopeAttributes>
  | OpShape<
      'attention',
      {
        readonly state: string;
        readonly heads: number;
        readonly kvHeads: number;
        readonly headDim: number;
        /** Scores are multiplied by this: normally 1 / sqrt(headDim). */
        readonly scale: number;
        /** An entry sees only the last `window` positions, itself included. */
        readonly window?: number;
        /** Scores become softcap x tanh(score / softcap). */
        readonly softcap?: number;
      }
    >
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

export interface Program {
  readonly formatVersion: 1;
  readonly architecture: string;
  /** Tokens in the vocabulary and the longest context, for callers that size buffers. */
  readonly vocab: number;
  readonly contextLength: number;
  readonly weights: readonly ProgramWeight[];
  readonly state: readonly ProgramState[];
  /** Every value an op reads or writes, inputs included. */
  readonly values: readonly ProgramValue[];
  readonly ops: readonly Op[];
  /** Values the caller provides. A language model's: `tokens` i32 [tokens] and `positions` i32 [tokens]. */
  readonly inputs: readonly string[];
  /** Values the caller may ask for. A language model's: `logits` [outputs, vocab] and `sampled` i32 [outputs]. */
  readonly outputs: readonly string[];
}
