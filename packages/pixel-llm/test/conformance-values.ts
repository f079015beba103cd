/** Conformance cases of the ops that work on rows or on single values. */
import type { Dimension, Op } from '../src/program/program.ts';
import { type ConformanceCase, randomRows, SIZES, simpleCase } from './conformance-case.ts';
import * as naive from './conformance-naive.ts';
import { randomWeight, seeded, type TestWeight } from './conformance-weights.ts';

/** Ops over rows: norms, softmax, takeRows, crossEntropy. */
export function rowCases(): ConformanceCase[] {
  return SIZES.flatMap((tokens, i) =>
    SIZES.flatMap((size, j) => {
      const random = seeded(300 + 5 * i + j);
      // Norms take groups: heads of a row.
      const width = size * (1 + (j % 3));
      const title = `${tokens} x ${width}`;
      const x = randomRows(tokens, width, random);
      const gain = randomWeight('gain', 'F32', [size], random);
      const bias = randomWeight('bias', 'F32', [size], random);
      const numbers = (weight: TestWeight): number[] => Array.from(weight.values);
      // Large enough that leaving it out shows.
      const attributes = { epsilon: 0.01, size };
      const outShape: Dimension[] = ['tokens', width];
      const kept = Array.from({ length: tokens }, (_, entry) => entry).filter((entry) => entry % 3 !== 1);
      const targets = Int32Array.from(x, (_, entry) => (entry % 4 === 3 ? -1 : Math.floor(random() * width)));
      const softmaxed = naive.naiveSoftmax(x);
      return [
        simpleCase(
          {
            title: `${title} in groups of ${size}`,
            op: { op: 'rmsNorm', in: ['x'], weights: ['gain'], out: 'out', attributes },
            inputs: { x },
            weights: [gain],
            outShape,
          },
          tokens,
          naive.naiveRmsNorm(x, numbers(gain), attributes.epsilon),
        ),
        simpleCase(
          {
            title: `${title} in groups of ${size}`,
            op: { op: 'layerNorm', in: ['x'], weights: ['gain', 'bias'], out: 'out', attributes },
            inputs: { x },
            weights: [gain, bias],
            outShape,
          },
          tokens,
          naive.naiveLayerNorm(x, numbers(gain), numbers(bias), attributes.epsilon),
        ),
        simpleCase(
          { title, op: { op: 'softmax', in: ['x'], weights: [], out: 'out', attributes: {} }, inputs: { x }, outShape },
          tokens,
          softmaxed,
        ),
        simpleCase(
          {
            title: `${kept.length} of ${title}`,
            op: { op: 'takeRows', in: ['x'], weights: [], out: 'out', attributes: {} },
            inputs: { x },
            outShape: ['outputs', width],
          },
          tokens,
          kept.map((entry) => x[entry]!),
          { outputEntries: kept },
        ),
        simpleCase(
          {
            title,
            op: { op: 'crossEntropy', in: ['x', 'targets'], weights: [], out: 'out', attributes: {} },
            inputs: { x, targets },
            outShape: ['tokens'],
          },
          tokens,
          [naive.naiveCrossEntropy(x, Array.from(targets))],
        ),
      ];
    }),
  );
}

type ValueOp = 'silu' | 'gelu' | 'gatedSilu' | 'gatedGelu' | 'add' | 'mul' | 'scale';

const VALUE_OPS: Readonly<Record<ValueOp, (a: number, b: number) => number>> = {
  silu: (a) => naive.naiveSilu(a),
  gelu: (a) => naive.naiveGelu(a),
  gatedSilu: (a, b) => naive.naiveSilu(a) * b,
  gatedGelu: (a, b) => naive.naiveGelu(a) * b,
  add: (a, b) => a + b,
  mul: (a, b) => a * b,
  scale: (a) => a * -1.7,
};

/** Ops that work value by value. */
export function valueCases(): ConformanceCase[] {
  return (Object.keys(VALUE_OPS) as ValueOp[]).flatMap((name) =>
    SIZES.flatMap((tokens, i) =>
      SIZES.map((width, j) => {
        const random = seeded(400 + 5 * i + j);
        const a = randomRows(tokens, width, random, 6);
        const b = randomRows(tokens, width, random);
        const isPair = ['gatedSilu', 'gatedGelu', 'add', 'mul'].includes(name);
        const base = { in: isPair ? ['a', 'b'] : ['a'], weights: [], out: 'out' };
        const op: Op =
          name === 'scale'
            ? { op: 'scale', ...base, attributes: { factor: -1.7 } }
            : { op: name, ...base, attributes: {} };
        return simpleCase(
          { title: `${tokens} x ${width}`, op, inputs: isPair ? { a, b } : { a }, outShape: ['tokens', width] },
          tokens,
          a.map((row, entry) => row.map((value, column) => VALUE_OPS[name](value, b[entry]![column]!))),
        );
      }),
    ),
  );
}
