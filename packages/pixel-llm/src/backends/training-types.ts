/**
 * The interface of training: a training Program with its weights on one device, and the gradients of batches. What is done with them
 * (optimizer, schedule, checkpoints) is train/'s business.
 */
import type { WorkOptions } from '../core/progress.ts';
import type { TrainingProgram } from '../program/training-program.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import type { DeviceName } from './types.ts';

/** Entries of whole sequences. An entry's sequence stands together, in ascending order; sequences need not be numbered in order. */
export interface TrainingBatch {
  /** Sequence of each entry. [tokens] */
  readonly sequences: Int32Array;
  /** The Program's inputs by name, one number an entry. */
  readonly inputs: Readonly<Record<string, Int32Array | Float32Array>>;
}

export interface TrainingResult {
  /** For each batch, the loss of each entry in nats, without its weight. */
  readonly losses: readonly Float32Array[];
  /** For each trained weight, the gradient of the sum over all batches, flat. None when only losses were asked for. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

export interface TrainingExecutor {
  readonly device: DeviceName;
  readonly program: TrainingProgram;
  /**
   * Losses and gradients of several batches, the gradients summed in the batches' order: the same bits, however many threads work.
   * Throws `bad-argument`, `not-finite` for a loss that is no number, `aborted`, `disposed`, `out-of-memory`.
   */
  gradients(batches: readonly TrainingBatch[], options?: { signal?: AbortSignal | undefined }): Promise<TrainingResult>;
  /** The losses alone: no backward pass. Throws as `gradients`. */
  losses(
    batches: readonly TrainingBatch[],
    options?: { signal?: AbortSignal | undefined },
  ): Promise<readonly Float32Array[]>;
  /** Replaces weights by new values, flat. Throws `bad-argument` for one that is not there or of another length. */
  setWeights(weights: ReadonlyMap<string, Float32Array>): Promise<void>;
  /** Harmless twice. */
  dispose(): Promise<void>;
}

/** Loads a training Program with its weights, each read once. Throws as Backend.load. */
export type LoadTraining = (
  program: TrainingProgram,
  weights: WeightSource,
  options?: WorkOptions,
) => Promise<TrainingExecutor>;
