/**
 * Weight space: the plane a person looks at. Each tensor lies there as a rectangle of rows x columns, one unit a weight: the
 * embedding on top, the layers below in reading order, the output last. Drawing, regions and looking work in these coordinates;
 * where the bytes lie (file space) is another matter, and weight-space-mapping.ts goes between the two.
 *
 * A matrix much taller than its layer (an embedding of 150 000 rows, a feed-forward of five times the width) would leave the
 * page a needle, so its rows are cut into parts of equal height that stand side by side. Nothing here depends on the bytes:
 * the same tensors always give the same space.
 */
import { columnsOf, rowsOf, type TensorInfo } from '../gguf/head.ts';
import { isKnownType } from '../gguf/tensor-types.ts';
import type { ModelLayer } from './layers.ts';

export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The rectangle of a tensor. Part p holds rows [p x partRows, (p + 1) x partRows) and begins at x + p x partStride. */
export interface TensorRectangle extends Rectangle {
  readonly partRows: number;
  readonly partStride: number;
}

export interface WeightSpace {
  readonly width: number;
  readonly height: number;
  /** Free space above every tensor and every layer: a line of text at the size of an overview. */
  readonly gutter: number;
  readonly rectangles: ReadonlyMap<string, TensorRectangle>;
  /** By layer id. */
  readonly layers: ReadonlyMap<string, Rectangle>;
}

/** How wide an overview is drawn unless said otherwise, in pixels. */
export const OVERVIEW_WIDTH = 1800;
/** How high one of its lines of text stands. The gutters follow from these two. */
const TEXT_LINE = 12;
/** Height over width that the page tries for, by the number of layers it sets on a line. */
const PAGE_ASPECT = 1.25;
const MOST_LAYERS_A_LINE = 64;
const OPAQUE_COLUMNS = 1024;

/** A tensor as a person sees it. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
}

/**
 * Rows and columns of a tensor's rectangle. Of a type nobody here knows, and of a tensor without bytes, the declared dimensions
 * may be anything: those are shown by their bytes, OPAQUE_COLUMNS a row, one unit each.
 */
export function matrixOf(tensor: TensorInfo): Matrix {
  if (isKnownType(tensor.type) && tensor.byteLength > 0) return { rows: rowsOf(tensor), columns: columnsOf(tensor) };
  return { rows: Math.ceil(tensor.byteLength / OPAQUE_COLUMNS), columns: Math.min(tensor.byteLength, OPAQUE_COLUMNS) };
}

/**
 * Places all tensors of the layers; names that `tensors` does not hold are left out. `overviewWidth`: the pixels across at which
 * a line of text is to fit the gutters.
 */
export function placeTensors(
  layers: readonly ModelLayer[],
  tensors: ReadonlyMap<string, TensorInfo>,
  { overviewWidth = OVERVIEW_WIDTH }: { overviewWidth?: number | undefined } = {},
): WeightSpace {
  const blocks = layers.map((layer) => ({ layer, items: itemsOf(layer, tensors) }));
  const height = layerHeight(blocks.filter(({ layer }) => layer.role === 'layer').map(({ items }) => items));
  let gutter = 0;
  let space = placePage(blocks, height, gutter);
  for (let attempt = 0; attempt < 8 && gutter < gutterFor(space.width, overviewWidth); attempt++) {
    gutter = gutterFor(space.width, overviewWidth);
    space = placePage(blocks, height, gutter);
  }
  return space;
}

/** The space of one tensor alone, cut into parts only where it would be more than twice as high as wide. */
export function placeTensor(tensor: TensorInfo): WeightSpace {
  const { rows, columns } = matrixOf(tensor);
  const items = [{ name: tensor.name, rows, columns }];
  const block = { layer: { id: tensor.name, role: 'other', tensors: [tensor.name] }, items } as const;
  const placed = packWithin(block, Math.max(columns, Math.ceil(Math.sqrt((rows * columns) / 2))), 0);
  return { ...placed, gutter: 0, rectangles: new Map(placed.rectangles), layers: new Map() };
}

interface Item extends Matrix {
  readonly name: string;
}

interface Block {
  readonly layer: ModelLayer;
  readonly items: readonly Item[];
}

interface PlacedBlock {
  readonly width: number;
  readonly height: number;
  readonly rectangles: readonly (readonly [name: string, rectangle: TensorRectangle])[];
}

/** Vectors first: norms and biases stand in a column of their own at the left of the matrices. */
function itemsOf(layer: ModelLayer, tensors: ReadonlyMap<string, TensorInfo>): Item[] {
  const items = layer.tensors.flatMap((name) => {
    const tensor = tensors.get(name);
    return tensor ? [{ name, ...matrixOf(tensor) }] : [];
  });
  return [...items.filter(({ rows }) => rows === 1), ...items.filter(({ rows }) => rows !== 1)];
}

/** Rows a layer's parts may have: the smaller side of its largest matrix, which is the model's own width. */
function layerHeight(layers: readonly (readonly Item[])[]): number {
  let height = 1;
  for (const items of layers) {
    const weights = items.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
    height = Math.max(height, Math.ceil(Math.sqrt(weights) / 6));
    for (const { rows, columns } of items) height = Math.max(height, Math.min(rows, columns));
  }
  return height;
}

/** A line of text in units, at the scale of an overview. */
function gutterFor(width: number, overviewWidth: number): number {
  const { cell, zoom } = overviewScale(width, overviewWidth);
  return Math.ceil((TEXT_LINE * cell) / zoom);
}

