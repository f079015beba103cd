/**
 * Where a thread's values lie: one stretch of memory, planned from the Program, in which values that are never needed at the same
 * time share a place. It is laid out again when a batch is larger than all before it.
 */
import type { Dimension, Program } from '../../program/program.ts';
import { firstFit, type Lifetime } from './first-fit.ts';
import type { KernelModule } from './kernel-module.ts';
import type { ThreadPlan } from './thread-plan.ts';

/** The lengths of a batch. */
export interface BatchSizes {
  readonly tokens: number;
  readonly outputs: number;
}

/** A value, or what a thread has of it: [rows, width], rows one after another. */
export interface PlacedValue {
  readonly rows: Dimension;
  /** Columns this thread has. */
  readonly width: number;
  /** Byte address. */
  address: number;
}

interface Place extends PlacedValue {
  /** First and last step that needs it. */
  readonly from: number;
  to: number;
}

/** Values are padded by this, for kernels that work in vectors. */
const PADDING = 64;

export class ValueArena {
  readonly #module: KernelModule;
  readonly #places = new Map<string, Place>();
  #start = 0;
  #bytes = 0;
  #sizes: BatchSizes = { tokens: 0, outputs: 0 };

  constructor(module: KernelModule, program: Program, plan: ThreadPlan, thread: number) {
    this.#module = module;
    const shapes = new Map(program.values.map(({ name, shape }) => [name, shape]));
    const note = (key: string, value: string, width: number | undefined, step: number): void => {
      const known = this.#places.get(key);
      if (known) known.to = step;
      else {
        const [rows = 1, ...rest] = shapes.get(value)!;
        const whole = rest.reduce<number>((product, size) => product * Number(size), 1);
        this.#places.set(key, { rows, width: width ?? whole, address: 0, from: step, to: step });
      }
    };
    const own = (value: string): number | undefined => {
      const cuts = plan.columnCuts.get(value);
      return cuts && cuts[thread + 1]! - cuts[thread]!;
    };
    for (const input of program.inputs) note(input, input, undefined, -1);
    plan.steps.forEach((step, index) => {
      if (step.kind !== 'op') {
        note(step.value, step.value, own(step.value), index);
        if (step.kind === 'exchange-columns') note(wholeKey(step.value), step.value, undefined, index);
        return;
      }
      for (const value of [...step.op.in, step.op.out]) {
        note(value, value, own(value), index);
        if (this.#places.has(wholeKey(value))) note(wholeKey(value), value, undefined, index);
      }
    });
    // Inputs stay for the whole step, wherever they are read.
    for (const input of program.inputs) this.#places.get(input)!.to = plan.steps.length;
  }

  /** What this thread has of a value; `whole` for an exchanged one. */
  place(value: string, whole = false): PlacedValue {
    return (whole ? this.#places.get(wholeKey(value)) : undefined) ?? this.#places.get(value)!;
  }

  /** Makes room for a batch. Throws `out-of-memory`. */
  reserve({ tokens, outputs }: BatchSizes): void {
    const { tokens: hasTokens, outputs: hasOutputs } = this.#sizes;
    if (tokens <= hasTokens && outputs <= hasOutputs) return;
    const sizes = { tokens: Math.max(tokens, hasTokens), outputs: Math.max(outputs, hasOutputs) };
    const places = [...this.#places.values()].map((place) => ({ ...lifetimeOf(place, sizes), place }));
    const { offsets, bytes } = firstFit(places);
    if (bytes > this.#bytes) {
      this.#start = this.#module.retake(this.#start, bytes);
      this.#bytes = bytes;
    }
    this.#sizes = sizes;
    for (const [{ place }, offset] of offsets) place.address = this.#start + offset;
  }
}

function lifetimeOf({ from, to, rows, width }: Place, sizes: BatchSizes): Lifetime {
  return { from, to, bytes: Math.ceil((4 * rowCount(rows, sizes) * width + PADDING) / 64) * 64 };
}

export function rowCount(rows: Dimension, { tokens, outputs }: BatchSizes): number {
  return rows === 'tokens' ? tokens : rows === 'outputs' ? outputs : rows;
}

function wholeKey(value: string): string {
  return `${value} (whole)`;
}
