/** The weights that a training Program learns, as a model has them. */
import type { TrainingExecutor } from '../backends/training-types.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import { readValues } from './checkpoint.ts';

/** By name. Throws what reading throws. */
export async function trainedWeights(
  { program }: TrainingExecutor,
  base: WeightSource,
): Promise<Map<string, Float32Array<ArrayBuffer>>> {
  const weights = new Map<string, Float32Array<ArrayBuffer>>();
  for (const { weight } of program.gradients) weights.set(weight, await readValues(base, weight));
  return weights;
}
