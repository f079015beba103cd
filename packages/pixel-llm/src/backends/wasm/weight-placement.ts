/**
 * How each weight of a Program is kept: matrices packed, in their own type where there is a kernel for what is done with it, else
 * widened; vectors (norm gains, biases, frequency factors) in f32, whole, on every thread.
 */
import { tensorTypeByName } from '../../gguf/tensor-types.ts';
import type { Program, ProgramWeight } from '../../program/program.ts';
import { type PackedFormat, packedBytes, packedFormat, requiredFormat } from './packed-formats.ts';

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

/** One line for people for each type that is not kept as it is: what it becomes, and what that costs. */
export function wideningNotes(placements: readonly WeightPlacement[]): string[] {
  const widened = new Map<string, { tensors: number; stored: number; kept: number }>();
  for (const { weight, format } of placements) {
    if (!format || format.name === weight.type) continue;
    const [rows = 1, columns = 1] = weight.shape;
    const { blockBytes, blockElements } = tensorTypeByName(weight.type)!;
    const key = `${weight.type} weights are widened to ${format.name}`;
    const { tensors, stored, kept } = widened.get(key) ?? { tensors: 0, stored: 0, kept: 0 };
    widened.set(key, {
      tensors: tensors + 1,
      stored: stored + (rows * columns * blockBytes) / blockElements,
      kept: kept + packedBytes(format, rows, columns),
    });
  }
  return [...widened].map(
    ([what, { tensors, stored, kept }]) =>
      `${what} (${tensors} ${tensors === 1 ? 'tensor' : 'tensors'}), for which there is no kernel: they take ${megabytes(kept)} instead of ${megabytes(stored)}, and as much longer to read for each token.`,
  );
}

function megabytes(bytes: number): string {
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e3).toFixed(1)} kB`;
}

/** Integer formats round activations to 8 bits; where a Program wants them exact, the weights become floats. */
function formatOf(type: string, isExact: boolean): PackedFormat {
  const own = packedFormat(type);
  if (own && !(own.isInteger && isExact)) return own;
  return requiredFormat(isExact || type === 'F64' ? 'F32' : 'F16');
}
