/**
 * Where the bytes of a model lie in the pixels of its pictures (file space): a pure function from tensors to a plan.
 * `convert` writes what the plan says, from top to bottom; readers never need it, for the manifest holds every run.
 *
 * The rules: a layer is one contiguous run of lines and, if it fits a file, lies in one; planes of a line or more start at
 * x = 0, smaller ones share lines at steps of 256 bytes; a tensor is split only at multiples of 128 rows, in all its planes
 * alike, so that every plane's part starts 256-byte aligned within the plane too.
 */
import { PixelError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import type { TensorInfo } from '../gguf/head.ts';
import { recordStride } from '../png/line-record.ts';
import { LEAST_WIDTH, MOST_WIDTH } from '../png/superblock.ts';
import { groupLayers, type LayerRole } from './layers.ts';
import { storedRows } from './stored-rows.ts';

/** Smaller planes start at multiples of this many bytes (64 pixels). */
export const PLANE_STEP = 256;
/** A tensor is split only at multiples of so many rows. */
export const SPLIT_ROWS = 128;
/** Lines a file may have. At width 8192 the whole file stays below 256 MiB, WebGPU's default buffer limit. */
const MOST_LINES = 8176;
/** Bytes of a PNG of the mappable profile beside its lines' records: signature, chunks and tail. */
const FRAME_BYTES = 4096;
/** What the files after the first need for their own short manifest. */
const PART_MANIFEST_BYTES = 1024;

/** A run of raster bytes of one file of the set. */
export interface FileRun {
  readonly file: number;
  /** Raster byte offset in that file's picture. */
  readonly offset: number;
  readonly byteLength: number;
}

/** Rows [rowStart, rowEnd) of a tensor, all in one file; one run for each of the type's fields, in their order. */
export interface TensorPart {
  readonly file: number;
  readonly rowStart: number;
  readonly rowEnd: number;
  readonly planes: readonly FileRun[];
}

interface PlannedTensor {
  readonly name: string;
  readonly parts: readonly TensorPart[];
}

/** Lines [first, end) of one file. */
export interface LineRange {
  readonly file: number;
  readonly first: number;
  readonly end: number;
}

export interface PlannedLayer {
  readonly id: string;
  readonly role: LayerRole;
  readonly tensors: readonly string[];
  /** One range, or one a file where the layer is larger than a file. */
  readonly lines: readonly LineRange[];
}

export interface PicturePlan {
  /** Pixels a line, in all files alike. */
  readonly width: number;
  readonly files: number;
  /** Lines of content in each file, line 0 included. */
  readonly contentLines: readonly number[];
  /** The raw GGUF head, then each stretch of bytes that belongs to no tensor. */
  readonly head: readonly FileRun[];
  readonly gaps: readonly (readonly FileRun[])[];
  readonly layers: readonly PlannedLayer[];
  /** In the order in which they are written. */
  readonly tensors: readonly PlannedTensor[];
}

export interface LayoutOptions {
  /** Bytes a file may have, PNG frame included. */
  shardSize?: number | undefined;
  /** Bytes to keep free in the first file for the manifest. */
  manifestBytes: number;
}

/**
 * Lays out a model: `headBytes` bytes of head, gaps of the given lengths, and the tensors, by layers.
 * Throws `bad-argument` when `shardSize` is too small for this model.
 */
export function planPictures(
  tensors: readonly TensorInfo[],
  headBytes: number,
  gapBytes: readonly number[],
  { shardSize = Number.MAX_SAFE_INTEGER, manifestBytes }: LayoutOptions,
): PicturePlan {
  const content = [...tensors.map((tensor) => tensor.byteLength), ...gapBytes].reduce((sum, n) => sum + n, headBytes);
  const width = widthFor(Math.min(content + manifestBytes, shardSize));
  const cursor = new Cursor(width, shardSize, manifestBytes);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const head = cursor.placeBytes(headBytes);
  const gaps = gapBytes.map((length) => cursor.placeBytes(length));
  const planned: PlannedTensor[] = [];
  const layers: PlannedLayer[] = [];
  for (const layer of groupLayers(tensors)) {
    const members = inStorageOrder(
      layer.tensors.flatMap((name) => byName.get(name) ?? []),
      cursor.lineBytes,
    );
    const { parts, lines } = placeLayer(cursor, members);
    planned.push(...members.map((tensor, index) => ({ name: tensor.name, parts: parts[index] ?? [] })));
    layers.push({ ...layer, lines });
  }
  const contentLines = cursor.contentLines();
  return { width, files: contentLines.length, contentLines, head, gaps, layers, tensors: planned };
}

/** The power of two that makes a picture of so many bytes roughly square. */
function widthFor(bytes: number): number {
  let width = LEAST_WIDTH;
  while (width < MOST_WIDTH && width * width * 4 < bytes) width *= 2;
  return width;
}

/** Tensors of less than a line (norms, biases) after the others, so that they share lines. */
function inStorageOrder(tensors: readonly TensorInfo[], lineBytes: number): TensorInfo[] {
  const isSmall = (tensor: TensorInfo) => tensor.byteLength < lineBytes;
  return [...tensors.filter((tensor) => !isSmall(tensor)), ...tensors.filter(isSmall)];
}

interface PlacedLayer {
  readonly parts: readonly (readonly TensorPart[])[];
  readonly lines: readonly LineRange[];
}

function placeLayer(cursor: Cursor, tensors: readonly TensorInfo[]): PlacedLayer {
  cursor.startLine();
  const sizes = tensors.flatMap((tensor) => planeSizes(tensor, storedRows(tensor).rows));
  cursor.openFileFor(sizes);
  const begun = { file: cursor.file, offset: cursor.offset };
  const parts = tensors.map((tensor) => placeTensor(cursor, tensor));
  cursor.startLine();
  return { parts, lines: cursor.linesSince(begun) };
}

/** Places a whole tensor in one file if one can hold it, else rows by the 128 up to the end of each file. */
function placeTensor(cursor: Cursor, tensor: TensorInfo): TensorPart[] {
  const { rows } = storedRows(tensor);
  const parts: TensorPart[] = [];
  if (tensor.byteLength === 0) return parts;
  cursor.openFileFor(planeSizes(tensor, rows));
  for (let rowStart = 0; rowStart < rows; ) {
    const fitting = fittingRows(cursor, tensor, rows - rowStart);
    if (fitting === 0) {
      if (cursor.isFresh) throw tooSmall(tensor);
      cursor.nextFile();
      continue;
    }
    const planes = cursor.place(planeSizes(tensor, fitting));
    parts.push({ file: cursor.file, rowStart, rowEnd: rowStart + fitting, planes });
    rowStart += fitting;
  }
  return parts;
}

/** The most rows, all of `rows` or a multiple of 128, that still fit the current file. */
function fittingRows(cursor: Cursor, tensor: TensorInfo, rows: number): number {
  if (cursor.fits(planeSizes(tensor, rows))) return rows;
  let fitting = 0;
  let tooMany = Math.ceil(rows / SPLIT_ROWS);
  while (tooMany - fitting > 1) {
    const middle = Math.floor((fitting + tooMany) / 2);
    if (cursor.fits(planeSizes(tensor, middle * SPLIT_ROWS))) fitting = middle;
    else tooMany = middle;
  }
  return fitting * SPLIT_ROWS;
}

/** Bytes of each plane of so many rows. */
function planeSizes(tensor: TensorInfo, rows: number): number[] {
  const { rowBlocks } = storedRows(tensor);
  return tensor.type.fields.map((field) => rows * rowBlocks * field.bytes);
}

function tooSmall(tensor: TensorInfo): PixelError {
  return new PixelError(
    'bad-argument',
    `The files would be too small: ${SPLIT_ROWS} rows of tensor "${tensor.name}" are ${Math.min(SPLIT_ROWS * storedRows(tensor).rowBytes, tensor.byteLength)} bytes and must lie in one file; choose a larger shard size.`,
  );
}

/** The place where the next byte goes, and the files it has filled. */
class Cursor {
  readonly lineBytes: number;
  file = 0;
  offset: number;
  readonly #fileBytes: number;
  readonly #manifestBytes: number;
  /** Lines of the files before the current one. */
  readonly #filled: number[] = [];

  constructor(width: number, shardSize: number, manifestBytes: number) {
    this.lineBytes = width * 4;
    const lines = Math.floor((shardSize - FRAME_BYTES) / recordStride(width));
    this.#fileBytes = Math.min(MOST_LINES, lines) * this.lineBytes;
    this.#manifestBytes = roundUp(manifestBytes, this.lineBytes);
    this.offset = this.lineBytes;
    if (this.#capacity() <= this.lineBytes) {
      throw new PixelError(
        'bad-argument',
        `A shard size of ${shardSize} bytes is too small: the first picture must hold a manifest and more than that.`,
      );
    }
  }

  /** True when nothing was placed in the current file yet (line 0 is the superblock's). */
  get isFresh(): boolean {
    return this.offset === this.lineBytes;
  }

  /** Goes on at the start of a line. */
  startLine(): void {
    this.offset = roundUp(this.offset, this.lineBytes);
  }

  nextFile(): void {
    this.startLine();
    this.#filled.push(this.offset / this.lineBytes);
    this.file++;
    this.offset = this.lineBytes;
    if (this.file >= LIMITS.setFiles) {
      throw new PixelError('bad-argument', `The shard size is too small: more than ${LIMITS.setFiles} files.`);
    }
  }

  /** Goes to the next file when planes of these sizes fit an empty one but no longer the current one. */
  openFileFor(sizes: readonly number[]): void {
    if (this.fits(sizes) || this.isFresh) return;
    if (this.#end(this.lineBytes, sizes) <= this.#capacity(this.file + 1)) this.nextFile();
  }

  fits(sizes: readonly number[]): boolean {
    return this.#end(this.offset, sizes) <= this.#capacity();
  }

  place(sizes: readonly number[]): FileRun[] {
    return sizes.map((byteLength) => {
      const offset = this.#start(this.offset, byteLength);
      this.offset = offset + byteLength;
      return { file: this.file, offset, byteLength };
    });
  }

  /** Places bytes without structure, over as many files as it takes. */
  placeBytes(byteLength: number): FileRun[] {
    const runs: FileRun[] = [];
    for (let left = byteLength; left > 0; ) {
      const offset = this.#start(this.offset, left);
      const room = this.#capacity() - offset;
      if (room <= 0) {
        this.nextFile();
        continue;
      }
      const piece = Math.min(left, room);
      runs.push({ file: this.file, offset, byteLength: piece });
      this.offset = offset + piece;
      left -= piece;
    }
    return runs;
  }

  /** The whole lines written since then, one range a file. */
  linesSince(begun: { file: number; offset: number }): LineRange[] {
    const ranges: LineRange[] = [];
    for (let file = begun.file; file <= this.file; file++) {
      const first = file === begun.file ? begun.offset / this.lineBytes : 1;
      const end = this.#filled[file] ?? this.offset / this.lineBytes;
      if (end > first) ranges.push({ file, first, end });
    }
    return ranges;
  }

  /** Lines of content in each file; nothing is placed afterwards. */
  contentLines(): number[] {
    this.startLine();
    return [...this.#filled, this.offset / this.lineBytes];
  }

  /** The next step where so many bytes stay within a line, or the start of the next line: a plane of a line or more always crosses. */
  #start(offset: number, byteLength: number): number {
    const stepped = roundUp(offset, PLANE_STEP);
    const crosses = (stepped % this.lineBytes) + byteLength > this.lineBytes;
    return crosses ? roundUp(stepped, this.lineBytes) : stepped;
  }

  #end(offset: number, sizes: readonly number[]): number {
    let end = offset;
    for (const byteLength of sizes) end = this.#start(end, byteLength) + byteLength;
    return end;
  }

  /** Raster bytes of a file that content may fill, the superblock's line included. */
  #capacity(file = this.file): number {
    const reserved = file === 0 ? this.#manifestBytes : roundUp(PART_MANIFEST_BYTES, this.lineBytes);
    return this.#fileBytes - reserved;
  }
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
