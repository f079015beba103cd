/** Token ids are checked before anything is computed: kernels would read beyond the table. */
import { PixelError } from '../core/errors.ts';
import type { ProgramValue, ProgramWeight } from '../program/program.ts';

/** A Program of inference or of training. */
interface ReadsIds {
  readonly ops: readonly { readonly op: string; readonly in: readonly string[]; readonly weights: readonly string[] }[];
  readonly values: readonly ProgramValue[];
  readonly weights: readonly ProgramWeight[];
}

/**
 * Checks the ids that `embed` looks up and the targets of `crossEntropy`, where they are inputs. `carried`: how many ids below zero stand
 * for tokens that the device itself sampled. Throws `bad-argument`.
 */
export function checkIds(
  { ops, weights, values }: ReadsIds,
  { inputs }: { readonly inputs: Readonly<Record<string, Int32Array | Float32Array>> },
  { carried = 0 }: { carried?: number } = {},
): void {
  for (const op of ops) {
    if (op.op !== 'embed' && op.op !== 'crossEntropy') continue;
    const ids = inputs[op.in.at(-1) ?? ''];
    const width = Number(values.find(({ name }) => name === op.in[0])?.shape.at(-1) ?? 0);
    const count = op.op === 'embed' ? (weights.find(({ name }) => name === op.weights[0])?.shape[0] ?? 0) : width;
    const least = op.op === 'embed' ? -carried : -1;
    const stray = ids?.find((id) => id < least || id >= count);
    if (stray === undefined) continue;
    throw new PixelError('bad-argument', `Token ${stray} is not in the vocabulary of ${count} tokens.`);
  }
}
