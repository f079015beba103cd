/** Reads a Program's weights, each once, into f32. */
import { PixelError, throwIfAborted } from '../../core/errors.ts';
import { canDequantize } from '../../gguf/dequantize.ts';
import type { Program, ProgramWeight } from '../../program/program.ts';
import { readRows } from '../../pxi/read-rows.ts';
import type { WeightSource } from '../../pxi/weight-source.ts';
import type { LoadOptions } from '../types.ts';

/** Weights read at once: bounds the memory beside the weights themselves. */
const PIECE_WEIGHTS = 1 << 20;

/** Throws `unknown-tensor`, `bad-program`, `unsupported-type`, `out-of-memory`, `aborted`, and what the source throws. */
export async function loadWeights(
  program: Pick<Program, 'weights'>,
  source: WeightSource,
  { signal, onProgress }: Pick<LoadOptions, 'signal' | 'onProgress'>,
): Promise<Map<string, Float32Array>> {
  for (const weight of program.weights) checkTensor(weight, source);
  const loaded = new Map<string, Float32Array>();
  for (const weight of program.weights) {
    onProgress?.({ phase: 'loading', done: loaded.size, total: program.weights.length, unit: 'tensors' });
    loaded.set(weight.name, await loadWeight(weight, source, signal));
  }
  onProgress?.({ phase: 'loading', done: loaded.size, total: loaded.size, unit: 'tensors' });
  return loaded;
}

/** Number of weights in a shape. */
export function weightCount({ shape }: ProgramWeight): number {
  return shape.reduce((count, size) => count * size, 1);
}

async function loadWeight(
  weight: ProgramWeight,
  source: WeightSource,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const count = weightCount(weight);
  const columns = weight.shape.at(-1) ?? 1;
  const rows = count / columns;
  const values = allocate(count, `the tensor "${weight.name}"`);
  const step = Math.max(1, Math.floor(PIECE_WEIGHTS / columns));
  for (let start = 0; start < rows; start += step) {
    throwIfAborted(signal);
    const end = Math.min(rows, start + step);
    values.set(await readRows(source, weight.name, { start, end }, { signal }), start * columns);
  }
  return values;
}

/** The engine builds Programs from the source's own head; one that comes from elsewhere may not fit it. */
export function checkTensor(weight: ProgramWeight, source: WeightSource): void {
  const tensor = source.head.tensors.get(weight.name);
  if (!tensor) throw new PixelError('unknown-tensor', `${source.name} has no tensor "${weight.name}".`);
  const dimensions = [...tensor.dimensions];
  while (dimensions.length > weight.shape.length && dimensions.at(-1) === 1) dimensions.pop();
  if (dimensions.reverse().join() !== weight.shape.join() || tensor.type.name !== weight.type) {
    const declared = `${weight.type} ${weight.shape.join(' x ')}`;
    const found = `${tensor.type.name} ${dimensions.join(' x ')}`;
    throw new PixelError(
      'bad-program',
      `The Program needs "${weight.name}" as ${declared}; ${source.name} has ${found}.`,
    );
  }
  if (canDequantize(tensor.type)) return;
  throw new PixelError(
    'unsupported-type',
    `The tensor "${weight.name}" of ${source.name} is of type ${weight.type}, which cannot be computed with.`,
  );
}

/** Throws `out-of-memory` where the runtime would throw a RangeError. */
export function allocate(count: number, what: string): Float32Array {
  try {
    return new Float32Array(count);
  } catch (cause) {
    throw new PixelError('out-of-memory', `There is no memory for ${what}: ${count * 4} bytes.`, { cause });
  }
}
