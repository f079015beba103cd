/** Conformance cases of rope: both pairings, partial rotation, every kind of scaling. */
import type { RopeAttributes, YarnAttributes } from '../src/program/program.ts';
import { type ConformanceCase, randomRows, SIZES, simpleCase } from './conformance-case.ts';
import { naiveRope } from './conformance-naive.ts';
import { randomWeight, seeded } from './conformance-weights.ts';

const YARN: YarnAttributes = {
  factor: 4,
  originalContext: 512,
  extrapolation: 1,
  attention: 1.2,
  betaFast: 32,
  betaSlow: 1,
};

const SCALINGS: Readonly<Record<string, { linearFactor: number; yarn?: YarnAttributes; factors?: boolean }>> = {
  plain: { linearFactor: 1 },
  linear: { linearFactor: 3.5 },
  'frequency factors': { linearFactor: 1, factors: true },
  yarn: { linearFactor: 1, yarn: YARN },
  'yarn without extrapolation, with factors': { linearFactor: 1, yarn: { ...YARN, extrapolation: 0 }, factors: true },
};

/** [rotaryDim, headDim, heads] */
const HEADS = [
  [2, 2, 1],
  [2, 3, 3],
  [30, 31, 2],
  [32, 33, 1],
  [64, 64, 2],
  [256, 257, 1],
] as const;

export function ropeCases(): ConformanceCase[] {
  return Object.entries(SCALINGS).flatMap(([scaling, { factors: hasFactors, ...scale }], i) =>
    HEADS.flatMap(([rotaryDim, headDim, heads], j) =>
      (['adjacent', 'halves'] as const).map((pairing) => {
        const random = seeded(500 + 10 * i + j);
        const tokens = SIZES[(i + j) % 5]!;
        const x = randomRows(tokens, heads * headDim, random);
        const positions = Int32Array.from({ length: tokens }, () => Math.floor(random() * 4000));
        const attributes: RopeAttributes = { rotaryDim, headDim, frequencyBase: 10_000, pairing, ...scale };
        const factors = hasFactors ? randomWeight('factors', 'F32', [rotaryDim / 2], random) : undefined;
        if (factors) for (const [k, value] of factors.values.entries()) factors.values[k] = 1 + 7 * Math.abs(value);
        if (factors) factors.blocks.set(new Uint8Array(factors.values.buffer));
        return simpleCase(
          {
            title: `${pairing}, ${scaling}, ${tokens} x ${heads} heads of ${rotaryDim} of ${headDim}`,
            op: { op: 'rope', in: ['x', 'at'], weights: factors ? ['factors'] : [], out: 'out', attributes },
            // Positions of their own, so that far ones are tried without pages for all before them.
            inputs: { x, at: positions },
            weights: factors ? [factors] : [],
            outShape: ['tokens', heads * headDim],
          },
          tokens,
          naiveRope(x, Array.from(positions), attributes, factors && Array.from(factors.values)),
        );
      }),
    ),
  );
}
