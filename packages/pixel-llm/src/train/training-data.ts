/**
 * What a model learns from: sequences of tokens, of which some are to be predicted, gathered into batches of whole sequences.
 */
import type { TrainingBatch } from '../backends/training-types.ts';
import { PixelError } from '../core/errors.ts';

/** One text. */
export interface TrainingSequence {
  readonly tokens: readonly number[];
  /** Tokens before this one are given, not learned: a prompt's length. The first token is never predicted. */
  readonly learnFrom: number;
}

/** Predictions a sequence asks for. */
function predictionCount({ tokens, learnFrom }: TrainingSequence): number {
  return Math.max(0, tokens.length - Math.max(1, learnFrom));
}

/**
 * Batches of at most `batchTokens` entries, in the order given: one entry a token that something follows.
 * Every prediction of the list counts the same: its loss weight is 1 / (all predictions of the list).
 * Throws `bad-argument` for a sequence that is longer than a batch, or for a list without predictions.
 */
export function packBatches(sequences: readonly TrainingSequence[], batchTokens: number): TrainingBatch[] {
  const predictions = sequences.reduce((sum, sequence) => sum + predictionCount(sequence), 0);
  if (predictions === 0) throw new PixelError('bad-argument', 'There is nothing to learn in these sequences.');
  const batches: TrainingBatch[] = [];
  let pending: TrainingSequence[] = [];
  let entries = 0;
  for (const sequence of sequences) {
    const length = sequence.tokens.length - 1;
    if (length < 1) continue;
    if (length > batchTokens) {
      throw new PixelError('bad-argument', `A sequence has ${length + 1} tokens; a batch holds ${batchTokens + 1}.`);
    }
    if (entries + length > batchTokens) {
      batches.push(batchOf(pending, 1 / predictions));
      [pending, entries] = [[], 0];
    }
    pending.push(sequence);
    entries += length;
  }
  if (pending.length > 0) batches.push(batchOf(pending, 1 / predictions));
  return batches;
}

function batchOf(list: readonly TrainingSequence[], lossWeight: number): TrainingBatch {
  const count = list.reduce((sum, { tokens }) => sum + tokens.length - 1, 0);
  const [sequences, tokens, positions, targets] = [1, 2, 3, 4].map(() => new Int32Array(count));
  let entry = 0;
  for (const [index, sequence] of list.entries()) {
    for (let position = 0; position + 1 < sequence.tokens.length; position++, entry++) {
      sequences![entry] = index;
      tokens![entry] = sequence.tokens[position]!;
      positions![entry] = position;
      targets![entry] = position + 1 < sequence.learnFrom ? -1 : sequence.tokens[position + 1]!;
    }
  }
  const lossWeights = new Float32Array(count).fill(lossWeight);
  return { sequences: sequences!, inputs: { tokens: tokens!, positions: positions!, targets: targets!, lossWeights } };
}
