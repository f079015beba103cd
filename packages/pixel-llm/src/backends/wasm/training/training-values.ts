/** Where the values of a training Program lie in kernel memory. Gradients of weights and the loss stay until the end of a batch. */
import type { TrainingOp, TrainingProgram } from '../../../program/training-program.ts';
import { firstFit } from '../first-fit.ts';
import type { KernelModule } from '../kernel-module.ts';

export interface TrainingValue {
  /** Rows, or undefined for one an entry. */
  readonly rows: number | undefined;
  readonly width: number;
  readonly from: number;
  readonly to: number;
  /** Byte address. */
  address: number;
}

/** Kernels work in vectors, and the products' tiles look a little past an end. */
const PADDING = 64;

export class TrainingValues {
  readonly #module: KernelModule;
  readonly #values = new Map<string, TrainingValue>();
  #start = 0;
  #bytes = 0;
  #tokens = 0;

  constructor(module: KernelModule, { values, ops, inputs, loss, gradients }: TrainingProgram) {
    this.#module = module;
    const [first, last] = lifetimes(ops);
    const kept = new Set([...inputs, loss, ...gradients.map(({ value }) => value)]);
    for (const { name, shape } of values) {
      const [rows = 1, ...rest] = shape;
      this.#values.set(name, {
        // A vector [n] is one row.
        rows: typeof rows !== 'number' ? undefined : rest.length === 0 ? 1 : rows,
        width:
          typeof rows === 'number' && rest.length === 0 ? rows : rest.reduce<number>((n, size) => n * Number(size), 1),
        from: inputs.includes(name) ? -1 : (first.get(name) ?? 0),
        to: kept.has(name) ? ops.length : (last.get(name) ?? 0),
        address: 0,
      });
    }
  }

  of(name: string): TrainingValue {
    return this.#values.get(name)!;
  }

  /** Makes room for batches of so many entries. Throws `out-of-memory`. */
  reserve(tokens: number): void {
    if (tokens <= this.#tokens) return;
    const items = [...this.#values.values()].map((value) => ({
      from: value.from,
      to: value.to,
      bytes: Math.ceil((4 * (value.rows ?? tokens) * value.width + PADDING) / 64) * 64,
      value,
    }));
    const { offsets, bytes } = firstFit(items);
    if (bytes > this.#bytes) {
      this.#start = this.#module.retake(this.#start, bytes);
      this.#bytes = bytes;
    }
    this.#tokens = tokens;
    for (const [{ value }, offset] of offsets) value.address = this.#start + offset;
  }
}

/** The first and last op that touches each value. */
function lifetimes(ops: readonly TrainingOp[]): [Map<string, number>, Map<string, number>] {
  const first = new Map<string, number>();
  const last = new Map<string, number>();
  ops.forEach((op, index) => {
    for (const name of [...op.in, op.out]) {
      if (!first.has(name)) first.set(name, index);
      last.set(name, index);
    }
  });
  return [first, last];
}
