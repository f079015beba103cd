/** Reads a Program's weights once, in bounded pieces, and hands each thread its rows. */
import { PixelError, throwIfAborted } from '../../core/errors.ts';
import { floatToHalf } from '../../gguf/half.ts';
import { tensorTypeByName } from '../../gguf/tensor-types.ts';
import type { ProgramWeight } from '../../program/program.ts';
import { planeField } from '../../pxi/planes.ts';
import { readRows } from '../../pxi/read-rows.ts';
import type { RowRange, WeightSource } from '../../pxi/weight-source.ts';
import type { LoadOptions } from '../types.ts';
import type { PackedFormat } from './packed-formats.ts';
import type { Cuts } from './thread-plan.ts';
import type { WeightPlacement } from './weight-placement.ts';

/** Where a thread's weights go: its share, or a message to it. */
export interface ShareLoader {
  /** The planes are the loader's until it is done, or for good where it transfers them. Throws `not-finite`. */
  pack(name: string, firstRow: number, count: number, planes: Uint8Array<ArrayBuffer>[]): void | Promise<void>;
  setVector(name: string, values: Float32Array<ArrayBuffer>): void | Promise<void>;
}

/** Bytes of a tensor read at once: no more than a GGUF file's reader keeps, so that the second plane costs no second read. */
const PIECE_BYTES = 1 << 20;

/** Throws what the source and the loaders throw, `not-finite`, `aborted`. */
export async function loadShares(
  placements: readonly WeightPlacement[],
  source: WeightSource,
  loaders: readonly ShareLoader[],
  rowCuts: ReadonlyMap<string, Cuts>,
  { signal, onProgress }: Pick<LoadOptions, 'signal' | 'onProgress'>,
): Promise<void> {
  const staging = new Staging();
  let done = 0;
  for (const { weight, format } of placements) {
    throwIfAborted(signal);
    onProgress?.({ phase: 'loading', done, total: placements.length, unit: 'tensors' });
    if (format) await loadMatrix(weight, format, source, loaders, rowCuts.get(weight.name)!, staging, signal);
    else await loadVector(weight, source, loaders, signal);
    done++;
  }
  onProgress?.({ phase: 'loading', done, total: done, unit: 'tensors' });
}

async function loadVector(
  { name, shape }: ProgramWeight,
  source: WeightSource,
  loaders: readonly ShareLoader[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const rows = shape.slice(0, -1).reduce((product, size) => product * size, 1);
  const values = await readRows(source, name, { start: 0, end: rows }, { signal });
  if (!values.every(Number.isFinite)) {
    throw new PixelError(
      'not-finite',
      `The tensor "${name}" cannot be used. Some weights are infinite or not numbers.`,
    );
  }
  for (const loader of loaders) await loader.setVector(name, values.slice());
}

async function loadMatrix(
  weight: ProgramWeight,
  format: PackedFormat,
  source: WeightSource,
  loaders: readonly ShareLoader[],
  cuts: Cuts,
  staging: Staging,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { blockBytes, blockElements } = tensorTypeByName(weight.type)!;
  const rowBytes = ((weight.shape[1] ?? 1) * blockBytes) / blockElements;
  const step = Math.max(4, Math.floor(PIECE_BYTES / rowBytes / 4) * 4);
  for (const [thread, loader] of loaders.entries()) {
    const [first, last] = [cuts[thread]!, cuts[thread + 1]!];
    for (let start = first; start < last; start += step) {
      throwIfAborted(signal);
      const end = Math.min(last, start + step);
      const planes = await readPiece(weight, format, source, { start, end }, staging, signal);
      await loader.pack(weight.name, start - first, end - start, planes);
    }
  }
}

/** The planes of some rows, as the packing kernel wants them. */
async function readPiece(
  { name, type, shape }: ProgramWeight,
  format: PackedFormat,
  source: WeightSource,
  rows: RowRange,
  staging: Staging,
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>[]> {
  if (format.name !== type) return [widened(await readRows(source, name, rows, { signal }), format)];
  const tensorType = tensorTypeByName(type)!;
  const blocks = ((rows.end - rows.start) * (shape[1] ?? 1)) / tensorType.blockElements;
  const planes: Uint8Array<ArrayBuffer>[] = [];
  for (const [i, plane] of format.planes.entries()) {
    if (!plane) continue;
    const bytes = staging.take(i, blocks * planeField(tensorType, plane).bytes);
    await source.readPlane(name, plane, rows, bytes, { signal });
    planes.push(bytes);
  }
  return planes;
}

/** Memory for planes on their way, used again and again where it was not transferred to another thread. */
class Staging {
  readonly #buffers: ArrayBuffer[] = [];

  take(index: number, bytes: number): Uint8Array<ArrayBuffer> {
    let buffer = this.#buffers[index];
    if (!buffer || buffer.byteLength < bytes) {
      buffer = new ArrayBuffer(bytes);
      this.#buffers[index] = buffer;
    }
    return new Uint8Array(buffer, 0, bytes);
  }
}

function widened(values: Float32Array<ArrayBuffer>, format: PackedFormat): Uint8Array<ArrayBuffer> {
  if (format.name === 'F32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return new Uint8Array(Uint16Array.from(values, floatToHalf).buffer);
}
