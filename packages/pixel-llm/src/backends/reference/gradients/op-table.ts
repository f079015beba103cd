/** Every op of a training Program, bound to the function that computes it. A test passes its own table, with one op broken. */
import type { TrainingOp, TrainingOpName, TrainingOpOf } from '../../../program/training-program.ts';
import { VALUE_OPS, type ValueCall } from '../op-table.ts';
import { rope } from '../rope.ts';
import {
  activationGradient,
  crossEntropyGradient,
  gateGradient,
  geluSlope,
  siluSlope,
  softmaxGradient,
  takeColumns,
} from './activations.ts';
import { normGradientGain, normGradientInput } from './norms.ts';
import { embedGradient, matmulGradientInput, matmulGradientMatrix, sumRows } from './products.ts';
import { selfAttention, selfAttentionGradient } from './self-attention.ts';

export interface TrainingCall<Attributes> extends ValueCall<Attributes> {
  /** Length of the first dimension of the value written. */
  readonly outputRows: number;
  /** First entry of each entry's sequence. [tokens] */
  readonly starts: Int32Array;
}

export type TrainingOpTable = {
  readonly [Name in TrainingOpName]: (call: TrainingCall<TrainingOpOf<Name>['attributes']>) => Float32Array;
};

export const REFERENCE_TRAINING_OPS: TrainingOpTable = {
  ...VALUE_OPS,
  selfAttention: ({ floats: [q, k, v], starts, attributes }) =>
    selfAttention({ q: q!, k: k!, v: v!, starts }, attributes),
  selfAttentionGradient: ({ floats: [q, k, v, d], starts, attributes }) =>
    selfAttentionGradient({ q: q!, k: k!, v: v!, starts }, d!, attributes),
  takeColumns: ({ floats: [x], inputWidth, attributes: { from, count } }) => takeColumns(x!, inputWidth, from, count),
  embedGradient: ({ integers: [ids], floats: [d], outputRows, outputWidth }) =>
    embedGradient(ids!, d!, outputRows, outputWidth),
  matmulGradientInput: ({ floats: [d], weights: [matrix], inputWidth, outputWidth }) =>
    matmulGradientInput(d!, matrix!, inputWidth, outputWidth),
  matmulGradientMatrix: ({ floats: [d, x], inputWidth, outputWidth }) =>
    matmulGradientMatrix(d!, x!, inputWidth, outputWidth),
  sumRows: ({ floats: [d], outputWidth }) => sumRows(d!, outputWidth),
  groupSums: ({ floats: [d], outputWidth }) => sumRows(d!, outputWidth),
  rmsNormGradientInput: ({ floats: [x, d], weights: [gain], attributes }) =>
    normGradientInput('rms', x!, d!, gain!, attributes),
  rmsNormGradientGain: ({ floats: [x, d], attributes }) => normGradientGain('rms', x!, d!, attributes),
  layerNormGradientInput: ({ floats: [x, d], weights: [gain], attributes }) =>
    normGradientInput('layer', x!, d!, gain!, attributes),
  layerNormGradientGain: ({ floats: [x, d], attributes }) => normGradientGain('layer', x!, d!, attributes),
  ropeGradient: ({ floats: [d], integers: [positions], weights: [factors], attributes }) =>
    rope(
      d!,
      positions!.map((position) => -position),
      factors,
      attributes,
    ),
  siluGradient: ({ floats: [x, d] }) => activationGradient(siluSlope, x!, d!),
  geluGradient: ({ floats: [x, d] }) => activationGradient(geluSlope, x!, d!),
  gatedSiluGradient: ({ floats: [gate, up, d] }) => gateGradient(siluSlope, gate!, up!, d!),
  gatedGeluGradient: ({ floats: [gate, up, d] }) => gateGradient(geluSlope, gate!, up!, d!),
  softmaxGradient: ({ floats: [y, d], inputWidth }) => softmaxGradient(y!, d!, inputWidth),
  crossEntropyGradient: ({ floats: [logits, d], integers: [targets], inputWidth }) =>
    crossEntropyGradient(logits!, targets!, d!, inputWidth),
};

/** The function of an op. */
export function trainingOp(table: TrainingOpTable, op: TrainingOp): (call: TrainingCall<unknown>) => Float32Array {
  // The table's entry and the op have the same name; TypeScript cannot follow a union through a lookup.
  return table[op.op] as (call: TrainingCall<unknown>) => Float32Array;
}
