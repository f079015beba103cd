/** Conformance cases of the ops that read large weights: every type, awkward shapes. */
import { type ConformanceCase, randomRows, SIZES, simpleCase } from './conformance-case.ts';
import * as naive from './conformance-naive.ts';
import { randomWeight, seeded } from './conformance-weights.ts';

export function embedCases(type: string, blockElements: number): ConformanceCase[] {
  return SIZES.map((tokens, i) => {
    const random = seeded(100 + i);
    const dim = blockElements === 1 ? SIZES[4 - i]! : blockElements * (1 + (i % 3));
    const vocab = SIZES[(i + 2) % 5]!;
    const table = randomWeight('table', type, [vocab, dim], random);
    const ids = Int32Array.from({ length: tokens }, () => Math.floor(random() * vocab));
    const rows = naive.toRows(table.values, dim);
    return simpleCase(
      {
        title: `${tokens} tokens of ${type} ${vocab} x ${dim}`,
        op: { op: 'embed', in: ['ids'], weights: ['table'], out: 'out', attributes: {} },
        inputs: { ids },
        weights: [table],
        outShape: ['tokens', dim],
      },
      tokens,
      Array.from(ids, (id) => rows[id]!),
    );
  });
}

export function matmulCases(type: string, blockElements: number, exhaustive: boolean): ConformanceCase[] {
  const columnSizes = blockElements === 1 ? SIZES : [1, 2, 3].map((blocks) => blocks * blockElements);
  const shapes = exhaustive
    ? SIZES.flatMap((tokens) => SIZES.flatMap((rows) => columnSizes.map((columns) => ({ tokens, rows, columns }))))
    : SIZES.map((tokens, i) => ({ tokens, rows: SIZES[4 - i]!, columns: columnSizes[(i + 2) % columnSizes.length]! }));
  return shapes.flatMap((shape, i) =>
    (['f32', 'q8'] as const).map((activations) => matmulCase(type, shape, activations, i)),
  );
}

function matmulCase(
  type: string,
  { tokens, rows, columns }: { tokens: number; rows: number; columns: number },
  activations: 'f32' | 'q8',
  index: number,
): ConformanceCase {
  const random = seeded(200 + index);
  const matrix = randomWeight('matrix', type, [rows, columns], random);
  const bias = index % 2 === 0 ? randomWeight('bias', 'F32', [rows], random) : undefined;
  const x = randomRows(tokens, columns, random);
  const weights = bias ? [matrix, bias] : [matrix];
  const seen = activations === 'q8' ? naive.naiveQ8(x) : x;
  const matrixRows = naive.toRows(matrix.values, columns);
  const expected = naive.naiveMatmul(seen, matrixRows, bias && Array.from(bias.values));
  // A dot product of n unrelated numbers is about |a| |b| / sqrt(n).
  const usualSize = (longest(seen) * longest(matrixRows)) / Math.sqrt(columns);
  return simpleCase(
    {
      title: `${tokens} tokens, ${type} ${rows} x ${columns}${bias ? ' + bias' : ''}, ${activations} activations`,
      op: {
        op: 'matmul',
        in: ['x'],
        weights: weights.map(({ weight }) => weight.name),
        out: 'out',
        attributes: { activations },
      },
      inputs: { x },
      weights,
      outShape: ['tokens', rows],
    },
    tokens,
    expected,
    { usualSize },
  );
}

/** The greatest Euclidean length of a row. */
function longest(rows: naive.Rows): number {
  return Math.max(...rows.map((row) => Math.hypot(...row)));
}
