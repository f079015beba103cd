/**
 * One function an op: looks up once what never changes (addresses of weights, kernels), and returns what a step then does.
 * Program ops are as specified in program.ts; what a thread has of values and weights is as thread-plan.ts says.
 */
import type { Dimension, Op, OpName, OpOf } from '../../program/program.ts';
import { crossEntropy } from '../reference/cross-entropy.ts';
import type { Batch } from '../types.ts';
import type { KernelModule } from './kernel-module.ts';
import type { AttentionCall, HeadRows, KvCache, OwnHeads } from './kv-cache.ts';
import type { PackedMatrix } from './packed-matrix.ts';
import type { RopeTables } from './rope-tables.ts';
import { type PlacedValue, rowCount } from './value-arena.ts';

/** What an op's function can ask its thread for. */
export interface OpContext {
  readonly module: KernelModule;
  /** The op works on the columns that the thread has, not on whole values. */
  readonly inPart: boolean;
  readonly ropeTables: RopeTables;
  /** An input as the op reads it, or its result. */
  value(name: string): PlacedValue;
  matrix(name: string): PackedMatrix;
  /** First row of the matrix that is this thread's. */
  firstRow(name: string): number;
  /** Address of a weight kept in f32, whole and padded. */
  vector(name: string): number;
  cache(state: string): { readonly cache: KvCache; readonly own: OwnHeads };
  /** Address of at least that many bytes that any op may overwrite. */
  scratch(bytes: number): number;
  /** Where 8-bit activations go. Says whether those of this value are there already. */
  quantized(value: PlacedValue, blocks: number): { q: number; meta: number; isDone: boolean };
}

export type RunOp = (batch: Batch) => void;

export function prepareOp(op: Op, context: OpContext): RunOp {
  // The table's entry and the op have the same name; TypeScript cannot follow a union through a lookup.
  return (OPS[op.op] as (op: Op, context: OpContext) => RunOp)(op, context);
}

