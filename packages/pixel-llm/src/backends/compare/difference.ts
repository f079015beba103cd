/** How far two devices' values are apart, and how far they may be. */
import type { Op, Program } from '../../program/program.ts';

export interface Difference {
  /** max|expected - found| / max|expected|; infinite where an id differs, or something is not a number on one side only. */
  readonly difference: number;
  /** Where the two are furthest apart: an index into the flat value. */
  readonly at: number;
  readonly expected: number;
  readonly found: number;
}

export function differenceOf(expected: Values, found: Values): Difference {
  if (expected.length !== found.length) return { difference: Infinity, at: 0, expected: Number.NaN, found: Number.NaN };
  let largest = 0;
  let furthest = -1;
  let at = 0;
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [expected[i]!, found[i]!];
    if (Math.abs(a) > largest) largest = Math.abs(a);
    const distance = Object.is(a, b) ? 0 : Math.abs(a - b);
    // Written so that a distance that is not a number counts as the furthest.
    if (distance <= furthest) continue;
    furthest = distance;
    at = i;
    if (Number.isNaN(distance)) break;
  }
  const difference = furthest <= 0 ? 0 : relative(furthest, largest, found);
  return { difference, at, expected: expected[at] ?? 0, found: found[at] ?? 0 };
}

export type Values = Float32Array | Int32Array;

function relative(furthest: number, largest: number, found: Values): number {
  if (found instanceof Int32Array || !Number.isFinite(furthest)) return Infinity;
  return furthest / largest;
}

/** Types that devices may widen to f16 when they load them: half a unit in the last of eleven bits. */
const WIDENED: ReadonlySet<string> = new Set(['Q2_K', 'IQ4_NL', 'IQ4_XS', 'F64']);
const WIDENED_TOLERANCE = 1e-3;

/** Sums of f32, in another order. */
const TOLERANCE = 2e-5;
/** A cache in f16 whose content cannot be read back: keys are known to half a unit in the last of eleven bits. */
const HALF_CACHE_TOLERANCE = 5e-3;

/** What the same op on the same inputs may differ by, relatively. */
export function toleranceOf(op: Op, program: Program, { knowsCache }: { knowsCache: boolean }): number {
  if (op.op === 'takeRows' || op.op === 'sample') return 0;
  if (op.op === 'attention' && !knowsCache) return HALF_CACHE_TOLERANCE;
  const types = op.weights.map((name) => program.weights.find((weight) => weight.name === name)?.type ?? '');
  return types.some((type) => WIDENED.has(type)) ? WIDENED_TOLERANCE : TOLERANCE;
}

/** What is kept in a cache: rounded to f16, or to 8 bits with a scale for each 32. */
export const CACHE_TOLERANCE: number = 1 / 127;

/** The whole model once more with nothing read back, as it runs for users: ops may be joined then. */
export const WHOLE_TOLERANCE: number = 1e-2;
