/**
 * The conformance table of training: every op that only training has, as a training Program of one op. What must come out is taken from
 * the forward formulas (conformance-naive.ts) by central differences in f64, so it shares nothing with any gradient written by hand.
 */
import type { LoadTraining, TrainingBatch } from '../src/backends/training-types.ts';
import type { Dimension, ProgramValue } from '../src/program/program.ts';
import type { GradientOp, SelfAttentionAttributes, TrainingProgram } from '../src/program/training-program.ts';
import { flatInputs, type OneOp, randomRows } from './conformance-case.ts';
import * as naive from './conformance-naive.ts';
import { memoryWeights, randomWeight, seeded, type TestWeight } from './conformance-weights.ts';

export interface GradientCase {
  readonly title: string;
  readonly op: GradientOp['op'];
  readonly program: TrainingProgram;
  readonly weights: readonly TestWeight[];
  readonly batch: TrainingBatch;
  readonly expected: readonly number[];
  /** How large such results usually are: ones that cancel out are judged by this. */
  readonly usualSize: number;
}

interface GradientSpec {
  readonly title: string;
  readonly op: GradientOp;
  readonly inputs: OneOp['inputs'];
  readonly weights?: readonly TestWeight[];
  readonly outShape: readonly Dimension[];
  readonly expected: naive.Rows;
  /** Default: all entries are one sequence. */
  readonly sequences?: readonly number[];
  readonly usualSize?: number;
}

/** [tokens, width] */
const SHAPES = [
  [1, 1],
  [3, 7],
  [7, 33],
  [33, 4],
  [65, 16],
] as const;

/** Runs a case and returns max|a - b| / max|expected|. */
export async function gradientDifference(
  load: LoadTraining,
  { program, weights, batch, expected, usualSize }: GradientCase,
): Promise<number> {
  const executor = await load(program, memoryWeights(weights));
  const { gradients } = await executor.gradients([batch]);
  await executor.dispose();
  const actual = gradients.get('of');
  if (actual?.length !== expected.length) return Infinity;
  const size = expected.reduce((most, value) => Math.max(most, Math.abs(value)), usualSize);
  const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - (actual[i] ?? Number.NaN))), 0);
  return Number.isNaN(worst) ? Infinity : worst / size;
}

export function gradientCases(): GradientCase[] {
  return SHAPES.flatMap(([tokens, width], i) => [
    ...productCases(tokens, width, 700 + 20 * i),
    ...normCases(tokens, width, 701 + 20 * i),
    ...activationCases(tokens, width, 702 + 20 * i),
    ...lossCases(tokens, width, 703 + 20 * i),
    ...ropeCases(tokens, 704 + 20 * i),
  ]).concat(attentionCases());
}

/** d' J, J being the Jacobian of `f` at x: what a gradient is, by its definition. */
function pullBack(f: (x: number[][]) => naive.Rows, x: naive.Rows, d: naive.Rows): number[][] {
  const at = x.map((row) => [...row]);
  const step = 1e-5;
  const flatD = d.flat();
  const along = (row: number, column: number, value: number): number => {
    at[row]![column] = value;
    return f(at)
      .flat()
      .reduce((sum, y, i) => sum + y * flatD[i]!, 0);
  };
  return x.map((values, row) =>
    values.map((value, column) => {
      const slope = (along(row, column, value + step) - along(row, column, value - step)) / (2 * step);
      at[row]![column] = value;
      return slope;
    }),
  );
}

