/**
 * Between the two spaces, both ways: a weight (tensor, row, column), its point in weight space (what a person sees), and its
 * bytes in file space (where a picture stores them). Viewers ask "what is under this point", editors "which bytes is it",
 * diagnosis "which weights did this damaged byte hold".
 */
import type { TensorInfo } from '../gguf/head.ts';
import type { FileRun, TensorPart } from './layout.ts';
import { storedRows } from './stored-rows.ts';
import { matrixOf, type TensorRectangle, type WeightSpace } from './weight-space.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface WeightPosition {
  readonly row: number;
  readonly column: number;
}

/** Bytes of one plane that belong to one block. */
export interface PlaneBytes extends FileRun {
  readonly plane: string;
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
  const { rows, columns } = matrixOf(tensor);
  const inside = part >= 0 && column < columns && rowOfPart >= 0 && rowOfPart < rectangle.partRows;
  return inside && row < rows ? { row, column } : undefined;
}

/** The name of the tensor at a point of weight space, or undefined in the gutters. */
export function tensorAtPoint(space: WeightSpace, { x, y }: Point): string | undefined {
  for (const [name, at] of space.rectangles) {
    if (x >= at.x && x < at.x + at.width && y >= at.y && y < at.y + at.height) return name;
  }
  return undefined;
}

/** The bytes that make up a weight: of each plane, in order, those of the weight's block. None when no part holds the row. */
export function bytesOfWeight(
  tensor: TensorInfo,
  parts: readonly TensorPart[],
  { row, column }: WeightPosition,
): PlaneBytes[] {
  const { blockElements, fields } = tensor.type;
  const { rowBlocks } = storedRows(tensor);
  const tensorBlock = Math.floor((row * matrixOf(tensor).columns + column) / blockElements);
  const part = parts.find(
    ({ rowStart, rowEnd }) => tensorBlock >= rowStart * rowBlocks && tensorBlock < rowEnd * rowBlocks,
  );
  if (!part) return [];
  const block = tensorBlock - part.rowStart * rowBlocks;
  return part.planes.flatMap(({ file, offset }, index) => {
    const field = fields[index];
    return field ? [{ plane: field.name, file, offset: offset + block * field.bytes, byteLength: field.bytes }] : [];
  });
}

/** The weights that a byte of a picture's raster takes part in, or undefined when it is none of this tensor's. */
export function weightsOfByte(
  tensor: TensorInfo,
  parts: readonly TensorPart[],
  file: number,
  offset: number,
): BlockPosition | undefined {
  const { blockElements, fields } = tensor.type;
  const { columns } = matrixOf(tensor);
  for (const part of parts) {
    const index = part.planes.findIndex(
      (run) => run.file === file && offset >= run.offset && offset < run.offset + run.byteLength,
    );
    const [run, field] = [part.planes[index], fields[index]];
    if (!run || !field) continue;
    const block = part.rowStart * storedRows(tensor).rowBlocks + Math.floor((offset - run.offset) / field.bytes);
    const row = Math.floor((block * blockElements) / columns);
    return { plane: field.name, row, firstColumn: block * blockElements - row * columns, columns: blockElements };
  }
  return undefined;
}
