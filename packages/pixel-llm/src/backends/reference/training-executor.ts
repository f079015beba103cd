/** Runs a training Program op by op in plain TypeScript: the specification of training, for small models. */
import { PixelError, throwIfAborted } from '../../core/errors.ts';
import type { TrainingOp, TrainingProgram } from '../../program/training-program.ts';
import { checkTrainingBatch, sequenceStarts } from '../check-training-batch.ts';
import { addTo, checkLosses, checkWeights, lossOps } from '../training-steps.ts';
import type { LoadTraining, TrainingBatch, TrainingExecutor, TrainingResult } from '../training-types.ts';
import { REFERENCE_TRAINING_OPS, type TrainingOpTable, trainingOp } from './gradients/op-table.ts';
import { loadWeights } from './load-weights.ts';

type Values = Map<string, Float32Array | Int32Array>;

/** A test may pass a table with a broken op. */
export function loadReferenceTraining(ops: TrainingOpTable = REFERENCE_TRAINING_OPS): LoadTraining {
  return async (program, source, options = {}) => {
    return new ReferenceTrainingExecutor(program, await loadWeights(program, source, options), ops);
  };
}

class ReferenceTrainingExecutor implements TrainingExecutor {
  readonly device = 'reference';
  readonly program: TrainingProgram;
  readonly #weights: Map<string, Float32Array>;
  readonly #ops: TrainingOpTable;
  readonly #shapes: ReadonlyMap<string, readonly (number | string)[]>;
  #disposed = false;

  constructor(program: TrainingProgram, weights: Map<string, Float32Array>, ops: TrainingOpTable) {
    this.program = program;
    this.#weights = weights;
    this.#ops = ops;
    this.#shapes = new Map(program.values.map(({ name, shape }) => [name, shape]));
  }

  async gradients(
    batches: readonly TrainingBatch[],
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<TrainingResult> {
    const losses: Float32Array[] = [];
    const sums = new Map<string, Float32Array>();
    for (const batch of batches) {
      const values = await this.#run(batch, this.program.ops, options.signal);
      losses.push(this.#lossOf(values));
      for (const { weight, value } of this.program.gradients) addTo(sums, weight, values.get(value) as Float32Array);
    }
    return { losses, gradients: sums };
  }

  async losses(
    batches: readonly TrainingBatch[],
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<Float32Array[]> {
    const losses: Float32Array[] = [];
    for (const batch of batches)
      losses.push(this.#lossOf(await this.#run(batch, lossOps(this.program), options.signal)));
    return losses;
  }

  async setWeights(weights: ReadonlyMap<string, Float32Array>): Promise<void> {
    this.#throwIfDisposed();
    checkWeights(this.program, weights);
    for (const [name, values] of weights) this.#weights.get(name)?.set(values);
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    this.#weights.clear();
  }

  async #run(batch: TrainingBatch, ops: readonly TrainingOp[], signal: AbortSignal | undefined): Promise<Values> {
    checkTrainingBatch(this.program, batch);
    const values: Values = new Map(Object.entries(batch.inputs));
    const starts = sequenceStarts(batch.sequences);
    for (const op of ops) {
      throwIfAborted(signal);
      this.#throwIfDisposed();
      values.set(op.out, this.#compute(op, values, starts));
    }
    // Timers and other people's work get their turn between batches.
    await new Promise((resolve) => setTimeout(resolve));
    return values;
  }

  #compute(op: TrainingOp, values: Values, starts: Int32Array): Float32Array {
    const inputs = op.in.map((name) => values.get(name)!);
    const shape = this.#shapes.get(op.out) ?? [];
    const first = shape[0];
    return trainingOp(
      this.#ops,
      op,
    )({
      attributes: op.attributes,
      floats: inputs.filter((input) => input instanceof Float32Array),
      integers: inputs.filter((input) => input instanceof Int32Array),
      weights: op.weights.map((name) => this.#weights.get(name)!),
      inputWidth: Number(this.#shapes.get(op.in[0] ?? '')?.at(-1)),
      outputWidth: Number(shape.at(-1)),
      outputRows: typeof first === 'number' ? first : starts.length,
      starts,
    });
  }

  #lossOf(values: Values): Float32Array {
    return checkLosses(values.get(this.program.loss) as Float32Array);
  }

  #throwIfDisposed(): void {
    if (this.#disposed) throw new PixelError('disposed', 'The training was used after it was disposed of.');
  }
}
