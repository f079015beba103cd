/** Cosines and sines of a batch's angles, computed here in f64: what drivers make of large angles differs. */
import type { RopeAttributes } from '../../program/program.ts';
import { rotation } from '../reference/rope.ts';

/** What a table depends on; ops that agree in it share one. */
export interface AngleTable {
  /** The value that holds the positions. */
  readonly positions: string;
  readonly rope: RopeAttributes;
  /** The weight with the frequency factors. */
  readonly factors?: string | undefined;
}

/** The region of the step's inputs where the table lies. */
export function angleRegion({ positions, rope, factors = '' }: AngleTable): string {
  const { headDim: _, pairing: __, ...turning } = rope;
  return `angles:${positions}:${factors}:${JSON.stringify(turning)}`;
}

/** Computes tables for positions, from frequencies that are computed once. */
export class AngleComputer {
  readonly pairs: number;
  readonly #frequencies: Float64Array;
  readonly #magnitude: number;

  constructor(rope: RopeAttributes, factors: Float32Array | undefined) {
    const { frequencies, magnitude } = rotation(rope, factors);
    this.pairs = frequencies.length;
    this.#frequencies = frequencies;
    this.#magnitude = magnitude;
  }

  /** (cosine, sine) [positions, pairs] */
  table(positions: Int32Array): Float32Array {
    const table = new Float32Array(2 * positions.length * this.pairs);
    let at = 0;
    for (const position of positions) {
      for (const frequency of this.#frequencies) {
        const angle = position * frequency;
        table[at++] = Math.cos(angle) * this.#magnitude;
        table[at++] = Math.sin(angle) * this.#magnitude;
      }
    }
    return table;
  }
}
