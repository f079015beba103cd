/**
 * Cosines and sines of rotary embeddings, [tokens, pairs] each: nearly always the same for all layers, so computed once a step, in f64.
 */
import type { RopeAttributes } from '../../program/program.ts';
import { rotation } from '../reference/rope.ts';
import type { KernelModule } from './kernel-module.ts';
import type { PlacedValue } from './value-arena.ts';

/** Addresses of the two tables. */
export interface RopeTable {
  readonly cosines: number;
  readonly sines: number;
}

interface Entry {
  /** The step for which it was computed. */
  step: number;
  rows: number;
  table: RopeTable;
}

export class RopeTables {
  readonly #module: KernelModule;
  readonly #direction: 1 | -1;
  readonly #entries = new Map<string, Entry>();
  #step = 0;

  /** direction: -1 turns backwards, as gradients do. */
  constructor(module: KernelModule, direction: 1 | -1 = 1) {
    this.#module = module;
    this.#direction = direction;
  }

  /** Positions may have changed: forgets what was computed. */
  beginStep(): void {
    this.#step++;
  }

  /**
   * What gives the table for the first `rows` positions, [rows] i32. factors: address of [pairs] f32, if any; it must have been
   * filled by the time the table is asked for.
   */
  use(
    attributes: RopeAttributes,
    name: string,
    positions: PlacedValue,
    factors: number | undefined,
  ): (rows: number) => RopeTable {
    const key = JSON.stringify([
      attributes.rotaryDim,
      attributes.frequencyBase,
      attributes.linearFactor,
      attributes.yarn,
      name,
      factors,
    ]);
    const entry = this.#entries.get(key) ?? { step: -1, rows: 0, table: { cosines: 0, sines: 0 } };
    this.#entries.set(key, entry);
    let angles: ReturnType<typeof rotation> | undefined;
    return (rows) => {
      if (entry.step === this.#step) return entry.table;
      const pairs = attributes.rotaryDim / 2;
      angles ??= rotation(
        attributes,
        factors === undefined ? undefined : this.#module.f32.slice(factors / 4, factors / 4 + pairs),
      );
      if (rows > entry.rows) {
        entry.rows = rows;
        entry.table = { cosines: this.#module.take(4 * rows * pairs), sines: this.#module.take(4 * rows * pairs) };
      }
      this.#fill(entry.table, angles, positions, rows);
      entry.step = this.#step;
      return entry.table;
    };
  }

  #fill(
    { cosines, sines }: RopeTable,
    { frequencies, magnitude }: ReturnType<typeof rotation>,
    positions: PlacedValue,
    rows: number,
  ): void {
    const { f32, i32 } = this.#module;
    const pairs = frequencies.length;
    for (let row = 0; row < rows; row++) {
      const position = this.#direction * i32[positions.address / 4 + row]!;
      for (let i = 0; i < pairs; i++) {
        f32[cosines / 4 + row * pairs + i] = Math.cos(position * frequencies[i]!) * magnitude;
        f32[sines / 4 + row * pairs + i] = Math.sin(position * frequencies[i]!) * magnitude;
      }
    }
  }
}
