/** From an op of a training Program to dispatches: which kernel, what is bound, and what its sizes are for a batch of so many entries. */
import type { RopeAttributes } from '../../../program/program.ts';
import type { TrainingOp, TrainingOpOf, TrainingProgram } from '../../../program/training-program.ts';
import type { KernelText } from '../kernels/kernel.ts';
import { type AngleTable, angleRegion } from '../rope-angles.ts';
import { keyGradientKernel, queryGradientKernel, selfAttentionKernel } from './attention-kernels.ts';
import { type Dims, WORKGROUP } from './kernel.ts';
import { PRODUCT_TILE, type ProductPrecision, productKernel } from './product-kernels.ts';
import {
  CROSS_ENTROPY,
  CROSS_ENTROPY_GRADIENT,
  NORM_GRADIENT_GAIN,
  NORM_KERNELS,
  SOFTMAX,
  SOFTMAX_GRADIENT,
} from './row-kernels.ts';
import { ADD_TO, EMBED, EMBED_GRADIENT, ROPE, SUM_ROWS, TAKE_COLUMNS, VALUE_KERNELS, ZEROS } from './value-kernels.ts';

/** Where a binding lies. A temporary lives from one dispatch of an op to the next. */
export type TrainingPlace =
  | { readonly value: string }
  | { readonly weight: string }
  | { readonly region: string }
  | { readonly temp: string }
  /** The sum of a weight's gradients over the batches. */
  | { readonly sum: string };

export interface TrainingDispatch {
  readonly kernel: KernelText;
  readonly places: Readonly<Record<string, TrainingPlace>>;
  dims(tokens: number): Dims;
  /** Workgroups, all in one row. */
  groups(tokens: number): number;
}

export interface TrainingStage {
  readonly dispatches: readonly TrainingDispatch[];
  readonly out: string | undefined;
  readonly read: readonly string[];
  /** Values of 32 bits that a temporary takes. */
  temps(tokens: number): ReadonlyMap<string, number>;
}

/** First and last entry of each entry's sequence. */
export const SPANS_REGION = 'spans';

export interface StageOptions {
  readonly precision: ProductPrecision;
  /** What gradients are multiplied by on their way: keeps small ones within f16. A power of two, so nothing is rounded by it. */
  lossScale(): number;
}

const NO_TEMPS = (): ReadonlyMap<string, number> => new Map();
const NO_WINDOW = 0xffffffff;

/** The stages of the ops, in order, and a gradient added to its sum as soon as it is whole. */
export function trainingStages(
  program: TrainingProgram,
  ops: readonly TrainingOp[],
  options: StageOptions,
): TrainingStage[] {
  const sizes = new ValueSizes(program);
  const gradients = Map.groupBy(program.gradients, ({ value }) => value);
  return ops.flatMap((op) => [
    stageOf(op, sizes, options),
    ...(gradients.get(op.out) ?? []).map(({ weight, value }): TrainingStage => {
      const dispatch = eachValue(ADD_TO, { x: { value }, sum: { sum: weight } }, (tokens) =>
        sizes.count(value, tokens),
      );
      const scaled = {
        ...dispatch,
        dims: (tokens: number) => ({ ...dispatch.dims(tokens), floats: [1 / options.lossScale()] }),
      };
      return { dispatches: [scaled], out: undefined, read: [value], temps: NO_TEMPS };
    }),
  ]);
}

/** Shapes of values, when a batch has so many entries. */
export class ValueSizes {
  readonly #values: ReadonlyMap<string, readonly (number | string)[]>;

  constructor({ values }: TrainingProgram) {
    this.#values = new Map(values.map(({ name, shape }) => [name, shape]));
  }

  /** The last dimension; 1 for a number an entry. */
  width(name: string): number {
    const shape = this.#values.get(name)!;
    return shape.length === 1 && typeof shape[0] !== 'number' ? 1 : Number(shape.at(-1));
  }

  count(name: string, tokens: number): number {
    return this.#values
      .get(name)!
      .reduce<number>((count, size) => count * (typeof size === 'number' ? size : tokens), 1);
  }

  rows(name: string, tokens: number): number {
    return this.count(name, tokens) / this.width(name);
  }
}

/** Rope ops and their gradients turn by tables that ops share. */
export function angleTableOf({ in: [, positions = ''], weights, attributes }: RopeLike): AngleTable {
  return { positions, rope: attributes, factors: weights[0] };
}

type RopeLike = {
  readonly in: readonly string[];
  readonly weights: readonly string[];
  readonly attributes: RopeAttributes;
};

function stageOf(op: TrainingOp, sizes: ValueSizes, options: StageOptions): TrainingStage {
  const dispatches = dispatchesOf(op, sizes, options);
  return { dispatches, out: op.out, read: op.in, temps: (tokens) => tempsOf(op, sizes, tokens) };
}

