import type { TrainingBatch } from '../../training-types.ts';
import type { BatchResult } from './training-share.ts';

/** Whoever computes batches: a worker, or this thread. */
export interface TrainingThread {
  setWeights(weights: ReadonlyMap<string, Float32Array>): Promise<void>;
  run(batch: TrainingBatch, withGradients: boolean): Promise<BatchResult>;
  dispose(): Promise<void>;
}
