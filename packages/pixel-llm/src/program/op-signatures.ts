/**
 * What each op asks of the shapes it is given, and the shape it makes: the table of program.ts as code. One entry an op.
 * validate.ts runs it over a Program; an entry complains through `check`.
 */
import type { Dimension, NormAttributes, Op, OpName, OpOf } from './program.ts';

export interface Operand {
  readonly shape: readonly Dimension[];
  readonly type: 'f32' | 'i32';
}

/** An op with its operands looked up. */
export interface OpOperands {
  readonly inputs: readonly Operand[];
  readonly weights: readonly (readonly number[])[];
  /** Complains unless the condition holds. */
  check(holds: boolean, what: string): void;
  /** KV heads x head size of a state, by name; undefined when there is none. */
  stateOf(name: string): { kvHeads: number; headDim: number } | undefined;
}

export interface Signature<AnyOp> {
  /** Types of the values read. */
  readonly inputs: readonly ('f32' | 'i32')[];
  /** Least and most weights. */
  readonly weights: readonly [least: number, most: number];
  /** The op's result; checks on the way. */
  result(operands: OpOperands, op: AnyOp): Operand;
}

const elementwise = { weights: [0, 0], result: ({ inputs }: OpOperands): Operand => inputs[0]! } as const;
const pairwise = {
  inputs: ['f32', 'f32'],
  weights: [0, 0],
  result({ inputs: [a, b], check }: OpOperands): Operand {
    check(sameShape(a!, b!), 'two inputs of the same shape');
    return a!;
  },
} as const;

export const SIGNATURES: { readonly [Name in OpName]: Signature<OpOf<Name>> } = {
  embed: {
    inputs: ['i32'],
    weights: [1, 1],
    result({ inputs: [ids], weights: [table], check }) {
      check(ids!.shape.length === 1 && table!.length === 2, 'a list of ids and a table');
      return f32(leading(ids!), table![1]!);
    },
  },
  takeRows: {
    inputs: ['f32'],
    weights: [0, 0],
    result({ inputs: [x], check }) {
      check(x!.shape.length === 2 && leading(x!) === 'tokens', 'one row a token');
      return f32('outputs', width(x!));
    },
  },
  rmsNorm: { inputs: ['f32'], weights: [1, 1], result: normalized },
  layerNorm: { inputs: ['f32'], weights: [2, 2], result: normalized },
  matmul: {
    inputs: ['f32'],
    weights: [1, 2],
    result({ inputs: [x], weights: [matrix, bias], check }) {
      check(matrix!.length === 2 && matrix![1] === width(x!), 'a matrix with as many columns as the input');
      check(bias === undefined || (bias.length === 1 && bias[0] === matrix![0]), 'a bias with as many values as rows');
      return f32(leading(x!), matrix![0]!);
    },
  },
  rope: {
    inputs: ['f32', 'i32'],
    weights: [0, 1],
    result({ inputs: [x, positions], weights: [factors], check }, { attributes: { rotaryDim, headDim } }) {
      check(rotaryDim <= headDim && Number(width(x!)) % headDim === 0, 'whole heads, at least as wide as the rotation');
      check(positions!.shape.length === 1 && leading(positions!) === leading(x!), 'one position a row');
      check(factors === undefined || sameDimensions(factors, [rotaryDim / 2]), 'one frequency factor a pair');
      return x!;
    },
  },
  attention: {
    inputs: ['f32', 'f32', 'f32'],
    weights: [0, 0],
    result({ inputs: [q, k, v], check, stateOf }, { attributes: { state, heads, kvHeads, headDim } }) {
      const cache = stateOf(state);
      check(cache?.kvHeads === kvHeads && cache.headDim === headDim, `a state "${state}" of its head count and size`);
      check(heads % kvHeads === 0, 'key/value heads that divide the query heads');
      check(sameDimensions(q!.shape, ['tokens', heads * headDim]), 'queries [tokens, heads x headDim]');
      check(sameDimensions(k!.shape, ['tokens', kvHeads * headDim]), 'keys [tokens, kvHeads x headDim]');
      check(sameShape(k!, v!), 'values of the shape of the keys');
      return q!;
    },
  },
  silu: { inputs: ['f32'], ...elementwise },
  gelu: { inputs: ['f32'], ...elementwise },
  scale: { inputs: ['f32'], ...elementwise },
  softmax: { inputs: ['f32'], ...elementwise },
  gatedSilu: pairwise,
  gatedGelu: pairwise,
  add: pairwise,
  mul: pairwise,
  sample: {
    inputs: ['f32'],
    weights: [0, 0],
    result({ inputs: [logits], check }) {
      check(logits!.shape.length === 2 && leading(logits!) === 'outputs', 'logits [outputs, vocab]');
      return { shape: ['outputs'], type: 'i32' };
    },
  },
  crossEntropy: {
    inputs: ['f32', 'i32'],
    weights: [0, 0],
    result({ inputs: [logits, targets], check }) {
      check(logits!.shape.length === 2, 'logits [T, vocab]');
      check(sameDimensions(targets!.shape, [leading(logits!)]), 'one target a row');
      return { shape: [leading(logits!)], type: 'f32' };
    },
  },
};

/** Checks an op's operands and returns what it makes. */
export function resultOf(op: Op, operands: OpOperands): Operand {
  // The table's entry and the op have the same name; TypeScript cannot follow a union through a lookup.
  return checkedResult(SIGNATURES[op.op] as Signature<Op>, op, operands);
}

/** Checks the number and types of the operands, then what the signature itself asks for. */
export function checkedResult<AnyOp>(signature: Signature<AnyOp>, op: AnyOp, operands: OpOperands): Operand {
  const { inputs, weights, check } = operands;
  check(
    inputs.length === signature.inputs.length && inputs.every((input, i) => input.type === signature.inputs[i]),
    `inputs of types ${signature.inputs.join(', ')}`,
  );
  const [least, most] = signature.weights;
  check(weights.length >= least && weights.length <= most, `${least} to ${most} weights`);
  return signature.result(operands, op);
}

function normalized(
  { inputs: [x], weights, check }: OpOperands,
  { attributes: { size } }: { attributes: NormAttributes },
) {
  check(Number(width(x!)) % size === 0, 'rows of whole groups');
  check(
    weights.every((weight) => sameDimensions(weight, [size])),
    'a gain (and bias) of the size of a group',
  );
  return x!;
}

function f32(...shape: Dimension[]): Operand {
  return { shape, type: 'f32' };
}

function leading({ shape }: Operand): Dimension {
  return shape[0]!;
}

function width({ shape }: Operand): Dimension {
  return shape.at(-1)!;
}

function sameShape(a: Operand, b: Operand): boolean {
  return sameDimensions(a.shape, b.shape);
}

/** True when two shapes agree in every dimension. */
export function sameDimensions(a: readonly Dimension[], b: readonly Dimension[]): boolean {
  return a.length === b.length && a.every((dimension, i) => dimension === b[i]);
}
