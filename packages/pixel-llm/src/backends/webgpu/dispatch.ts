/** What a plan is made of: dispatches, where their bindings lie, and what is known while they are chosen. */
import type { Program } from '../../program/program.ts';
import type { DeviceTraits, Kernel } from './kernels/kernel.ts';
import type { KvCache } from './kv-cache.ts';
import type { WeightStore } from './weight-store.ts';

/** Where a binding lies: a value, a region of the step's inputs, or a buffer that never changes. */
export type Place = { readonly value: string } | { readonly region: string } | { readonly binding: GPUBufferBinding };

export interface Dispatch {
  readonly kernel: Kernel;
  readonly places: Readonly<Record<string, Place>>;
}

/** What a value's rows are. */
export type Leading = 'tokens' | 'outputs';

/** What kernels depend on, of the sizes of a pass. */
export interface RowsClass {
  /** The most rows there can be. */
  readonly rows: number;
  /** Whether entries see so far that attention is worth splitting. */
  readonly isLong: boolean;
  /** Whether most entries have neighbours of their own sequence, with whom they share keys and values. */
  readonly isPrompt: boolean;
}

export interface StageContext {
  readonly program: Program;
  readonly traits: DeviceTraits;
  readonly weights: WeightStore;
  readonly cache: KvCache;
  /** Values a row of a value, those that only the plan has included. */
  widthOf(value: string): number;
  leadingOf(value: string): Leading;
}
