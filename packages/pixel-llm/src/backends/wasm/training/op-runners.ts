/**
 * One function an op of a training Program: looks up once what never changes, and returns what a batch then does. Formulas: the op
 * tables of program/program.ts and program/training-program.ts.
 */
import { PixelError } from '../../../core/errors.ts';
import type { NormAttributes, RopeAttributes } from '../../../program/program.ts';
import type { TrainingOp, TrainingOpName, TrainingOpOf } from '../../../program/training-program.ts';
import type { Kernel } from '../kernel-module.ts';
import type { RopeTables } from '../rope-tables.ts';
import { prepareAttention, prepareAttentionGradient } from './attention-runners.ts';
import type { Entries, OpContext, RunOp } from './run-op.ts';
import type { TrainingValue } from './training-values.ts';

export function prepareOp(op: TrainingOp, context: OpContext): RunOp {
  // The table's entry and the op have the same name; TypeScript cannot follow a union through a lookup.
  return (PREPARE[op.op] as (op: TrainingOp, context: OpContext) => RunOp)(op, context);
}

const PREPARE: { readonly [Name in TrainingOpName]: (op: TrainingOpOf<Name>, context: OpContext) => RunOp } = {
  embed(op, context) {
    const [ids, out] = operands(op, context);
    const table = context.weight(op.weights[0]!);
    const [vocab = 0, dim = 0] = context.weightShape(op.weights[0]!);
    const kernel = context.module.kernel('takeTableRows');
    return ({ tokens }) => {
      if (!kernel(ids.address, tokens, table, vocab, dim, out.address)) {
        throw new PixelError('bad-argument', `A token is not in the vocabulary of ${vocab} tokens.`);
      }
    };
  },

  embedGradient(op, context) {
    const [ids, d] = op.in.map((name) => context.value(name));
    const out = context.value(op.out);
    const kernel = context.module.kernel('embedGradient');
    return ({ tokens }) => kernel(ids!.address, d!.address, tokens, out.rows ?? 0, out.width, out.address);
  },

  matmul(op, context) {
    const [x, out] = operands(op, context);
    const product = gemm(context);
    const matrix = context.weight(op.weights[0]!);
    const bias = op.weights[1] === undefined ? 0 : context.weight(op.weights[1]);
    const addBias = context.module.kernel('addToRows');
    return (entries) => {
      const rows = rowsOf(x, entries);
      product({
        m: rows,
        n: out.width,
        k: x.width,
        a: [x.address, 4 * x.width, 4],
        b: [matrix, 4, 4 * x.width],
        c: [out.address, 4 * out.width],
      });
      if (bias) addBias(out.address, rows, out.width, bias);
    };
  },

  matmulGradientInput(op, context) {
    const [d, out] = operands(op, context);
    const product = gemm(context);
    const matrix = context.weight(op.weights[0]!);
    return (entries) =>
      product({
        m: rowsOf(d, entries),
        n: out.width,
        k: d.width,
        a: [d.address, 4 * d.width, 4],
        b: [matrix, 4 * out.width, 4],
        c: [out.address, 4 * out.width],
      });
  },

  matmulGradientMatrix(op, context) {
    const [d, x] = op.in.map((name) => context.value(name));
    const out = context.value(op.out);
    const product = gemm(context);
    return (entries) =>
      product({
        m: d!.width,
        n: x!.width,
        k: rowsOf(d!, entries),
        a: [d!.address, 4, 4 * d!.width],
        b: [x!.address, 4 * x!.width, 4],
        c: [out.address, 4 * out.width],
      });
  },

  sumRows(op, context) {
    const [d, out] = operands(op, context);
    const kernel = context.module.kernel('sumRows');
    return (entries) => kernel(d.address, rowsOf(d, entries), d.width, out.address);
  },

  groupSums(op, context) {
    const [d, out] = operands(op, context);
    const { size } = op.attributes;
    const kernel = context.module.kernel('sumRows');
    return (entries) => kernel(d.address, (rowsOf(d, entries) * d.width) / size, size, out.address);
  },

  rmsNorm(op, context) {
    const [x, out] = operands(op, context);
    const { epsilon, size } = op.attributes;
    const gain = context.weight(op.weights[0]!);
    const kernel = context.module.kernel('rmsNorm');
    return (entries) => kernel(x.address, groupsOf(x, size, entries), size, gain, epsilon, out.address);
  },

  layerNorm(op, context) {
    const [x, out] = operands(op, context);
    const { epsilon, size } = op.attributes;
    const [gain, bias] = op.weights.map((name) => context.weight(name));
    const kernel = context.module.kernel('layerNorm');
    return (entries) => kernel(x.address, groupsOf(x, size, entries), size, gain!, bias!, epsilon, out.address);
  },

  rmsNormGradientInput: (op, context) => normGradientInput(op, context, 0),
  layerNormGradientInput: (op, context) => normGradientInput(op, context, 1),
  rmsNormGradientGain: (op, context) => normGradientGain(op, context, 0),
  layerNormGradientGain: (op, context) => normGradientGain(op, context, 1),

  rope: (op, context) => rotate(op, context, context.ropeTables.forward),
  ropeGradient: (op, context) => rotate(op, context, context.ropeTables.backward),

  selfAttention: prepareAttention,
  selfAttentionGradient: prepareAttentionGradient,

  takeColumns(op, context) {
    const [x, out] = operands(op, context);
    const { from, count } = op.attributes;
    const kernel = context.module.kernel('takeColumns');
    return (entries) => kernel(x.address + 4 * from, rowsOf(x, entries), x.width, count, out.address);
  },

  silu: valueByValue,
  gelu: valueByValue,
  gatedSilu: valueByValue,
  gatedGelu: valueByValue,
  add: valueByValue,
  mul: valueByValue,
  siluGradient: valueByValue,
  geluGradient: valueByValue,
  gatedSiluGradient: valueByValue,
  gatedGeluGradient: valueByValue,

  scale(op, context) {
    const [x, out] = operands(op, context);
    const kernel = context.module.kernel('scale');
    return (entries) => kernel(x.address, op.attributes.factor, rowsOf(x, entries) * x.width, out.address);
  },

  softmax: rowByRow,
  softmaxGradient: rowByRow,

  crossEntropy(op, context) {
    const [logits, targets] = op.in.map((name) => context.value(name));
    const out = context.value(op.out);
    const kernel = context.module.kernel('crossEntropy');
    return (entries) => {
      const { width, address } = logits!;
      if (!kernel(address, targets!.address, rowsOf(logits!, entries), width, out.address)) {
        throw new PixelError('bad-argument', `A target is not in the vocabulary of ${width} tokens.`);
      }
    };
  },

  crossEntropyGradient(op, context) {
    const [logits, targets, d] = op.in.map((name) => context.value(name));
    const out = context.value(op.out);
    const kernel = context.module.kernel('crossEntropyGradient');
    return (entries) =>
      kernel(logits!.address, targets!.address, d!.address, rowsOf(logits!, entries), out.width, out.address);
  },
};

