/**
 * What is learned in which step. Every pass over the data takes the sequences in an order of its own; what is held out is chosen once. All of it is
 * a function of seed and step, so that a training that goes on learns what it would have learned.
 */
import type { TrainingBatch } from '../backends/training-types.ts';
import { PixelError } from '../core/errors.ts';
import { choiceSource } from '../core/random.ts';
import { packBatches, type TrainingSequence } from './training-data.ts';

export interface LessonOptions {
  readonly seed: number;
  readonly stepTokens: number;
  readonly batchTokens: number;
  readonly heldOut: number;
}

export class Lessons {
  readonly heldOut: readonly TrainingSequence[];
  readonly #learned: readonly TrainingSequence[];
  readonly #options: LessonOptions;
  /** The order of one pass, and which. */
  #order: { pass: number; indices: number[] } = { pass: -1, indices: [] };
  readonly #perStep: number;

  /** Throws `bad-data` when nothing is left to learn. */
  constructor(sequences: readonly TrainingSequence[], options: LessonOptions) {
    const order = shuffled(sequences.length, options.seed, 0);
    const apart = Math.floor(sequences.length * options.heldOut);
    this.heldOut = order.slice(0, apart).map((index) => sequences[index]!);
    this.#learned = order.slice(apart).map((index) => sequences[index]!);
    this.#options = options;
    if (this.#learned.length === 0)
      throw new PixelError('bad-data', 'The data are too few: nothing is left to learn from.');
    const tokens = this.#learned.reduce((sum, sequence) => sum + sequence.tokens.length, 0);
    const meanLength = tokens / this.#learned.length;
    this.#perStep = Math.max(1, Math.min(this.#learned.length, Math.round(options.stepTokens / meanLength)));
  }

  /** Sequences in a pass over the data, and in a step. */
  get sizes(): { readonly learned: number; readonly perStep: number } {
    return { learned: this.#learned.length, perStep: this.#perStep };
  }

  /** The batches of a step; steps count from 1. */
  batches(step: number): TrainingBatch[] {
    const first = (step - 1) * this.#perStep;
    const sequences = Array.from({ length: this.#perStep }, (_, i) => this.#sequence(first + i));
    return packBatches(sequences, this.#options.batchTokens);
  }

  /** What was held out, to be measured; at most so many sequences. */
  heldOutBatches(most: number): TrainingBatch[] {
    return this.heldOut.length === 0 ? [] : packBatches(this.heldOut.slice(0, most), this.#options.batchTokens);
  }

  #sequence(index: number): TrainingSequence {
    const count = this.#learned.length;
    const pass = Math.floor(index / count);
    if (this.#order.pass !== pass) this.#order = { pass, indices: shuffled(count, this.#options.seed, 1 + pass) };
    return this.#learned[this.#order.indices[index % count]!]!;
  }
}

/** 0 .. count - 1 in an order that seed and pass decide (Fisher and Yates). */
function shuffled(count: number, seed: number, pass: number): number[] {
  const below = choiceSource(seed, pass);
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