function productCases(tokens: number, width: number, seed: number): GradientCase[] {
  const random = seeded(seed);
  const rows = 1 + ((7 * width) % 37);
  const matrix = randomWeight('matrix', 'F32', [rows, width], random);
  const matrixRows = naive.toRows(matrix.values, width);
  const [x, d] = [randomRows(tokens, width, random), randomRows(tokens, rows, random)];
  const ids = Int32Array.from({ length: tokens }, () => Math.floor(random() * rows));
  const lookUp = (table: naive.Rows): naive.Rows => Array.from(ids, (id) => table[id]!);
  const dRows = randomRows(tokens, width, random);
  const title = `${tokens} tokens, ${rows} x ${width}`;
  const none = { weights: [], out: 'out', attributes: {} } as const;
  const biasSums = pullBack(([bias]) => naive.naiveMatmul(x, matrixRows, bias), [matrixRows.map(() => 0)], d);
  return [
    caseOf({
      title,
      op: { ...none, op: 'matmulGradientInput', in: ['d'], weights: ['matrix'] },
      inputs: { d },
      weights: [matrix],
      outShape: ['tokens', width],
      expected: pullBack((at) => naive.naiveMatmul(at, matrixRows), x, d),
    }),
    caseOf({
      title,
      op: { ...none, op: 'matmulGradientMatrix', in: ['d', 'x'] },
      inputs: { d, x },
      outShape: [rows, width],
      expected: pullBack((at) => naive.naiveMatmul(x, at), matrixRows, d),
    }),
    caseOf({ title, op: { ...none, op: 'sumRows', in: ['d'] }, inputs: { d }, outShape: [rows], expected: biasSums }),
    caseOf({
      title,
      op: { ...none, op: 'embedGradient', in: ['ids', 'd'], weights: ['matrix'] },
      inputs: { ids, d: dRows },
      weights: [matrix],
      outShape: [rows, width],
      expected: pullBack(lookUp, matrixRows, dRows),
    }),
    caseOf({
      title,
      op: {
        ...none,
        op: 'takeColumns',
        in: ['x'],
        attributes: { from: Math.floor(width / 3), count: Math.ceil(width / 2) },
      },
      inputs: { x },
      outShape: ['tokens', Math.ceil(width / 2)],
      expected: x.map((row) => row.slice(Math.floor(width / 3), Math.floor(width / 3) + Math.ceil(width / 2))),
    }),
  ];
}

function normCases(tokens: number, size: number, seed: number): GradientCase[] {
  const random = seeded(seed);
  const width = size * (1 + (tokens % 3));
  const [x, d] = [randomRows(tokens, width, random), randomRows(tokens, width, random)];
  const gain = randomWeight('gain', 'F32', [size], random);
  const gains = Array.from(gain.values);
  const bias = gains.map(() => 0);
  const attributes = { epsilon: 0.01, size };
  const rms = (at: naive.Rows, g: readonly number[]): naive.Rows => naive.naiveRmsNorm(at, g, 0.01);
  const layer = (at: naive.Rows, g: readonly number[], b = bias): naive.Rows => naive.naiveLayerNorm(at, g, b, 0.01);
  const title = `${tokens} x ${width} in groups of ${size}`;
  return [
    ...(['rms', 'layer'] as const).flatMap((kind) => {
      const norm = kind === 'rms' ? rms : layer;
      return [
        caseOf({
          title,
          op: { op: `${kind}NormGradientInput`, in: ['x', 'd'], weights: ['gain'], out: 'out', attributes },
          inputs: { x, d },
          weights: [gain],
          outShape: ['tokens', width],
          expected: pullBack((at) => norm(at, gains), x, d),
          // In a group of one, what the value gives and what the norm takes back are nearly the same.
          usualSize: 1,
        }),
        caseOf({
          title,
          op: { op: `${kind}NormGradientGain`, in: ['x', 'd'], weights: [], out: 'out', attributes },
          inputs: { x, d },
          outShape: [size],
          expected: pullBack(([g]) => norm(x, g!), [gains], d),
        }),
      ];
    }),
    caseOf({
      title,
      op: { op: 'groupSums', in: ['d'], weights: [], out: 'out', attributes: { size } },
      inputs: { d },
      outShape: [size],
      expected: pullBack(([b]) => layer(x, gains, b), [bias], d),
    }),
  ];
}

