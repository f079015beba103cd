/** Between the plane and the weights: which weights a pixel of a mounted model holds, and where a tensor's pixels are. */
import type { ReadOptions } from '../core/byte-source.ts';
import { canDequantize } from '../gguf/dequantize.ts';
import { columnsOf } from '../gguf/head.ts';
import { findTensor } from '../pxi/read-blocks.ts';
import { readRows } from '../pxi/read-rows.ts';
import type { Rectangle } from '../pxi/weight-space.ts';
import { weightsOfByte } from '../pxi/weight-space-mapping.ts';
import { linesBefore, type MapModel } from './map-weights.ts';

/** What a sample of a pixel takes part in: weights [firstColumn, firstColumn + values.length) of a row. */
export interface LocatedWeights {
  readonly tensor: string;
  readonly type: string;
  /** Which field of the type's blocks the byte belongs to. */
  readonly plane: string;
  readonly row: number;
  readonly firstColumn: number;
  /** As they are through the model's overlays; empty for types that cannot be computed with. */
  readonly values: Float32Array;
}

/** The weights of a point of the plane, of its first sample (R); undefined where the picture holds no weights. */
export async function weightsAt(
  { region, set, weights }: MapModel,
  point: { readonly x: number; readonly y: number },
  options: ReadOptions = {},
): Promise<LocatedWeights | undefined> {
  const tops = linesBefore(region);
  const [x, y] = [point.x - region.x, point.y - region.y];
  const file = tops.findLastIndex((top) => top <= y);
  if (file < 0 || x < 0 || x >= region.width || y >= region.height) return undefined;
  const offset = ((y - tops[file]!) * set.model.width + x) * 4;
  for (const tensor of set.model.tensors) {
    const found = weightsOfByte(tensor, tensor.parts, file, offset);
    if (!found) continue;
    const { plane, row, firstColumn, columns } = found;
    const rows = { start: row, end: row + 1 };
    const values = canDequantize(tensor.type)
      ? (await readRows(weights, tensor.name, rows, options)).slice(firstColumn, firstColumn + columns)
      : new Float32Array(0);
    return { tensor: tensor.name, type: tensor.type.name, plane, row, firstColumn, values };
  }
  return undefined;
}

/** Where a tensor's bytes lie on the plane: for each plane of each part, the smallest rectangle of whole lines that holds them. */
export interface LocatedPlane extends Rectangle {
  readonly plane: string;
  /** Rows of the tensor. */
  readonly rowStart: number;
  readonly rowEnd: number;
}

/** Throws `unknown-tensor`. */
export function placesOfTensor({ region, set, weights }: MapModel, name: string): LocatedPlane[] {
  const { fields } = findTensor(weights, name).type;
  const tops = linesBefore(region);
  const lineBytes = set.model.width * 4;
  const stored = set.model.tensors.find((tensor) => tensor.name === name)!;
  return stored.parts.flatMap(({ rowStart, rowEnd, planes }) =>
    planes.map(({ file, offset, byteLength }, index) => {
      const first = Math.floor(offset / lineBytes);
      const last = Math.floor((offset + Math.max(1, byteLength) - 1) / lineBytes);
      const isOneLine = first === last;
      const x = isOneLine ? (offset % lineBytes) >> 2 : 0;
      const width = isOneLine ? Math.ceil(((offset % lineBytes) + byteLength) / 4) - x : region.width;
      const place = { x: region.x + x, y: region.y + tops[file]! + first, width, height: last - first + 1 };
      return { plane: fields[index]!.name, rowStart, rowEnd, ...place };
    }),
  );
}

/** A layer as a viewer wants it: where its pixels are, and what it holds. */
export interface LocatedLayer {
  readonly id: string;
  readonly role: string;
  /** Rectangles of whole lines, one a file. */
  readonly rectangles: readonly Rectangle[];
  readonly tensors: readonly { name: string; type: string; dimensions: readonly number[]; planes: LocatedPlane[] }[];
}

/** All layers by id: what `map layers` writes. */
export function locateLayers(model: MapModel): LocatedLayer[] {
  const { region, set, weights } = model;
  const tops = linesBefore(region);
  return set.model.layers.map(({ id, role, tensors, lines }) => ({
    id,
    role,
    rectangles: lines.map(({ file, first, end }) => ({
      x: region.x,
      y: region.y + tops[file]! + first,
      width: region.width,
      height: end - first,
    })),
    tensors: tensors.map((name) => {
      const { type, dimensions } = findTensor(weights, name);
      return { name, type: type.name, dimensions, planes: placesOfTensor(model, name) };
    }),
  }));
}

/**
 * A part of a tensor: [rows, columns] from `rows.start` and `columns.start` on. Its counterpart is `editWeights` with `values`.
 * Throws as readRows.
 */
export async function readWeights(
  { weights }: MapModel,
  part: { tensor: string; rows: { start: number; end: number }; columns?: { start: number; end: number } },
  options: ReadOptions = {},
): Promise<Float32Array> {
  const all = await readRows(weights, part.tensor, part.rows, options);
  const width = columnsOf(findTensor(weights, part.tensor));
  const { start, end } = part.columns ?? { start: 0, end: width };
  const chosen = new Float32Array((part.rows.end - part.rows.start) * (end - start));
  for (let row = 0; row < part.rows.end - part.rows.start; row++) {
    chosen.set(all.subarray(row * width + start, row * width + end), row * (end - start));
  }
  return chosen;
}
