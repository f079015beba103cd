/** What a conformance case is, how one is made for a single op, and how a backend is put through it. */
import type { Backend, Batch } from '../src/backends/types.ts';
import type { Dimension, Op, OpName, Program, ProgramState } from '../src/program/program.ts';
import type { Rows } from './conformance-naive.ts';
import { memoryWeights, type Random, type TestWeight } from './conformance-weights.ts';

export interface ConformanceStep {
  readonly batch: Batch;
  /** The value `out`, flat. */
  readonly expected: readonly number[];
  /** How large such results usually are: a single one that cancels out is judged by this, not by its own size. */
  readonly usualSize?: number;
}

export interface ConformanceCase {
  readonly title: string;
  readonly op: OpName;
  readonly program: Program;
  readonly weights: readonly TestWeight[];
  /** Run one after another on the same executor. */
  readonly steps: readonly ConformanceStep[];
}

/** KV positions a page holds in these cases: small, so that sequences of a few tokens span several pages. */
export const PAGE_TOKENS = 4;

export const SIZES = [1, 3, 31, 33, 257] as const;

/** Runs a case and returns max|a - b| / max|expected| over its steps; ids must be equal, so one wrong id is an infinite difference. */
export async function relativeDifference(
  backend: Backend,
  { program, weights, steps }: ConformanceCase,
): Promise<number> {
  const pageCount = 1 + Math.max(-1, ...steps.flatMap(({ batch }) => batch.pages.flat()));
  const executor = await backend.load(program, memoryWeights(weights), { pageCount, pageTokens: PAGE_TOKENS });
  let worst = 0;
  for (const { batch, expected, usualSize = 0 } of steps) {
    const { values } = await executor.step(batch, { readBack: ['out'] });
    const actual = values.get('out');
    if (actual?.length !== expected.length) return Infinity;
    const distance = expected.reduce((most, value, i) => larger(most, Math.abs(value - actual[i]!)), 0);
    const size = expected.reduce((most, value) => Math.max(most, Math.abs(value)), usualSize);
    const isId = actual instanceof Int32Array;
    worst = larger(worst, distance === 0 ? 0 : isId ? Infinity : distance / size);
  }
  await executor.dispose();
  return worst;
}

export interface OneOp {
  readonly title: string;
  readonly op: Op;
  /** The op's inputs by name; f32 rows [T, n], or i32 [T]. */
  readonly inputs: Readonly<Record<string, Rows | Int32Array>>;
  readonly weights?: readonly TestWeight[];
  readonly state?: readonly ProgramState[];
  readonly outShape: readonly Dimension[];
  readonly leading?: 'tokens' | 'outputs';
  readonly vocab?: number;
}

/** The Program of one op; its result is called `out`. */
export function oneOpProgram({
  op,
  inputs,
  weights = [],
  state = [],
  outShape,
  leading = 'tokens',
  vocab = 1,
}: OneOp): Program {
  const isIds = op.op === 'sample';
  return {
    formatVersion: 1,
    architecture: 'one op',
    vocab,
    contextLength: 4096,
    weights: weights.map(({ weight }) => weight),
    state,
    values: [
      ...Object.entries(inputs).map(([name, value]) =>
        value instanceof Int32Array
          ? ({ name, shape: [leading], type: 'i32' } as const)
          : { name, shape: [leading, value[0]?.length ?? 1] },
      ),
      isIds ? { name: 'out', shape: outShape, type: 'i32' } : { name: 'out', shape: outShape },
    ],
    ops: [op],
    inputs: Object.keys(inputs),
    outputs: ['out'],
  };
}

/** Inputs as a batch carries them: f32 rows flat. */
export function flatInputs(inputs: OneOp['inputs']): Batch['inputs'] {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [
      name,
      value instanceof Int32Array ? value : Float32Array.from(value.flat()),
    ]),
  );
}

/** f32 numbers in [-size, size). */
export function randomRows(rows: number, width: number, random: Random, size = 2): number[][] {
  return Array.from({ length: rows }, () =>
    Array.from({ length: width }, () => Math.fround(size * (2 * random() - 1))),
  );
}

/** A case of one step, with all entries in one sequence, and all wanted unless said otherwise. */
export function simpleCase(
  spec: OneOp,
  tokens: number,
  expected: Rows,
  { outputEntries, usualSize = 0 }: { outputEntries?: readonly number[]; usualSize?: number } = {},
): ConformanceCase {
  const entries = Int32Array.from({ length: tokens }, (_, i) => i);
  const batch: Batch = {
    sequences: new Int32Array(tokens),
    positions: entries,
    pages: [[]],
    outputEntries: outputEntries ? Int32Array.from(outputEntries) : entries,
    inputs: flatInputs(spec.inputs),
  };
  return {
    title: `${spec.op.op} ${spec.title}`,
    op: spec.op.op,
    program: oneOpProgram(spec),
    weights: spec.weights ?? [],
    steps: [{ batch, expected: expected.flat(), usualSize }],
  };
}

/** Keeps a number that is not one, where Math.max over a reduce would too, but a comparison would not. */
function larger(a: number, b: number): number {
  return Number.isNaN(b) ? Infinity : Math.max(a, b);
}