function tempsOf(op: TrainingOp, sizes: ValueSizes, tokens: number): ReadonlyMap<string, number> {
  if (op.op === 'selfAttentionGradient') return new Map([[`${op.out}.totals`, 2 * tokens * op.attributes.heads]]);
  if (op.op === 'rmsNormGradientGain' || op.op === 'layerNormGradientGain') {
    return new Map([[`${op.out}.moments`, 2 * (sizes.count(op.in[0]!, tokens) / op.attributes.size)]]);
  }
  return new Map();
}

function dispatchesOf(op: TrainingOp, sizes: ValueSizes, options: StageOptions): TrainingDispatch[] {
  const [a, b, c] = op.in.map((value) => ({ value }));
  const [table] = op.weights.map((weight) => ({ weight }));
  const out = { value: op.out };
  const count = (tokens: number): number => sizes.count(op.out, tokens);
  const width = sizes.width(op.out);
  switch (op.op) {
    case 'add':
    case 'mul':
    case 'silu':
    case 'gelu':
    case 'gatedSilu':
    case 'gatedGelu':
    case 'siluGradient':
    case 'geluGradient':
    case 'gatedSiluGradient':
    case 'gatedGeluGradient':
      return [eachValue(VALUE_KERNELS[op.op], { ...(a && { a }), ...(b && { b }), ...(c && { c }), out }, count)];
    case 'scale':
      return [eachValue(VALUE_KERNELS.scale, { a: a!, out }, count, [], [op.attributes.factor])];
    case 'takeColumns': {
      const { from, count: columns } = op.attributes;
      return [eachValue(TAKE_COLUMNS, { x: a!, out }, count, [sizes.width(op.in[0]!), from, columns])];
    }
    case 'embed':
      return [eachValue(EMBED, { ids: a!, table: table!, out }, count, [width])];
    case 'embedGradient': {
      const rows = eachValue(EMBED_GRADIENT, { ids: a!, d: b!, out }, (tokens) => sizes.count(op.in[1]!, tokens));
      const dims = (tokens: number): Dims => ({ counts: [sizes.count(op.in[1]!, tokens), width, tokens] });
      return [eachValue(ZEROS, { out }, count), { ...rows, dims }];
    }
    case 'rope':
    case 'ropeGradient': {
      const { headDim, rotaryDim, pairing } = op.attributes;
      const places = { x: a!, angles: { region: angleRegion(angleTableOf(op)) }, out };
      const counts = [width, headDim, rotaryDim / 2, pairing === 'adjacent' ? 1 : 0];
      return [eachValue(ROPE, places, count, counts, [op.op === 'rope' ? 1 : -1])];
    }
    case 'sumRows':
    case 'groupSums': {
      const sums = eachValue(SUM_ROWS, { d: a!, out }, () => width);
      return [{ ...sums, dims: (tokens) => ({ counts: [width, sizes.count(op.in[0]!, tokens) / width] }) }];
    }
    case 'matmul':
    case 'matmulGradientInput':
    case 'matmulGradientMatrix':
      return productDispatches(op, sizes, options);
    case 'softmax':
      return [eachRow(SOFTMAX, { x: a!, out }, op.in[0]!, sizes)];
    case 'softmaxGradient':
      return [eachRow(SOFTMAX_GRADIENT, { y: a!, d: b!, out }, op.in[0]!, sizes)];
    case 'crossEntropy':
      return [eachRow(CROSS_ENTROPY, { x: a!, targets: b!, out }, op.in[0]!, sizes)];
    case 'crossEntropyGradient': {
      const rows = eachRow(CROSS_ENTROPY_GRADIENT, { x: a!, targets: b!, d: c!, out }, op.in[0]!, sizes);
      return [{ ...rows, dims: (tokens) => ({ ...rows.dims(tokens), floats: [options.lossScale()] }) }];
    }
    case 'rmsNorm':
    case 'layerNorm':
    case 'rmsNormGradientInput':
    case 'layerNormGradientInput':
    case 'rmsNormGradientGain':
    case 'layerNormGradientGain':
      return normDispatches(op, sizes);
    case 'selfAttention':
    case 'selfAttentionGradient':
      return attentionDispatches(op);
  }
}

type NormOp = TrainingOpOf<
  | 'rmsNorm'
  | 'layerNorm'
  | 'rmsNormGradientInput'
  | 'layerNormGradientInput'
  | 'rmsNormGradientGain'
  | 'layerNormGradientGain'
>;