/** Kernels of the op's own name, whose operands are its inputs, the number of values, and the result. */
function valueByValue(op: TrainingOp, context: OpContext): RunOp {
  const inputs = op.in.map((name) => context.value(name));
  const out = context.value(op.out);
  const kernel = context.module.kernel(op.op);
  return (entries) => kernel(...inputs.map(({ address }) => address), rowsOf(out, entries) * out.width, out.address);
}

/** Kernels of the op's own name, whose operands are its inputs, rows, their width, and the result. */
function rowByRow(op: TrainingOp, context: OpContext): RunOp {
  const inputs = op.in.map((name) => context.value(name));
  const out = context.value(op.out);
  const kernel = context.module.kernel(op.op);
  return (entries) => kernel(...inputs.map(({ address }) => address), rowsOf(out, entries), out.width, out.address);
}

type NormOp = TrainingOp & { readonly attributes: NormAttributes };

function normGradientInput(op: NormOp, context: OpContext, centred: number): RunOp {
  const [x, d] = op.in.map((name) => context.value(name));
  const out = context.value(op.out);
  const { epsilon, size } = op.attributes;
  const gain = context.weight(op.weights[0]!);
  const kernel = context.module.kernel('normGradientInput');
  return (entries) =>
    kernel(x!.address, d!.address, groupsOf(x!, size, entries), size, gain, epsilon, centred, out.address);
}

function normGradientGain(op: NormOp, context: OpContext, centred: number): RunOp {
  const [x, d] = op.in.map((name) => context.value(name));
  const out = context.value(op.out);
  const { epsilon, size } = op.attributes;
  const kernel = context.module.kernel('normGradientGain');
  return (entries) => kernel(x!.address, d!.address, groupsOf(x!, size, entries), size, epsilon, centred, out.address);
}

function rotate(
  op: TrainingOp & { readonly attributes: RopeAttributes },
  context: OpContext,
  tables: RopeTables,
): RunOp {
  const [x, positions] = op.in.map((name) => context.value(name));
  const out = context.value(op.out);
  const { headDim, rotaryDim, pairing } = op.attributes;
  const kernel = context.module.kernel('rope');
  const factors = op.weights[0] === undefined ? undefined : context.weight(op.weights[0]);
  const place = {
    rows: 'tokens' as const,
    width: 1,
    get address() {
      return positions!.address;
    },
  };
  const table = tables.use(op.attributes, op.in[1]!, place, factors);
  const adjacent = pairing === 'adjacent' ? 1 : 0;
  return ({ tokens }) => {
    const { cosines, sines } = table(tokens);
    kernel(x!.address, tokens, x!.width / headDim, headDim, rotaryDim / 2, adjacent, cosines, sines, out.address);
  };
}

interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Address, bytes from row to row, bytes from column to column. */
  readonly a: readonly [number, number, number];
  readonly b: readonly [number, number, number];
  readonly c: readonly [address: number, row: number];
}

function gemm({ module, scratch }: OpContext): (product: Product) => void {
  const kernel: Kernel = module.kernel('gemm');
  const bytes = module.kernel('gemmScratchBytes')();
  return ({ m, n, k, a, b, c }) => kernel(m, n, k, ...a, ...b, ...c, 0, scratch(bytes));
}

/** First input and result. */
function operands(op: TrainingOp, context: OpContext): [TrainingValue, TrainingValue] {
  return [context.value(op.in[0]!), context.value(op.out)];
}

function rowsOf({ rows }: TrainingValue, { tokens }: Entries): number {
  return rows ?? tokens;
}

function groupsOf(value: TrainingValue, size: number, entries: Entries): number {
  return (rowsOf(value, entries) * value.width) / size;
}
