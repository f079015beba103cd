/**
 * One step of learning after another: gradients from a device, clipped, through AdamW, back to the device. The weights themselves and
 * the optimizer's moments are kept here, in f32.
 */
import type { TrainingBatch, TrainingExecutor } from '../backends/training-types.ts';
import { PixelError } from '../core/errors.ts';
import { ADAMW_DEFAULTS, type AdamWOptions, adamW, gradientNorm, type Moments } from './adamw.ts';
import { type LearningRateSchedule, learningRateAt } from './schedule.ts';

export interface TrainerOptions {
  readonly schedule: LearningRateSchedule;
  /** Gradients whose norm is above this are scaled down to it. Infinity for never. Default 1. */
  readonly clipNorm?: number;
  readonly adamW?: Partial<AdamWOptions>;
}

export interface TrainingStep {
  /** Counts from 1. */
  readonly step: number;
  /** Mean loss in nats over the step's predictions, before it learned from them. */
  readonly loss: number;
  readonly learningRate: number;
  /** Before clipping. */
  readonly gradientNorm: number;
}

/** All that must be kept to go on as if nothing had happened. */
export interface TrainerState {
  readonly step: number;
  readonly weights: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
  readonly moments: ReadonlyMap<string, Moments>;
}

export class Trainer {
  readonly #executor: TrainingExecutor;
  readonly #schedule: LearningRateSchedule;
  readonly #clipNorm: number;
  readonly #adamW: AdamWOptions;
  readonly #state: { step: number; weights: TrainerState['weights']; moments: TrainerState['moments'] };

  /** `state`: the trained weights, which are copied; moments that are missing begin at zero. Call `restore` before the first step. */
  constructor(
    executor: TrainingExecutor,
    state: Pick<TrainerState, 'weights'> & Partial<TrainerState>,
    options: TrainerOptions,
  ) {
    this.#executor = executor;
    this.#schedule = options.schedule;
    this.#clipNorm = options.clipNorm ?? 1;
    this.#adamW = { ...ADAMW_DEFAULTS, ...options.adamW };
    const weights = new Map<string, Float32Array<ArrayBuffer>>();
    const moments = new Map<string, Moments>();
    for (const { weight } of executor.program.gradients) {
      const values = state.weights.get(weight);
      if (!values) throw new PixelError('bad-argument', `The trained weight "${weight}" is missing.`);
      const known = state.moments?.get(weight);
      weights.set(weight, values.slice());
      moments.set(weight, {
        mean: known?.mean.slice() ?? new Float32Array(values.length),
        square: known?.square.slice() ?? new Float32Array(values.length),
      });
    }
    this.#state = { step: state.step ?? 0, weights, moments };
  }

  /** The live state; it changes with the next step. */
  get state(): TrainerState {
    return this.#state;
  }

  /** Gives the device the weights of the state: after loading other ones, or going on from a checkpoint. */
  async restore(): Promise<void> {
    await this.#executor.setWeights(this.#state.weights);
  }

  /**
   * Learns from batches whose loss weights make a mean together. Throws what the executor throws, and `not-finite` when the gradients
   * are no numbers; the state is then that of the step before.
   */
  async learn(
    batches: readonly TrainingBatch[],
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<TrainingStep> {
    const { losses, gradients } = await this.#executor.gradients(batches, options);
    const norm = gradientNorm(gradients.values());
    if (!Number.isFinite(norm)) {
      throw new PixelError('not-finite', 'The gradients are infinite or not numbers: training has diverged.');
    }
    const step = this.#state.step + 1;
    const learningRate = learningRateAt(this.#schedule, step);
    const gradientScale = Math.min(1, this.#clipNorm / norm);
    for (const [name, gradient] of gradients) {
      const decays = this.#isMatrix(name);
      const update = { learningRate, step, gradientScale: Number.isNaN(gradientScale) ? 1 : gradientScale, decays };
      adamW(this.#state.weights.get(name)!, gradient, this.#state.moments.get(name)!, update, this.#adamW);
    }
    this.#state.step = step;
    await this.#executor.setWeights(this.#state.weights);
    return { step, loss: meanLoss(batches, losses), learningRate, gradientNorm: norm };
  }

  #isMatrix(name: string): boolean {
    return (this.#executor.program.weights.find((weight) => weight.name === name)?.shape.length ?? 1) > 1;
  }
}

/** The weighted sum of the losses. */
export function meanLoss(batches: readonly TrainingBatch[], losses: readonly Float32Array[]): number {
  let sum = 0;
  for (const [index, batch] of batches.entries()) {
    const weights = batch.inputs.lossWeights!;
    losses[index]?.forEach((loss, entry) => {
      sum += loss * weights[entry]!;
    });
  }
  return sum;
}
