/**
 * How each weight of a Program is kept: matrices packed, in their own type where there is a kernel for what is done with it, else
 * widened; vectors (norm gains, biases, frequency factors) in f32, whole, on every thread.
 */
import type { Program, ProgramWeight } from '../../program/program.ts';
import { type PackedFormat, packedFormat, requiredFormat } from './packed-formats.ts';

export interface WeightPlacement {
  readonly weight: ProgramWeight;
  /** Undefined for a vector. */
  readonly format: PackedFormat | undefined;
}

export function placeWeights({ weights, ops }: Program): WeightPlacement[] {
  const matrices = new Set<string>();
  const exact = new Set<string>();
  for (const op of ops) {
    if (op.op !== 'matmul' && op.op !== 'embed') continue;
    matrices.add(op.weights[0]!);
    if (op.op === 'matmul' && op.attributes.activations === 'f32') exact.add(op.weights[0]!);
  }
  return weights.map((weight) => ({
    weight,
    format: matrices.has(weight.name) ? formatOf(weight.type, exact.has(weight.name)) : undefined,
  }));
}

/** One line for people for each type that is not kept as it is: what it becomes. */
export function wideningNotes(placements: readonly WeightPlacement[]): string[] {
  const widened = new Map<string, number>();
  for (const { weight, format } of placements) {
    if (!format || format.name === weight.type) continue;
    const key = `${weight.type} weights are widened to ${format.name}`;
    widened.set(key, (widened.get(key) ?? 0) + 1);
  }
  return [...widened].map(
    ([what, count]) => `${what} (${count} ${count === 1 ? 'tensor' : 'tensors'}): more memory, and slower to read`,
  );
}

/** Integer formats round activations to 8 bits; where a Program wants them exact, the weights become floats. */
function formatOf(type: string, isExact: boolean): PackedFormat {
  const own = packedFormat(type);
  if (own && !(own.isInteger && isExact)) return own;
  return requiredFormat(isExact || type === 'F64' ? 'F32' : 'F16');
}