/** How a space is drawn on so many pixels: `cell` weights a side share a pixel, or a weight takes `zoom` pixels a side; one is 1. */
export function overviewScale(units: number, pixels: number): { cell: number; zoom: number } {
  if (units > pixels) return { cell: Math.ceil(units / pixels), zoom: 1 };
  return { cell: 1, zoom: Math.max(1, Math.floor(pixels / Math.max(units, 1))) };
}

/** Tries every number of layers a line and keeps the page whose shape is nearest to the one wanted. */
function placePage(blocks: readonly Block[], height: number, gutter: number): WeightSpace {
  const layerBlocks = blocks.filter(({ layer }) => layer.role === 'layer').map((block) => pack(block, height, gutter));
  const widest = layerBlocks.reduce((most, { width }) => Math.max(most, width), 0);
  let best: WeightSpace | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (let perLine = 1; perLine <= Math.max(1, Math.min(layerBlocks.length, MOST_LAYERS_A_LINE)); perLine++) {
    const pageWidth = widest > 0 ? perLine * (widest + gutter) - gutter : widthWithoutLayers(blocks);
    const page = composePage(blocks, layerBlocks, pageWidth, gutter);
    const distance = Math.abs(Math.log(page.height / page.width / PAGE_ASPECT));
    if (distance < bestDistance) {
      best = page;
      bestDistance = distance;
    }
  }
  return best ?? { width: 1, height: 1, gutter, rectangles: new Map(), layers: new Map() };
}

function widthWithoutLayers(blocks: readonly Block[]): number {
  const items = blocks.flatMap((block) => block.items);
  const weights = items.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  return Math.max(1, ...items.map(({ columns }) => columns), Math.ceil(Math.sqrt(weights / PAGE_ASPECT)));
}

/** Sets blocks from left to right and top to bottom; whatever is no numbered layer takes a line of its own. */
function composePage(
  blocks: readonly Block[],
  layerBlocks: readonly PlacedBlock[],
  pageWidth: number,
  gutter: number,
): WeightSpace {
  const rectangles = new Map<string, TensorRectangle>();
  const layers = new Map<string, Rectangle>();
  let [x, y, lineHeight, width, layerIndex] = [0, 0, 0, 0, 0];
  for (const block of blocks) {
    const isLayer = block.layer.role === 'layer';
    const placed = (isLayer ? layerBlocks[layerIndex++] : undefined) ?? packWithin(block, pageWidth, gutter);
    if (x > 0 && (!isLayer || x + placed.width > pageWidth)) {
      y += lineHeight + Math.ceil(gutter / 2);
      [x, lineHeight] = [0, 0];
    }
    const top = y + gutter;
    // The lines that are no layer's are framed as wide as the page: what stands above and below each other should align.
    const frameWidth = isLayer ? placed.width : Math.max(placed.width, pageWidth);
    layers.set(block.layer.id, { x, y: top, width: frameWidth, height: placed.height });
    for (const [name, at] of placed.rectangles) rectangles.set(name, { ...at, x: x + at.x, y: top + at.y });
    width = Math.max(width, x + frameWidth);
    lineHeight = Math.max(lineHeight, gutter + placed.height);
    x = isLayer ? x + placed.width + gutter : pageWidth + 1;
  }
  return { width: Math.max(width, 1), height: Math.max(y + lineHeight, 1), gutter, rectangles, layers };
}

/** The lowest block that is no wider than the page. */
function packWithin(block: Block, pageWidth: number, gutter: number): PlacedBlock {
  let low = 1;
  let high = block.items.reduce((most, { rows }) => Math.max(most, rows), 1);
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (pack(block, middle, gutter).width <= pageWidth) high = middle;
    else low = middle + 1;
  }
  return pack(block, low, gutter);
}

/**
 * Fills columns of `height` rows from left to right: a tensor stands under the one before it when there is room (key over value;
 * their second line of text may make the block that much higher), else in a new column; one taller than that is cut into parts
 * side by side. Above each is a gutter, around all half a gutter.
 */
function pack({ items }: Block, height: number, gutter: number): PlacedBlock {
  const margin = Math.ceil(gutter / 2);
  const partGap = Math.ceil(gutter / 8);
  const rectangles: [string, TensorRectangle][] = [];
  let column = { x: margin, y: 0, width: 0 };
  let lowest = 0;
  for (const { name, columns, rows } of items) {
    const parts = Math.max(1, Math.ceil(rows / height));
    const partRows = Math.max(1, Math.ceil(rows / parts));
    const width = columns * parts + partGap * (parts - 1);
    const fits = column.y + gutter + partRows <= height + 2 * gutter && width <= column.width;
    if (!fits && column.width > 0) column = { x: column.x + column.width + margin, y: 0, width: 0 };
    const y = column.y + gutter;
    rectangles.push([name, { x: column.x, y, width, height: partRows, partRows, partStride: columns + partGap }]);
    // A vector is one unit high; a quarter of a gutter is kept free for it, so that a coarse drawing can show it as a line.
    column.y = y + Math.max(partRows, rows === 1 ? Math.ceil(gutter / 4) : 0);
    column.width = Math.max(column.width, width);
    lowest = Math.max(lowest, column.y);
  }
  return { width: column.x + column.width + margin, height: lowest + margin, rectangles };
}
