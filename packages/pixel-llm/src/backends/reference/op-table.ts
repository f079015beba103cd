/**
 * Every op of the Program, bound to the function that computes it. The executor looks ops up here; a test passes its own table, with one
 * op broken, and sees to it that the conformance test notices.
 */
import type { OpName, OpOf } from '../../program/program.ts';
import type { ForwardOp } from '../../program/training-program.ts';
import type { Batch, SampledToken } from '../types.ts';
import { add, mul, scale } from './arithmetic.ts';
import { attention } from './attention.ts';
import { crossEntropy } from './cross-entropy.ts';
import { embed } from './embed.ts';
import { gatedGelu, gelu } from './gelu.ts';
import type { KvPages } from './kv-pages.ts';
import { layerNorm } from './layer-norm.ts';
import { matmul } from './matmul.ts';
import { rmsNorm } from './rms-norm.ts';
import { rope } from './rope.ts';
import { sampleRow } from './sample.ts';
import { gatedSilu, silu } from './silu.ts';
import { softmax } from './softmax.ts';
import { takeRows } from './take-rows.ts';

/** One op's operands, looked up. Their number, types and shapes are what validateProgram says. */
export interface ValueCall<Attributes> {
  readonly attributes: Attributes;
  /** The values read that are f32, and those that are i32, each in order. */
  readonly floats: readonly Float32Array[];
  readonly integers: readonly Int32Array[];
  readonly weights: readonly Float32Array[];
  /** Length of the last dimension of the first value read, and of the value written. */
  readonly inputWidth: number;
  readonly outputWidth: number;
}

/** The operands of an op that also needs to know the batch. */
export interface OpCall<Attributes> extends ValueCall<Attributes> {
  readonly batch: Batch;
  cacheOf(state: string): KvPages;
  /** Where `sample` leaves what the caller gets beside the token. */
  readonly sampled: SampledToken[];
}

/** The attributes of the op of one name. */
export type AttributesOf<Name extends OpName> = OpOf<Name>['attributes'];

export type OpTable = {
  readonly [Name in OpName]: (call: OpCall<AttributesOf<Name>>) => Float32Array | Int32Array;
};

/** Ops that are functions of values and weights alone: training runs them too. */
export const VALUE_OPS: {
  readonly [Name in ForwardOp['op']]: (call: ValueCall<AttributesOf<Name>>) => Float32Array;
} = {
  embed: ({ integers: [ids], weights: [table], outputWidth }) => embed(ids!, table!, outputWidth),
  rmsNorm: ({ floats: [x], weights: [gain], attributes }) => rmsNorm(x!, gain!, attributes),
  layerNorm: ({ floats: [x], weights: [gain, bias], attributes }) => layerNorm(x!, gain!, bias!, attributes),
  matmul: ({ floats: [x], weights: [matrix, bias], inputWidth, outputWidth, attributes: { activations } }) =>
    matmul(x!, matrix!, bias, { rows: outputWidth, columns: inputWidth, activations }),
  rope: ({ floats: [x], integers: [positions], weights: [factors], attributes }) =>
    rope(x!, positions!, factors, attributes),
  silu: ({ floats: [x] }) => silu(x!),
  gelu: ({ floats: [x] }) => gelu(x!),
  gatedSilu: ({ floats: [gate, up] }) => gatedSilu(gate!, up!),
  gatedGelu: ({ floats: [gate, up] }) => gatedGelu(gate!, up!),
  add: ({ floats: [a, b] }) => add(a!, b!),
  mul: ({ floats: [a, b] }) => mul(a!, b!),
  scale: ({ floats: [x], attributes: { factor } }) => scale(x!, factor),
  softmax: ({ floats: [x], inputWidth }) => softmax(x!, inputWidth),
  crossEntropy: ({ floats: [logits], integers: [targets], inputWidth }) => crossEntropy(logits!, targets!, inputWidth),
};

export const REFERENCE_OPS: OpTable = {
  ...VALUE_OPS,
  takeRows: ({ floats: [x], batch, inputWidth }) => takeRows(x!, batch.outputEntries, inputWidth),
  attention: ({ floats: [q, k, v], attributes, batch, cacheOf }) =>
    attention({ q: q!, k: k!, v: v! }, cacheOf(attributes.state), batch, attributes),
  sample: ({ floats: [logits], inputWidth, batch, sampled }) => {
    // Without settings nobody wants a token: -1 stands for none.
    if (!batch.sampling) return new Int32Array(batch.outputEntries.length).fill(-1);
    batch.sampling.forEach((settings, row) => {
      sampled.push(sampleRow(logits!.subarray(row * inputWidth, (row + 1) * inputWidth), settings));
    });
    return Int32Array.from(sampled, ({ token }) => token);
  },
};