function activationCases(tokens: number, width: number, seed: number): GradientCase[] {
  const random = seeded(seed);
  const [x, up, d] = [
    randomRows(tokens, width, random, 4),
    randomRows(tokens, width, random),
    randomRows(tokens, width, random),
  ];
  const title = `${tokens} x ${width}`;
  const outShape: Dimension[] = ['tokens', width];
  const y = naive.naiveSoftmax(x);
  const none = { weights: [], out: 'out', attributes: {} } as const;
  const each = (f: (value: number) => number) => (rows: naive.Rows) => rows.map((row) => row.map(f));
  return [
    ...(['silu', 'gelu'] as const).flatMap((name) => {
      const act = name === 'silu' ? naive.naiveSilu : naive.naiveGelu;
      const gated = (at: naive.Rows): naive.Rows => at.map((row, t) => row.map((value, i) => act(value) * up[t]![i]!));
      const gatedOp = name === 'silu' ? 'gatedSiluGradient' : 'gatedGeluGradient';
      return [
        caseOf({
          title,
          op: { ...none, op: `${name}Gradient`, in: ['x', 'd'] },
          inputs: { x, d },
          outShape,
          expected: pullBack(each(act), x, d),
        }),
        caseOf({
          title,
          op: { ...none, op: gatedOp, in: ['x', 'up', 'd'] },
          inputs: { x, up, d },
          outShape,
          expected: pullBack(gated, x, d),
        }),
      ];
    }),
    caseOf({
      title,
      op: { ...none, op: 'softmaxGradient', in: ['y', 'd'] },
      inputs: { y: y.map((row) => row.map(Math.fround)), d },
      outShape,
      expected: pullBack(naive.naiveSoftmax, x, d),
    }),
  ];
}

function lossCases(tokens: number, vocab: number, seed: number): GradientCase[] {
  const random = seeded(seed);
  const x = randomRows(tokens, vocab, random, 4);
  const d = randomRows(tokens, 1, random);
  const targets = Int32Array.from(x, (_, entry) => (entry % 4 === 3 ? -1 : Math.floor(random() * vocab)));
  return [
    caseOf({
      title: `${tokens} x ${vocab}`,
      op: { op: 'crossEntropyGradient', in: ['x', 'targets', 'weights'], weights: [], out: 'out', attributes: {} },
      inputs: { x, targets, weights: d },
      outShape: ['tokens', vocab],
      expected: pullBack((at) => naive.naiveCrossEntropy(at, Array.from(targets)).map((loss) => [loss]), x, d),
    }),
  ];
}

function ropeCases(tokens: number, seed: number): GradientCase[] {
  const random = seeded(seed);
  const positions = Int32Array.from({ length: tokens }, () => Math.floor(random() * 500));
  return (['adjacent', 'halves'] as const).map((pairing) => {
    const attributes = { rotaryDim: 6, headDim: 7, frequencyBase: 10_000, pairing, linearFactor: 1 };
    const d = randomRows(tokens, 14, random);
    return caseOf({
      title: `${pairing}, ${tokens} tokens`,
      op: { op: 'ropeGradient', in: ['d', 'at'], weights: [], out: 'out', attributes },
      inputs: { d, at: positions },
      outShape: ['tokens', 14],
      expected: pullBack(
        (x) => naive.naiveRope(x, Array.from(positions), attributes),
        d.map((row) => row.map(() => 0)),
        d,
      ),
    });
  });
}

const ATTENTION: readonly Omit<SelfAttentionAttributes, 'scale'>[] = [
  { heads: 1, kvHeads: 1, headDim: 1 },
  { heads: 4, kvHeads: 2, headDim: 3 },
  { heads: 3, kvHeads: 1, headDim: 8, window: 4 },
  { heads: 2, kvHeads: 2, headDim: 5, softcap: 0.7 },
];

