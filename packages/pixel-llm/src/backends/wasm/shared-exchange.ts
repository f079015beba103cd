/**
 * How threads make a value whole: each writes what it has into shared memory, all meet, and each copies all of it. Two buffers take
 * turns: nobody can be writing one again before everybody has read it, because the barrier between them was passed.
 */
import type { KernelModule } from './kernel-module.ts';
import { passBarrier } from './thread-control.ts';
import type { Cuts } from './thread-plan.ts';
import type { Exchange } from './thread-share.ts';
import type { PlacedValue } from './value-arena.ts';

export class SharedExchange implements Exchange {
  readonly #control: Int32Array<SharedArrayBuffer>;
  readonly #data: SharedArrayBuffer;
  readonly #thread: number;
  readonly #threads: number;
  /** Byte offsets of the two buffers. */
  #buffers: readonly [number, number] = [0, 0];
  #turn = 0;

  constructor(control: Int32Array<SharedArrayBuffer>, data: SharedArrayBuffer, thread: number, threads: number) {
    this.#control = control;
    this.#data = data;
    this.#thread = thread;
    this.#threads = threads;
  }

  /** A step begins: where its buffers are. */
  begin(buffers: readonly [number, number]): void {
    this.#buffers = buffers;
    this.#turn = 0;
  }

  columns(module: KernelModule, rows: number, cuts: Cuts, local: PlacedValue, whole: PlacedValue): void {
    const shared = this.#next(rows * whole.width);
    const { f32 } = module;
    const first = cuts[this.#thread]!;
    for (let row = 0; row < rows; row++) {
      const from = local.address / 4 + row * local.width;
      shared.set(f32.subarray(from, from + local.width), row * whole.width + first);
    }
    passBarrier(this.#control, this.#threads);
    f32.set(shared, whole.address / 4);
  }

  tokens(module: KernelModule, rows: number, owner: (row: number) => number, value: PlacedValue): void {
    const shared = this.#next(rows * value.width);
    const { f32 } = module;
    for (let row = 0; row < rows; row++) {
      if (owner(row) !== this.#thread) continue;
      const from = value.address / 4 + row * value.width;
      shared.set(f32.subarray(from, from + value.width), row * value.width);
    }
    passBarrier(this.#control, this.#threads);
    f32.set(shared, value.address / 4);
  }

  #next(count: number): Float32Array<SharedArrayBuffer> {
    const offset = this.#buffers[this.#turn]!;
    this.#turn = 1 - this.#turn;
    return new Float32Array(this.#data, offset, count);
  }
}
