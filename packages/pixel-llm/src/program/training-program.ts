/**
 * The training Program: forward pass, loss and gradients as one flat list of ops. Pure data, like the Program that
 * train/differentiate.ts makes it from. It has no KV cache: an entry attends to the entries of its own sequence in the same batch.
 */
import type { AttentionAttributes, OpOf, OpShape, ProgramValue, ProgramWeight, RopeAttributes } from './program.ts';

type None = Record<never, never>;

export type SelfAttentionAttributes = Omit<AttentionAttributes, 'state'>;

/** Ops that training shares with inference; the loss among them. */
export type ForwardOp = OpOf<
  | 'embed'
  | 'rmsNorm'
  | 'layerNorm'
  | 'matmul'
  | 'rope'
  | 'silu'
  | 'gelu'
  | 'gatedSilu'
  | 'gatedGelu'
  | 'add'
  | 'mul'
  | 'scale'
  | 'softmax'
  | 'crossEntropy'
>;

/**
 * Ops that only training needs. `d` is the gradient of the total loss with respect to what the forward op made, of its shape.
 * T is the leading dimension; the batch says which entries are one sequence.
 *
 * | op | in | weights | out |
 * |---|---|---|---|
 * | selfAttention | q, k, v | | as `attention`, over the earlier entries of the same sequence in the batch |
 * | selfAttentionGradient | q, k, v, d | | [T, (heads + 2 kvHeads) x headDim]: gradients of q, k and v side by side |
 * | takeColumns | x [T, n] | | [T, count]: columns from .. from + count - 1 |
 * | embedGradient | ids, d | table | [vocab, dim]: each id's row is the sum of the rows of d where it stands |
 * | matmulGradientInput | d [T, rows] | matrix [rows, columns] | [T, columns]: d x matrix |
 * | matmulGradientMatrix | d [T, rows], x [T, columns] | | [rows, columns]: sum over T of d x x |
 * | sumRows | d [T, n] | | [n]: what a bias gets |
 * | rmsNormGradientInput | x, d | gain | shape of x |
 * | rmsNormGradientGain | x, d | | [size] |
 * | layerNormGradientInput | x, d | gain | shape of x |
 * | layerNormGradientGain | x, d | | [size]; the bias gets the same as from groupSums |
 * | groupSums | d | | [size]: the sum over all groups of `size` values |
 * | ropeGradient | d, positions | factors? | the rotation backwards |
 * | siluGradient, geluGradient | x, d | | d x act'(x) |
 * | gatedSiluGradient, gatedGeluGradient | gate, up, d | | the gradient of gate: d x up x act'(gate) |
 * | softmaxGradient | y, d | | y x (d - sum(y x d)), y being the softmax's result |
 * | crossEntropyGradient | logits, targets, d [T] | | [T, vocab]: d x (softmax(logits) - 1 at the target); zeros for a target of -1 |
 */
export type GradientOp =
  | OpShape<'selfAttention', SelfAttentionAttributes>
  | OpShape<'selfAttentionGradient', SelfAttentionAttributes>
  | OpShape<'takeColumns', { readonly from: number; readonly count: number }>
  | OpShape<'embedGradient', None>
  | OpShape<'matmulGradientInput', None>
  | OpShape<'matmulGradientMatrix', None>
  | OpShape<'sumRows', None>
  | OpShape<'rmsNormGradientInput', { readonly epsilon: number; readonly size: number }>
  | OpShape<'rmsNormGradientGain', { readonly epsilon: number; readonly size: number }>
  | OpShape<'layerNormGradientInput', { readonly epsilon: number; readonly size: number }>
  | OpShape<'layerNormGradientGain', { readonly epsilon: number; readonly size: number }>
  | OpShape<'groupSums', { readonly size: number }>
  | OpShape<'ropeGradient', RopeAttributes>
  | OpShape<'siluGradient', None>
  | OpShape<'geluGradient', None>
  | OpShape<'gatedSiluGradient', None>
  | OpShape<'gatedGeluGradient', None>
  | OpShape<'softmaxGradient', None>
  | OpShape<'crossEntropyGradient', None>;

export type GradientOpName = GradientOp['op'];
export type TrainingOp = ForwardOp | GradientOp;
export type TrainingOpName = TrainingOp['op'];
export type TrainingOpOf<Name extends TrainingOpName> = Extract<TrainingOp, { op: Name }>;

export interface TrainingProgram {
  readonly weights: readonly ProgramWeight[];
  readonly values: readonly ProgramValue[];
  readonly ops: readonly TrainingOp[];
  /** Given with each batch: the forward pass's inputs, `targets` i32 [tokens], and `lossWeights` f32 [tokens]. */
  readonly inputs: readonly string[];
  /** The loss of each entry in nats [tokens], before it is multiplied by the entry's loss weight. */
  readonly loss: string;
  /** For each trained weight, the value that holds the gradient of sum(lossWeights x loss), of the weight's shape. */
  readonly gradients: readonly { readonly weight: string; readonly value: string }[];
}
