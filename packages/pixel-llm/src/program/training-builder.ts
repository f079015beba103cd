/** Collects the ops of a training Program: every op is checked as it is added, and its result's shape follows from its operands. */
import { PixelError } from '../core/errors.ts';
import type { Operand } from './op-signatures.ts';
import type { ProgramValue, ProgramWeight } from './program.ts';
import type { TrainingOp, TrainingProgram } from './training-program.ts';
import { trainingResultOf } from './training-signatures.ts';

export class TrainingBuilder {
  readonly #weights: ReadonlyMap<string, ProgramWeight>;
  readonly #used = new Set<string>();
  readonly #values = new Map<string, Operand>();
  readonly #inputs: string[] = [];
  readonly #ops: TrainingOp[] = [];

  /** `weights`: all that ops may name; those that are named become the Program's. */
  constructor(weights: readonly ProgramWeight[]) {
    this.#weights = new Map(weights.map((weight) => [weight.name, weight]));
  }

  /** One number an entry. */
  input(name: string, type: 'f32' | 'i32'): string {
    this.#inputs.push(name);
    this.#values.set(name, { shape: ['tokens'], type });
    return name;
  }

  has(value: string): boolean {
    return this.#values.has(value);
  }

  /** Adds an op; returns the name of its result. Throws `bad-program`. */
  push(op: TrainingOp): string {
    const where = `Op ${this.#ops.length} (${op.op})`;
    const check = (holds: boolean, what: string): void => {
      if (!holds) throw new PixelError('bad-program', `${where}, which writes "${op.out}", needs ${what}.`);
    };
    check(!this.#values.has(op.out), 'a name of its own for its result');
    const inputs = op.in.map((name) => this.#named(this.#values, name, where));
    const weights = op.weights.map((name) => this.#named(this.#weights, name, where).shape);
    for (const name of op.weights) this.#used.add(name);
    this.#values.set(op.out, trainingResultOf(op, { inputs, weights, check, stateOf: () => undefined }));
    this.#ops.push(op);
    return op.out;
  }

  build({ loss, gradients }: Pick<TrainingProgram, 'loss' | 'gradients'>): TrainingProgram {
    const values = [...this.#values].map(
      ([name, { shape, type }]): ProgramValue => (type === 'f32' ? { name, shape } : { name, shape, type }),
    );
    const weights = [...this.#weights.values()].filter(({ name }) => this.#used.has(name));
    return { weights, values, ops: this.#ops, inputs: this.#inputs, loss, gradients };
  }

  #named<Item>(map: ReadonlyMap<string, Item>, name: string, where: string): Item {
    const item = map.get(name);
    if (item === undefined) throw new PixelError('bad-program', `${where} reads "${name}", which nothing has written.`);
    return item;
  }
}
