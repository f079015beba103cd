/** What an op of a training Program is prepared from, and what running it means. */
import type { KernelModule } from '../kernel-module.ts';
import type { RopeTables } from '../rope-tables.ts';
import type { TrainingValue } from './training-values.ts';

/** The entries of a batch. */
export interface Entries {
  readonly tokens: number;
  /** First and end entry of each sequence. */
  readonly sequences: readonly (readonly [first: number, end: number])[];
}

export interface OpContext {
  readonly module: KernelModule;
  /** Rotations, and the same backwards: positions negated. */
  readonly ropeTables: { readonly forward: RopeTables; readonly backward: RopeTables };
  value(name: string): TrainingValue;
  /** Address of a weight [rows, columns] or [columns], its length padded. */
  weight(name: string): number;
  weightShape(name: string): readonly number[];
  /** Address of `bytes` of scratch; what was there is lost. */
  scratch(bytes: number): number;
}

export type RunOp = (entries: Entries) => void;
