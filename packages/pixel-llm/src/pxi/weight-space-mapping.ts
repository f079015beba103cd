/**
 * Between the two spaces, both ways: a weight (tensor, row, column), its point in weight space (what a person sees), and its
 * bytes in file space (where a picture stores them). Viewers ask "what is under this point", editors "which bytes is it",
 * diagnosis "which weights did this damaged byte hold".
 */
import { columnsOf, rowsOf, type TensorInfo } from '../gguf/head.ts';
import type { BlockField } from '../gguf/tensor-types.ts';
import type { TensorRectangle, WeightSpace } from './weight-space.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface WeightPosition {
  readonly row: number;
  readonly column: number;
}

/** Rows [firstRow, firstRow + rows) of one plane of a tensor, as consecutive bytes from `offset` on in the raster of picture `file`. */
export interface PlaneRun {
  readonly plane: string;
  readonly firstRow: number;
  readonly rows: number;
  readonly file: number;
  readonly offset: number;
}

/** Bytes of one plane that belong to one block. */
export interface FileBytes {
  readonly plane: string;
  readonly file: number;
  readonly offset: number;
  readonly byteLength: number;
}

/** The columns [firstColumn, firstColumn + columns) of a row: the weights of one block. */
export interface BlockPosition {
  readonly plane: string;
  readonly row: number;
  readonly firstColumn: number;
  readonly columns: number;
}

export function pointOfWeight(rectangle: TensorRectangle, { row, column }: WeightPosition): Point {
  const part = Math.floor(row / rectangle.partRows);
  return {
    x: rectangle.x + part * rectangle.partStride + column,
    y: rectangle.y + (row - part * rectangle.partRows),
  };
}

/** The weight at a point, or undefined where the tensor has none (beside it, between its parts, below its last row). */
export function weightAtPoint(
  rectangle: TensorRectangle,
  tensor: TensorInfo,
  { x, y }: Point,
): WeightPosition | undefined {
  const part = Math.floor((x - rectangle.x) / rectangle.partStride);
  const column = x - rectangle.x - part * rectangle.partStride;
  const rowOfPart = y - rectangle.y;
  const row = part * rectangle.partRows + rowOfPart;
  const inside = part >= 0 && column < columnsOf(tensor) && rowOfPart >= 0 && rowOfPart < rectangle.partRows;
  return inside && row < rowsOf(tensor) ? { row, column } : undefined;
}

/** The name of the tensor at a point of weight space, or undefined in the gutters. */
export function tensorAtPoint(space: WeightSpace, { x, y }: Point): string | undefined {
  for (const [name, at] of space.rectangles) {
    if (x >= at.x && x < at.x + at.width && y >= at.y && y < at.y + at.height) return name;
  }
  return undefined;
}

/** The bytes that make up a weight: of each plane, those of the weight's block. Planes without a run that holds the row are left out. */
export function bytesOfWeight(
  tensor: TensorInfo,
  runs: readonly PlaneRun[],
  { row, column }: WeightPosition,
): FileBytes[] {
  const blocksARow = columnsOf(tensor) / tensor.type.blockElements;
  const block = Math.floor(column / tensor.type.blockElements);
  return runs.flatMap((run) => {
    const field = fieldOf(tensor, run.plane);
    if (!field || row < run.firstRow || row >= run.firstRow + run.rows) return [];
    const offset = run.offset + ((row - run.firstRow) * blocksARow + block) * field.bytes;
    return [{ plane: run.plane, file: run.file, offset, byteLength: field.bytes }];
  });
}

/** The weights that a byte of a picture's raster takes part in, or undefined when it belongs to none of these runs. */
export function weightsOfByte(
  tensor: TensorInfo,
  runs: readonly PlaneRun[],
  file: number,
  offset: number,
): BlockPosition | undefined {
  const { blockElements } = tensor.type;
  const blocksARow = columnsOf(tensor) / blockElements;
  for (const run of runs) {
    const field = fieldOf(tensor, run.plane);
    if (!field || run.file !== file) continue;
    const block = Math.floor((offset - run.offset) / field.bytes);
    if (block < 0 || block >= run.rows * blocksARow) continue;
    const row = Math.floor(block / blocksARow);
    const firstColumn = (block - row * blocksARow) * blockElements;
    return { plane: run.plane, row: run.firstRow + row, firstColumn, columns: blockElements };
  }
  return undefined;
}

function fieldOf(tensor: TensorInfo, plane: string): BlockField | undefined {
  return tensor.type.fields.find(({ name }) => name === plane);
}
