/** Training without recipe and files: sequences of tokens that are all learned in every step, for what is small enough for that. */
import type { LoadTraining } from '../backends/training-types.ts';
import type { WorkOptions } from '../core/progress.ts';
import { buildProgram } from '../program/build-program.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import { differentiate } from './differentiate.ts';
import { trainedWeights } from './trained-weights.ts';
import { Trainer, type TrainingStep } from './trainer.ts';
import { packBatches, type TrainingSequence } from './training-data.ts';

export interface TrainOnSequencesOptions extends Pick<WorkOptions, 'signal'> {
  readonly load: LoadTraining;
  readonly steps: number;
  /** Default 0.02, falling to a hundredth of it along half a cosine. */
  readonly learningRate?: number | undefined;
  /** Called after each step; returning true ends the training. */
  readonly onStep?: ((step: TrainingStep) => boolean | undefined) | undefined;
}

/**
 * The weights after learning, by name. Nothing decays: what is learned is meant to be kept exactly.
 * Throws `bad-argument` for sequences without predictions, `not-finite`, `aborted`, and what loading throws.
 */
export async function trainOnSequences(
  model: WeightSource,
  sequences: readonly TrainingSequence[],
  { load, steps, learningRate = 0.02, signal, onStep }: TrainOnSequencesOptions,
): Promise<ReadonlyMap<string, Float32Array<ArrayBuffer>>> {
  const entries = sequences.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const batches = packBatches(sequences, entries);
  const executor = await load(differentiate(buildProgram(model.head)), model, { signal });
  try {
    const trainer = new Trainer(
      executor,
      { weights: await trainedWeights(executor, model) },
      {
        schedule: { peak: learningRate, warmUpSteps: Math.min(20, steps), steps, finalShare: 0.01 },
        adamW: { weightDecay: 0 },
      },
    );
    for (let step = 0; step < steps; step++) {
      // Not inside the call of onStep: without one nothing would be learned.
      const learned = await trainer.learn(batches, { signal });
      if (onStep?.(learned)) break;
    }
    return trainer.state.weights;
  } finally {
    await executor.dispose();
  }
}
