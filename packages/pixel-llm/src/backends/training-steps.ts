/** What training executors have in common: which ops a loss needs, sums of gradients, checks of losses and weights. */
import { PixelError } from '../core/errors.ts';
import type { TrainingOp, TrainingProgram } from '../program/training-program.ts';

/** The ops that lead to the loss: the forward pass. */
export function lossOps({ ops, loss }: TrainingProgram): readonly TrainingOp[] {
  return ops.slice(0, 1 + ops.findIndex(({ out }) => out === loss));
}

/** Adds the values to what is there under the name. */
export function addTo(sums: Map<string, Float32Array>, name: string, values: Float32Array): void {
  const sum = sums.get(name);
  if (!sum) sums.set(name, Float32Array.from(values));
  else for (let i = 0; i < values.length; i++) sum[i]! += values[i]!;
}

/** Throws `not-finite`. */
export function checkLosses(losses: Float32Array): Float32Array {
  const entry = losses.findIndex((loss) => !Number.isFinite(loss));
  if (entry < 0) return losses;
  throw new PixelError(
    'not-finite',
    `The loss of entry ${entry} is ${losses[entry]}: training has diverged. A lower learning rate or more warm-up helps.`,
  );
}

/** Throws `bad-argument` for a weight that the Program does not have, or of another size. */
export function checkWeights({ weights: held }: TrainingProgram, weights: ReadonlyMap<string, Float32Array>): void {
  for (const [name, values] of weights) {
    const shape = held.find((weight) => weight.name === name)?.shape;
    if (shape?.reduce((product, size) => product * size, 1) === values.length) continue;
    throw new PixelError('bad-argument', `The training has no weight "${name}" of ${values.length} values.`);
  }
}
