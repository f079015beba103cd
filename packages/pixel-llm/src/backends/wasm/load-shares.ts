/**
 * Reads a Program's weights once, in bounded pieces, and hands each thread its rows. Each thread is fed by a lane of its own: while it packs
 * one piece, the next is read; and the pieces' memory goes back and forth instead of being left for the garbage collector.
 */
import { PixelError, throwIfAborted } from '../../core/errors.ts';
import type { OnProgress } from '../../core/progress.ts';
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

/** The bytes of some rows' planes. */
export type Planes = Uint8Array<ArrayBuffer>[];

/** Where a thread's weights go: its share, or messages to it. */
export interface ShareLoader {
  /** Gives the planes back, or others as large, when the rows are packed. Throws `not-finite`. */
  pack(name: string, firstRow: number, count: number, planes: Planes): Planes | Promise<Planes>;
  setVectors(vectors: ReadonlyMap<string, Float32Array<ArrayBuffer>>): void | Promise<void>;
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
  throwIfAborted(signal);
  // The first lane to fail stops the others; none of them may go on when this has returned.
  const failed = new AbortController();
  const stop = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  const progress = new LoadProgress(placements, onProgress);
  const lanes = loaders.map((loader, thread) => {
    const pieces = piecesOf(placements, rowCuts, thread);
    return fillShare(pieces, source, loader, progress, stop);
  });
  const all = [setVectors(placements, source, loaders, stop), ...lanes];
  const errors: unknown[] = [];
  await Promise.all(
    all.map((lane) =>
      lane.catch((error: unknown) => {
        errors.push(error);
        failed.abort();
      }),
    ),
  );
  throwIfAborted(signal);
  if (errors.length > 0) throw errors[0];
}

/** Norm gains, biases and factors: small, and whole on every thread. */
async function setVectors(
  placements: readonly WeightPlacement[],
  source: WeightSource,
  loaders: readonly ShareLoader[],
  signal: AbortSignal,
): Promise<void> {
  const vectors = new Map<string, Float32Array<ArrayBuffer>>();
  for (const { weight, format } of placements) {
    if (format) continue;
    const { name, shape } = weight;
    const rows = shape.slice(0, -1).reduce((product, size) => product * size, 1);
    const values = await readRows(source, name, { start: 0, end: rows }, { signal });
    if (!values.every(Number.isFinite)) {
      throw new PixelError(
        'not-finite',
        `The tensor "${name}" cannot be used. Some weights are infinite or not numbers.`,
      );
    }
    vectors.set(name, values);
  }
  for (const loader of loaders) await loader.setVectors(vectors);
}

/** Rows of a matrix that are read and packed at once. */
interface Piece {
  readonly weight: ProgramWeight;
  readonly format: PackedFormat;
  readonly rows: RowRange;
  /** The first of them among the thread's own. */
  readonly firstRow: number;
  /** As the file has them. */
  readonly bytes: number;
}

function* piecesOf(
  placements: readonly WeightPlacement[],
  rowCuts: ReadonlyMap<string, Cuts>,
  thread: number,
): Generator<Piece> {
  for (const { weight, format } of placements) {
    if (!format) continue;
    const rowBytes = storedRowBytes(weight);
    const cuts = rowCuts.get(weight.name)!;
    const [first, last] = [cuts[thread]!, cuts[thread + 1]!];
    const step = Math.max(4, Math.floor(PIECE_BYTES / rowBytes / 4) * 4);
    for (let start = first; start < last; start += step) {
      const end = Math.min(last, start + step);
      yield { weight, format, rows: { start, end }, firstRow: start - first, bytes: (end - start) * rowBytes };
    }
  }
}

async function fillShare(
  pieces: Iterable<Piece>,
  source: WeightSource,
  loader: ShareLoader,
  progress: LoadProgress,
  signal: AbortSignal,
): Promise<void> {
  const spare = [new Staging(), new Staging()];
  let packing: Promise<void> = Promise.resolve();
  const pack = async (piece: Piece, planes: Planes, staging: Staging): Promise<void> => {
    const { weight, rows, firstRow } = piece;
    staging.giveBack(await loader.pack(weight.name, firstRow, rows.end - rows.start, planes));
    spare.push(staging);
    progress.add(piece.bytes);
  };
  try {
    for (const piece of pieces) {
      throwIfAborted(signal);
      const staging = spare.shift()!;
      const planes = await readPiece(piece, source, staging, signal);
      await packing;
      packing = pack(piece, planes, staging);
      packing.catch(() => undefined);
    }
  } finally {
    await packing;
  }
}

/** The planes of some rows, as the packing kernel wants them. */
async function readPiece(
  { weight: { name, type, shape }, format, rows }: Piece,
  source: WeightSource,
  staging: Staging,
  signal: AbortSignal,
): Promise<Planes> {
  if (format.name !== type) return [widened(await readRows(source, name, rows, { signal }), format)];
  const tensorType = tensorTypeByName(type)!;
  const blocks = ((rows.end - rows.start) * (shape[1] ?? 1)) / tensorType.blockElements;
  const planes: Planes = [];
  for (const plane of format.planes) {
    if (!plane) continue;
    const bytes = staging.take(planes.length, blocks * planeField(tensorType, plane).bytes);
    await source.readPlane(name, plane, rows, bytes, { signal });
    planes.push(bytes);
  }
  return planes;
}

/** Memory for the planes of one piece on their way, used again and again. */
class Staging {
  readonly #buffers: ArrayBuffer[] = [];

  take(index: number, bytes: number): Uint8Array<ArrayBuffer> {
    let buffer = this.#buffers[index];
    if (!buffer || buffer.byteLength < bytes) {
      // Pieces of different tensors differ a little: what is a little larger fits all of them.
      buffer = new ArrayBuffer(2 ** Math.ceil(Math.log2(bytes + 1)));
      this.#buffers[index] = buffer;
    }
    return new Uint8Array(buffer, 0, bytes);
  }

  giveBack(planes: Planes): void {
    for (const [index, { buffer }] of planes.entries()) this.#buffers[index] = buffer;
  }
}

/** All lanes' bytes together. */
class LoadProgress {
  readonly #total: number;
  readonly #onProgress: OnProgress | undefined;
  #done = 0;

  constructor(placements: readonly WeightPlacement[], onProgress: OnProgress | undefined) {
    const matrices = placements.filter(({ format }) => format);
    this.#total = matrices.reduce((sum, { weight }) => sum + (weight.shape[0] ?? 1) * storedRowBytes(weight), 0);
    this.#onProgress = onProgress;
    this.add(0);
  }

  add(bytes: number): void {
    this.#done += bytes;
    this.#onProgress?.({ phase: 'loading', done: this.#done, total: this.#total, unit: 'bytes' });
  }
}

function storedRowBytes({ type, shape }: ProgramWeight): number {
  const { blockBytes, blockElements } = tensorTypeByName(type)!;
  return ((shape[1] ?? 1) * blockBytes) / blockElements;
}

function widened(values: Float32Array<ArrayBuffer>, format: PackedFormat): Uint8Array<ArrayBuffer> {
  if (format.name === 'F32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return new Uint8Array(Uint16Array.from(values, floatToHalf).buffer);
}
