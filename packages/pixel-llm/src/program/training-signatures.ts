/** What each op of a training Program asks of the shapes it is given, and the shape it makes: the table of training-program.ts as code. */
import {
  checkedResult,
  type Operand,
  type OpOperands,
  SIGNATURES,
  type Signature,
  sameDimensions,
} from './op-signatures.ts';
import type { Dimension } from './program.ts';
import type { GradientOpName, SelfAttentionAttributes, TrainingOp, TrainingOpOf } from './training-program.ts';

const GRADIENT_SIGNATURES: { readonly [Name in GradientOpName]: Signature<TrainingOpOf<Name>> } = {
  selfAttention: {
    inputs: ['f32', 'f32', 'f32'],
    weights: [0, 0],
    result: (operands, { attributes }) => checkAttention(operands, attributes),
  },
  selfAttentionGradient: {
    inputs: ['f32', 'f32', 'f32', 'f32'],
    weights: [0, 0],
    result(operands, { attributes }) {
      const { heads, kvHeads, headDim } = attributes;
      const q = checkAttention(operands, attributes);
      checkSame(operands, q, operands.inputs[3]!);
      return f32('tokens', (heads + 2 * kvHeads) * headDim);
    },
  },
  takeColumns: {
    inputs: ['f32'],
    weights: [0, 0],
    result({ inputs: [x], check }, { attributes: { from, count } }) {
      check(from >= 0 && count > 0 && from + count <= Number(x!.shape[1]), 'columns that there are');
      return f32(x!.shape[0]!, count);
    },
  },
  embedGradient: {
    inputs: ['i32', 'f32'],
    weights: [1, 1],
    result({ inputs: [ids, d], weights: [table], check }) {
      check(sameDimensions(d!.shape, [ids!.shape[0]!, table![1]!]), 'one row of the table an id');
      return f32(...table!);
    },
  },
  matmulGradientInput: {
    inputs: ['f32'],
    weights: [1, 1],
    result({ inputs: [d], weights: [matrix], check }) {
      check(d!.shape[1] === matrix![0], 'a column for each row of the matrix');
      return f32(d!.shape[0]!, matrix![1]!);
    },
  },
  matmulGradientMatrix: {
    inputs: ['f32', 'f32'],
    weights: [0, 0],
    result({ inputs: [d, x], check }) {
      check(d!.shape[0] === x!.shape[0], 'two inputs of as many rows');
      return f32(d!.shape[1]!, x!.shape[1]!);
    },
  },
  sumRows: { inputs: ['f32'], weights: [0, 0], result: ({ inputs: [d] }) => f32(d!.shape[1]!) },
  rmsNormGradientInput: { inputs: ['f32', 'f32'], weights: [1, 1], result: sameAsFirst },
  rmsNormGradientGain: { inputs: ['f32', 'f32'], weights: [0, 0], result: groupWide },
  layerNormGradientInput: { inputs: ['f32', 'f32'], weights: [1, 1], result: sameAsFirst },
  layerNormGradientGain: { inputs: ['f32', 'f32'], weights: [0, 0], result: groupWide },
  groupSums: { inputs: ['f32'], weights: [0, 0], result: groupWide },
  ropeGradient: {
    ...SIGNATURES.rope,
    result: (operands, op) => SIGNATURES.rope.result(operands, { ...op, op: 'rope' }),
  },
  siluGradient: { inputs: ['f32', 'f32'], weights: [0, 0], result: sameAsFirst },
  geluGradient: { inputs: ['f32', 'f32'], weights: [0, 0], result: sameAsFirst },
  gatedSiluGradient: { inputs: ['f32', 'f32', 'f32'], weights: [0, 0], result: sameAsFirst },
  gatedGeluGradient: { inputs: ['f32', 'f32', 'f32'], weights: [0, 0], result: sameAsFirst },
  softmaxGradient: { inputs: ['f32', 'f32'], weights: [0, 0], result: sameAsFirst },
  crossEntropyGradient: {
    inputs: ['f32', 'i32', 'f32'],
    weights: [0, 0],
    result({ inputs: [logits, targets, d], check }) {
      const rows = [logits!.shape[0]!];
      check(
        sameDimensions(targets!.shape, rows) && sameDimensions(d!.shape, rows),
        'one target and one gradient a row',
      );
      return logits!;
    },
  },
};

/** Checks an op's operands and returns what it makes. */
export function trainingResultOf(op: TrainingOp, operands: OpOperands): Operand {
  // The table's entry and the op have the same name; TypeScript cannot follow a union through a lookup.
  const signature = { ...SIGNATURES, ...GRADIENT_SIGNATURES }[op.op] as Signature<TrainingOp>;
  return checkedResult(signature, op, operands);
}

function checkAttention({ inputs: [q, k, v], check }: OpOperands, attributes: SelfAttentionAttributes): Operand {
  const { heads, kvHeads, headDim } = attributes;
  check(heads % kvHeads === 0, 'key/value heads that divide the query heads');
  check(sameDimensions(q!.shape, ['tokens', heads * headDim]), 'queries [tokens, heads x headDim]');
  check(sameDimensions(k!.shape, ['tokens', kvHeads * headDim]), 'keys [tokens, kvHeads x headDim]');
  check(sameDimensions(k!.shape, v!.shape), 'values of the shape of the keys');
  return q!;
}

function sameAsFirst(operands: OpOperands): Operand {
  const [first, ...others] = operands.inputs;
  for (const other of others) checkSame(operands, first!, other);
  return first!;
}

function groupWide(operands: OpOperands, { attributes: { size } }: { attributes: { size: number } }): Operand {
  const x = sameAsFirst(operands);
  operands.check(Number(x.shape.at(-1)) % size === 0, 'rows of whole groups');
  return f32(size);
}

function checkSame({ check }: OpOperands, a: Operand, b: Operand): void {
  check(sameDimensions(a.shape, b.shape), 'inputs of the same shape');
}

function f32(...shape: Dimension[]): Operand {
  return { shape, type: 'f32' };
}