/** Two or three sequences beside each other; none sees the others. */
function attentionCases(): GradientCase[] {
  return ATTENTION.flatMap((variant, i) =>
    [[1], [1, 6, 9], [13]].flatMap((lengths, j) => {
      const random = seeded(800 + 10 * i + j);
      const { heads, kvHeads, headDim } = variant;
      const attributes: SelfAttentionAttributes = { ...variant, scale: 1 / Math.sqrt(headDim) };
      const sequences = lengths.flatMap((length, sequence) => Array.from({ length }, () => 5 - sequence));
      const rows = (width: number): number[][] => randomRows(sequences.length, width * headDim, random);
      const [q, k, v, d] = [rows(heads), rows(kvHeads), rows(kvHeads), rows(heads)];
      const attend = (at: { q: naive.Rows; k: naive.Rows; v: naive.Rows }): naive.Rows =>
        naiveSelfAttention(at, sequences, attributes);
      const dq = pullBack((x) => attend({ q: x, k, v }), q, d);
      const dk = pullBack((x) => attend({ q, k: x, v }), k, d);
      const dv = pullBack((x) => attend({ q, k, v: x }), v, d);
      const title = `${JSON.stringify(variant)}, sequences of ${lengths}`;
      const shared = { weights: [], out: 'out', attributes } as const;
      return [
        caseOf({
          title,
          op: { ...shared, op: 'selfAttention', in: ['q', 'k', 'v'] },
          inputs: { q, k, v },
          outShape: ['tokens', heads * headDim],
          expected: attend({ q, k, v }),
          sequences,
        }),
        caseOf({
          title,
          op: { ...shared, op: 'selfAttentionGradient', in: ['q', 'k', 'v', 'd'] },
          inputs: { q, k, v, d },
          outShape: ['tokens', (heads + 2 * kvHeads) * headDim],
          expected: dq.map((row, entry) => [...row, ...dk[entry]!, ...dv[entry]!]),
          sequences,
        }),
      ];
    }),
  );
}

function naiveSelfAttention(
  { q, k, v }: { q: naive.Rows; k: naive.Rows; v: naive.Rows },
  sequences: readonly number[],
  { heads, kvHeads, headDim, scale, softcap, window = Infinity }: SelfAttentionAttributes,
): naive.Rows {
  return q.map((row, entry) =>
    Array.from({ length: heads }, (_, head) => {
      const from = Math.floor(head / (heads / kvHeads)) * headDim;
      const isSeen = (_row: unknown, other: number): boolean =>
        other <= entry && other > entry - window && sequences[other] === sequences[entry];
      const seen = (rows: naive.Rows): naive.Rows =>
        rows.filter(isSeen).map((other) => other.slice(from, from + headDim));
      const query = row.slice(head * headDim, (head + 1) * headDim);
      return naive.naiveAttendHead(query, { keys: seen(k), values: seen(v) }, scale, softcap);
    }).flat(),
  );
}

function caseOf({
  title,
  op,
  inputs,
  weights = [],
  outShape,
  expected,
  sequences,
  usualSize = 1e-3,
}: GradientSpec): GradientCase {
  const values = Object.entries(inputs).map(([name, value]): ProgramValue => {
    if (value instanceof Int32Array) return { name, shape: ['tokens'], type: 'i32' };
    const width = value[0]?.length ?? 1;
    return { name, shape: name === 'weights' ? ['tokens'] : ['tokens', width] };
  });
  const tokens = Object.values(inputs)[0]!.length;
  const noLoss: ProgramValue = { name: 'noLoss', shape: ['tokens'] };
  return {
    title: `${op.op} ${title}`,
    op: op.op,
    program: {
      weights: weights.map(({ weight }) => weight),
      values: [...values, noLoss, { name: 'out', shape: outShape }],
      ops: [op],
      inputs: [...Object.keys(inputs), noLoss.name],
      loss: noLoss.name,
      gradients: [{ weight: 'of', value: 'out' }],
    },
    weights,
    batch: {
      sequences: Int32Array.from({ length: tokens }, (_, entry) => sequences?.[entry] ?? 0),
      inputs: { ...flatInputs(inputs), noLoss: new Float32Array(tokens) },
    },
    expected: expected.flat(),
    usualSize,
  };
}
