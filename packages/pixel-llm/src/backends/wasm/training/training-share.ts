/** A training Program in one thread's memory: its weights, its values, and the walk over its ops. A thread has all of it. */
import { PixelError } from '../../../core/errors.ts';
import type { TrainingOp, TrainingProgram } from '../../../program/training-program.ts';
import { sequenceStarts } from '../../check-training-batch.ts';
import { lossOps } from '../../training-steps.ts';
import type { TrainingBatch } from '../../training-types.ts';
import type { KernelModule } from '../kernel-module.ts';
import { RopeTables } from '../rope-tables.ts';
import { prepareOp } from './op-runners.ts';
import type { Entries, RunOp } from './run-op.ts';
import { TrainingValues } from './training-values.ts';

export interface BatchResult {
  readonly losses: Float32Array<ArrayBuffer>;
  /** By trained weight; none where only the loss was wanted. */
  readonly gradients: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
}

export class TrainingShare {
  readonly #module: KernelModule;
  readonly #program: TrainingProgram;
  readonly #values: TrainingValues;
  readonly #weights = new Map<string, { address: number; length: number }>();
  readonly #ropeTables: { forward: RopeTables; backward: RopeTables };
  readonly #forward: readonly RunOp[];
  readonly #all: readonly RunOp[];
  #scratch = { address: 0, bytes: 0 };

  /** Takes the memory for the weights. Throws `out-of-memory`. */
  constructor(module: KernelModule, program: TrainingProgram) {
    this.#module = module;
    this.#program = program;
    for (const { name, shape } of program.weights) {
      const length = shape.reduce((product, size) => product * size, 1);
      this.#weights.set(name, { address: module.take(4 * length + 64), length });
    }
    this.#values = new TrainingValues(module, program);
    this.#ropeTables = { forward: new RopeTables(module), backward: new RopeTables(module, -1) };
    this.#all = program.ops.map((op) => this.#prepare(op));
    this.#forward = this.#all.slice(0, lossOps(program).length);
  }

  setWeight(name: string, values: Float32Array): void {
    const { address, length } = this.#weights.get(name)!;
    if (values.length !== length) throw new PixelError('bad-argument', `"${name}" has ${length} values.`);
    this.#module.f32.set(values, address / 4);
  }

  /** Throws `bad-argument`, `out-of-memory`. The batch has been checked. */
  run(batch: TrainingBatch, { withGradients }: { withGradients: boolean }): BatchResult {
    const entries: Entries = { tokens: batch.sequences.length, sequences: sequencesOf(batch.sequences) };
    this.#values.reserve(entries.tokens);
    this.#ropeTables.forward.beginStep();
    this.#ropeTables.backward.beginStep();
    for (const name of this.#program.inputs) {
      const input = batch.inputs[name]!;
      const { address } = this.#values.of(name);
      if (input instanceof Int32Array) this.#module.i32.set(input, address / 4);
      else this.#module.f32.set(input, address / 4);
    }
    for (const run of withGradients ? this.#all : this.#forward) run(entries);
    const read = (name: string): Float32Array<ArrayBuffer> => {
      const { address, rows = entries.tokens, width } = this.#values.of(name);
      return this.#module.f32.slice(address / 4, address / 4 + rows * width);
    };
    const gradients = withGradients ? this.#program.gradients : [];
    return {
      losses: read(this.#program.loss),
      gradients: new Map(gradients.map(({ weight, value }) => [weight, read(value)])),
    };
  }

  #prepare(op: TrainingOp): RunOp {
    const shapes = new Map(this.#program.weights.map(({ name, shape }) => [name, shape]));
    return prepareOp(op, {
      module: this.#module,
      ropeTables: this.#ropeTables,
      value: (name) => this.#values.of(name),
      weight: (name) => this.#weights.get(name)!.address,
      weightShape: (name) => shapes.get(name)!,
      scratch: (bytes) => this.#takeScratch(bytes),
    });
  }

  #takeScratch(bytes: number): number {
    if (bytes > this.#scratch.bytes) {
      this.#scratch = { address: this.#module.retake(this.#scratch.address, bytes), bytes };
    }
    return this.#scratch.address;
  }
}

function sequencesOf(sequences: Int32Array): [number, number][] {
  const starts = sequenceStarts(sequences);
  const firsts = [...new Set(starts)];
  return firsts.map((first, i) => [first, firsts[i + 1] ?? sequences.length]);
}
