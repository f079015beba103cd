/** A whole training: from a recipe, data and perhaps a checkpoint to a model, step by step, with somebody watching. */
import type { LoadTraining } from '../backends/training-types.ts';
import { throwIfAborted } from '../core/errors.ts';
import { adaptProgram } from '../program/adapt-program.ts';
import { buildProgram } from '../program/build-program.ts';
import type { TrainingProgram } from '../program/training-program.ts';
import { isAdapterTensor, readAdapter, withAdapterTensors } from '../pxi/adapter.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import { type DataLine, SequenceEncoder } from './data-file.ts';
import { differentiate } from './differentiate.ts';
import { Lessons } from './lessons.ts';
import type { Recipe } from './recipe.ts';
import { trainedWeights } from './trained-weights.ts';
import { meanLoss, Trainer, type TrainerState, type TrainingStep } from './trainer.ts';

/** Held-out sequences that are measured at once. */
const MEASURED = 256;

export interface TrainingReport extends TrainingStep {
  /** Tokens the step learned from, and since the training (or its continuation) began. */
  readonly tokens: number;
  readonly tokensInAll: number;
  /** Mean loss over what was held out, in nats; in steps that measure it. */
  readonly heldOutLoss?: number;
}

export interface TrainModelOptions {
  readonly recipe: Recipe;
  /** What the training begins with, or the model of a checkpoint. */
  readonly base: WeightSource;
  /** Learns instead of the base, which stays as it is. Its tensors are the state's weights. */
  readonly adapter?: WeightSource | undefined;
  readonly lines: readonly DataLine[];
  readonly load: LoadTraining;
  /** Of a checkpoint, to go on from. */
  readonly state?: TrainerState;
  readonly signal?: AbortSignal;
  /** After each step. What it does is waited for: this is where checkpoints are written. */
  readonly onStep?: (report: TrainingReport, state: TrainerState) => void | Promise<void>;
}

/**
 * Trains until the recipe's last step. Aborted, it ends after the step before: the state it leaves is whole.
 * Throws `bad-data`, `bad-argument` (a sequence longer than a batch), `aborted`, `not-finite`, and what loading throws.
 */
export async function trainModel({
  recipe,
  base,
  adapter,
  lines,
  load,
  state,
  signal,
  onStep,
}: TrainModelOptions): Promise<TrainerState> {
  const { program, weights } = trainingOf(base, adapter);
  const encoder = new SequenceEncoder(createTokenizer(base.head.metadata), base.head.metadata);
  const lessons = new Lessons(
    lines.map((line) => encoder.encode(line)),
    recipe,
  );
  const executor = await load(program, weights, { signal });
  try {
    const trainer = new Trainer(executor, state ?? { weights: await trainedWeights(executor, weights) }, {
      schedule: { ...recipe, peak: recipe.learningRate },
      clipNorm: recipe.clipNorm,
      adamW: { weightDecay: recipe.weightDecay, beta2: recipe.beta2 },
    });
    await trainer.restore();
    const measured = lessons.heldOutBatches(MEASURED);
    let tokensInAll = 0;
    while (trainer.state.step < recipe.steps) {
      throwIfAborted(signal);
      const batches = lessons.batches(trainer.state.step + 1);
      const step = await trainer.learn(batches, { signal });
      const tokens = batches.reduce((sum, { sequences }) => sum + sequences.length, 0);
      tokensInAll += tokens;
      const measures = measured.length > 0 && (step.step % recipe.measureEvery === 0 || step.step === recipe.steps);
      const heldOut = measures ? { heldOutLoss: meanLoss(measured, await executor.losses(measured, { signal })) } : {};
      await onStep?.({ ...step, tokens, tokensInAll, ...heldOut }, trainer.state);
    }
    return trainer.state;
  } finally {
    await executor.dispose();
  }
}

/** What learns, and the weights it begins with. */
function trainingOf(
  base: WeightSource,
  adapter: WeightSource | undefined,
): { readonly program: TrainingProgram; readonly weights: WeightSource } {
  const program = buildProgram(base.head);
  if (!adapter) return { program: differentiate(program), weights: base };
  const adapted = adaptProgram(program, readAdapter(adapter, base.head).weights);
  return {
    program: differentiate(adapted, { trains: isAdapterTensor }),
    weights: withAdapterTensors(base, adapter),
  };
}