const OPS: { readonly [Name in OpName]: (op: OpOf<Name>, context: OpContext) => RunOp } = {
  embed(op, context) {
    const [ids, out] = [context.value(op.in[0]!), context.value(op.out)];
    const matrix = context.matrix(op.weights[0]!);
    const first = context.firstRow(op.weights[0]!);
    return (batch) => {
      const count = rowsOf(ids.rows, batch);
      const scratch = context.scratch(matrix.scratchBytes);
      for (let i = 0; i < count; i++) {
        const row = context.module.i32[ids.address / 4 + i]! - first;
        if (row >= 0 && row < matrix.rows) matrix.row(row, out.address + 4 * out.width * i, scratch);
      }
    };
  },

  takeRows(op, context) {
    const [x, out] = operands(op, context);
    return ({ outputEntries }) => {
      outputEntries.forEach((entry, row) => {
        const from = (x.address + 4 * x.width * entry) / 4;
        context.module.f32.copyWithin((out.address + 4 * out.width * row) / 4, from, from + x.width);
      });
    };
  },

  rmsNorm(op, context) {
    const [x, out] = operands(op, context);
    const { size, epsilon } = op.attributes;
    const kernel = context.module.kernel('rmsNorm');
    const gain = context.vector(op.weights[0]!);
    return (batch) => kernel(x.address, valueCount(x, batch) / size, size, gain, epsilon, out.address);
  },

  layerNorm(op, context) {
    const [x, out] = operands(op, context);
    const { size, epsilon } = op.attributes;
    const kernel = context.module.kernel('layerNorm');
    const [gain, bias] = op.weights.map((name) => context.vector(name));
    return (batch) => kernel(x.address, valueCount(x, batch) / size, size, gain!, bias!, epsilon, out.address);
  },

  matmul(op, context) {
    const [x, out] = operands(op, context);
    const [name = '', biasName] = op.weights;
    const matrix = context.matrix(name);
    const bias = biasName === undefined ? 0 : context.vector(biasName) + 4 * context.firstRow(name);
    const roundRows = context.module.kernel('roundRows');
    const quantizeRows = context.module.kernel('quantizeRows');
    const { columns, format } = matrix;
    return (batch) => {
      const tokens = rowsOf(x.rows, batch);
      if (tokens === 0 || matrix.rows === 0) return;
      if (format.isInteger) {
        const blocks = (tokens * columns) / 32;
        const { q, meta, isDone } = context.quantized(x, blocks);
        if (!isDone) quantizeRows(x.address, blocks, q, meta);
        matrix.product({
          tokens,
          x: 0,
          quantized: q,
          meta,
          out: out.address,
          bias,
          scratch: context.scratch(matrix.productScratchBytes(tokens)),
        });
        return;
      }
      let from = x.address;
      if (op.attributes.activations === 'q8') {
        from = context.scratch(4 * tokens * columns + 64);
        roundRows(x.address, tokens, columns, from);
      }
      matrix.product({ tokens, x: from, quantized: 0, meta: 0, out: out.address, bias, scratch: 0 });
    };
  },

  rope(op, context) {
    const [x] = operands(op, context);
    const out = context.value(op.out);
    const { headDim, rotaryDim, pairing } = op.attributes;
    const kernel = context.module.kernel('rope');
    const factors = op.weights[0] === undefined ? undefined : context.vector(op.weights[0]);
    const table = context.ropeTables.use(op.attributes, op.in[1]!, context.value(op.in[1]!), factors);
    const adjacent = pairing === 'adjacent' ? 1 : 0;
    return (batch) => {
      const rows = rowsOf(x.rows, batch);
      const { cosines, sines } = table(rows);
      kernel(x.address, rows, x.width / headDim, headDim, rotaryDim / 2, adjacent, cosines, sines, out.address);
    };
  },

  attention(op, context) {
    const { headDim, state } = op.attributes;
    const { cache, own } = context.cache(state);
    const starts = [own.heads[0], own.kvHeads[0], own.kvHeads[0]];
    const inputs = op.in.map((name) => context.value(name));
    const out = context.value(op.out);
    const rowsFrom = (value: PlacedValue, head: number): HeadRows => ({
      address: value.address + 4 * headDim * head,
      stride: 4 * value.width,
    });
    return (batch) => {
      const [q, k, v] = inputs.map((value, i) => rowsFrom(value, context.inPart ? 0 : starts[i]!));
      const call: Omit<AttentionCall, 'scratch'> = { q: q!, k: k!, v: v!, out: rowsFrom(out, 0), batch };
      cache.attend({ ...call, scratch: context.scratch(cache.scratchBytes(batch.positions.length)) });
    };
  },

  silu: unary('silu'),
  gelu: unary('gelu'),
  gatedSilu: binary('gatedSilu'),
  gatedGelu: binary('gatedGelu'),
  add: binary('add'),
  mul: binary('mul'),

  scale(op, context) {
    const [x, out] = operands(op, context);
    const kernel = context.module.kernel('scale');
    return (batch) => kernel(x.address, op.attributes.factor, valueCount(x, batch), out.address);
  },

  softmax(op, context) {
    const [x, out] = operands(op, context);
    const kernel = context.module.kernel('softmax');
    return (batch) => kernel(x.address, rowsOf(x.rows, batch), x.width, out.address);
  },

  /** Done by the executor, from the logits. */
  sample: () => () => undefined,

  crossEntropy(op, context) {
    const [logits, targets] = op.in.map((name) => context.value(name));
    const out = context.value(op.out);
    return (batch) => {
      const { f32, i32 } = context.module;
      const rows = rowsOf(logits!.rows, batch);
      const values = f32.subarray(logits!.address / 4, logits!.address / 4 + rows * logits!.width);
      const ids = i32.subarray(targets!.address / 4, targets!.address / 4 + rows);
      f32.set(crossEntropy(values, ids, logits!.width), out.address / 4);
    };
  },
};

function unary(name: 'silu' | 'gelu') {
  return (op: Op, context: OpContext): RunOp => {
    const [x, out] = operands(op, context);
    const kernel = context.module.kernel(name);
    return (batch) => kernel(x.address, valueCount(x, batch), out.address);
  };
}

function binary(name: 'gatedSilu' | 'gatedGelu' | 'add' | 'mul') {
  return (op: Op, context: OpContext): RunOp => {
    const [a, b] = op.in.map((value) => context.value(value));
    const out = context.value(op.out);
    const kernel = context.module.kernel(name);
    return (batch) => kernel(a!.address, b!.address, valueCount(a!, batch), out.address);
  };
}

/** First input and result. */
function operands(op: Op, context: OpContext): [PlacedValue, PlacedValue] {
  return [context.value(op.in[0]!), context.value(op.out)];
}

function rowsOf(rows: Dimension, { positions, outputEntries }: Batch): number {
  return rowCount(rows, { tokens: positions.length, outputs: outputEntries.length });
}

function valueCount({ rows, width }: PlacedValue, batch: Batch): number {
  return rowsOf(rows, batch) * width;
}