function normDispatches(
  { op, in: [x = '', d = ''], weights: [gain = '', bias = ''], out, attributes }: NormOp,
  sizes: ValueSizes,
): TrainingDispatch[] {
  const { epsilon, size } = attributes;
  const kernels = NORM_KERNELS[op.startsWith('rms') ? 'rms' : 'layer'];
  const groups = (tokens: number): number => sizes.count(x, tokens) / size;
  const eachGroup = (kernel: KernelText, places: TrainingDispatch['places']): TrainingDispatch => {
    return { kernel, places, groups, dims: (tokens) => ({ counts: [groups(tokens), size], floats: [epsilon] }) };
  };
  const values = { x: { value: x }, d: { value: d } };
  if (op.endsWith('GradientGain')) {
    const moments = { temp: `${out}.moments` };
    const sums = eachValue(NORM_GRADIENT_GAIN, { ...values, moments, out: { value: out } }, () => size);
    return [
      eachGroup(kernels.moments, { x: values.x, moments }),
      { ...sums, dims: (tokens) => ({ counts: [size, groups(tokens)] }) },
    ];
  }
  if (op.endsWith('GradientInput')) {
    return [eachGroup(kernels.gradientInput, { ...values, gain: { weight: gain }, out: { value: out } })];
  }
  const places = { x: values.x, gain: { weight: gain }, ...(bias && { bias: { weight: bias } }), out: { value: out } };
  return [eachGroup(kernels.forward, places)];
}

function attentionDispatches({
  op,
  in: [q = '', k = '', v = '', d = ''],
  out,
  attributes,
}: TrainingOpOf<'selfAttention' | 'selfAttentionGradient'>): TrainingDispatch[] {
  const { heads, kvHeads, headDim, scale, softcap = 0, window = NO_WINDOW } = attributes;
  const dims = (tokens: number): Dims => ({ counts: [tokens, heads, kvHeads, window], floats: [scale, softcap] });
  const read = { q: { value: q }, k: { value: k }, v: { value: v }, spans: { region: SPANS_REGION } };
  const places = { ...read, d: { value: d }, totals: { temp: `${out}.totals` }, out: { value: out } };
  const queries = (tokens: number): number => tokens * heads;
  const keys = (tokens: number): number => tokens * kvHeads;
  if (op === 'selfAttention') {
    return [{ kernel: selfAttentionKernel(headDim), places: { ...read, out: { value: out } }, dims, groups: queries }];
  }
  return [
    { kernel: queryGradientKernel(headDim), places, dims, groups: queries },
    { kernel: keyGradientKernel(headDim), places, dims, groups: keys },
  ];
}

type ProductOp = TrainingOpOf<'matmul' | 'matmulGradientInput' | 'matmulGradientMatrix'>;

function productDispatches(op: ProductOp, sizes: ValueSizes, { precision }: StageOptions): TrainingDispatch[] {
  const [first = '', second = ''] = op.in;
  const [matrix = '', bias] = op.weights;
  const [width, inner] = [sizes.width(op.out), sizes.width(first)];
  const isOfWeights = op.op === 'matmulGradientMatrix';
  const kind = op.op === 'matmul' ? 'forward' : isOfWeights ? 'gradientMatrix' : 'gradientInput';
  // What is summed over: the values of a row, or for a matrix's gradient the entries.
  const shapeOf = (tokens: number) => (isOfWeights ? [inner, width, tokens] : [tokens, width, inner]);
  const places = {
    a: { value: first },
    b: isOfWeights ? { value: second } : { weight: matrix },
    ...(bias !== undefined && { bias: { weight: bias } }),
    out: { value: op.out },
  };
  const groups = (tokens: number): number => {
    const [m = 0, n = 0] = shapeOf(tokens);
    return Math.ceil(m / PRODUCT_TILE) * Math.ceil(n / PRODUCT_TILE);
  };
  const kernel = productKernel(kind, precision, bias !== undefined);
  return [{ kernel, places, dims: (tokens) => ({ counts: shapeOf(tokens) }), groups }];
}

function eachValue(
  kernel: KernelText,
  places: TrainingDispatch['places'],
  count: (tokens: number) => number,
  counts: readonly number[] = [],
  floats: readonly number[] = [],
): TrainingDispatch {
  return {
    kernel,
    places,
    dims: (tokens) => ({ counts: [count(tokens), ...counts], floats }),
    groups: (tokens) => Math.ceil(count(tokens) / WORKGROUP),
  };
}

function eachRow(
  kernel: KernelText,
  places: TrainingDispatch['places'],
  x: string,
  sizes: ValueSizes,
): TrainingDispatch {
  const rows = (tokens: number): number => sizes.rows(x, tokens);
  return { kernel, places, groups: rows, dims: (tokens) => ({ counts: [rows(tokens), sizes.width(x)] }) };
}
