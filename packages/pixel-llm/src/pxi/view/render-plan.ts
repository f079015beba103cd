/**
 * Where everything of a drawing stands, in pixels, before a weight is read: frames of layers, areas of tensors, their labels, and
 * the room for title and legend (render-caption.ts). Weight space is shown at one scale throughout, so the drawing is a map of it.
 */
import type { TensorInfo } from '../../gguf/head.ts';
import { type ModelLayer, shortTensorName } from '../layers.ts';
import type { RowRange } from '../weight-source.ts';
import {
  matrixOf,
  OVERVIEW_WIDTH,
  overviewScale,
  type Rectangle,
  type TensorRectangle,
  type WeightSpace,
} from '../weight-space.ts';
import { LETTER_HEIGHT } from './font.ts';
import { firstFitting } from './render-canvas.ts';

/** Rows of a tensor that are drawn from one corner on. */
interface DrawnPart {
  readonly rows: RowRange;
  readonly x: number;
  readonly y: number;
}

export interface DrawnTensor {
  readonly name: string;
  /** All of its parts, in pixels, at least as high as a visible line. */
  readonly area: Rectangle;
  readonly parts: readonly DrawnPart[];
}

export interface Label {
  readonly text: string;
  readonly x: number;
  readonly y: number;
  readonly scale: number;
  readonly tone: 'title' | 'layer' | 'tensor' | 'legend';
}

export interface DrawingPlan {
  readonly width: number;
  readonly height: number;
  /** Weights a side that make a pixel (1 or more), and pixels a side that make a weight (1 or more): one of them is 1. */
  readonly cell: number;
  readonly zoom: number;
  /** The balance of signs that has the full colour: cells of many weights lean less. */
  readonly leanRange: number;
  readonly frames: readonly Rectangle[];
  readonly tensors: readonly DrawnTensor[];
  readonly labels: readonly Label[];
  /** The field of colours in the legend. */
  readonly swatch: Rectangle;
}

/** Free pixels around the drawing. */
export const MARGIN = 24;
const LINE = 12;
/** Below, the legend would not fit. */
const LEAST_WIDTH = 640;
/** Pixels a side that viewers still open. */
const MOST_SIDE = 16_000;
/** Height that a small space is magnified to at most. */
const MOST_MAGNIFIED = 1800;
const HEAD_HEIGHT = 52;
const SWATCH = { width: 154, height: 60 } as const;
const LEGEND_HEIGHT = 20 + SWATCH.height + LINE + 4;

/** Bounds of the width a caller may ask for. */
export const DRAWING_WIDTHS: { readonly least: number; readonly most: number } = {
  least: LEAST_WIDTH,
  most: MOST_SIDE,
};

/** The pixels across that a drawing of so many leaves to weight space. */
export function drawnWidth(width: number = OVERVIEW_WIDTH + 2 * MARGIN): number {
  return Math.max(1, width - 2 * MARGIN);
}

export interface DrawingPlanOptions {
  /** Pixels across, at most. Default: about 1800. */
  width?: number | undefined;
  /** What a tensor's label ends with where there is room. Default: its type. */
  tensorNote?: ((tensor: TensorInfo) => string) | undefined;
  /** The same for a layer. Default: nothing. */
  layerNote?: ((id: string) => string) | undefined;
}

/** Plans the drawing of a weight space, `width` pixels wide at most (default: about 1800). */
export function planDrawing(
  space: WeightSpace,
  tensors: ReadonlyMap<string, TensorInfo>,
  layers: readonly ModelLayer[],
  { width: wanted, tensorNote = ({ type }) => type.name, layerNote = () => '' }: DrawingPlanOptions = {},
): DrawingPlan {
  const scale = scaleFor(space, drawnWidth(wanted));
  const pixels = (units: number) => (scale.cell > 1 ? Math.ceil(units / scale.cell) : units * scale.zoom);
  const width = Math.max(pixels(space.width) + 2 * MARGIN, LEAST_WIDTH);
  const top = MARGIN + HEAD_HEIGHT;
  const toPixels = ({ x, y, width: w, height: h }: Rectangle): Rectangle => ({
    x: MARGIN + pixels(x),
    y: top + pixels(y),
    width: Math.max(1, pixels(w)),
    height: Math.max(1, pixels(h)),
  });
  const gutter = pixels(space.gutter);
  const drawn = [...space.rectangles].flatMap(([name, at]) => {
    const tensor = tensors.get(name);
    return tensor ? [drawnTensor(tensor, at, toPixels, gutter)] : [];
  });
  const legendTop = top + pixels(space.height) + 20;
  const swatch = { x: MARGIN, y: legendTop, ...SWATCH };
  const leanRange = Math.min(1, 2.5 / scale.cell);
  const labels = [
    ...layerLabels(space, layers, { toPixels, gutter, note: layerNote }),
    ...tensorLabels(drawn, tensors, { gutter, note: tensorNote }),
  ];
  const frames = [...space.layers.values()].map(toPixels);
  return {
    width,
    height: legendTop + LEGEND_HEIGHT + MARGIN - 20,
    ...scale,
    leanRange,
    frames,
    tensors: drawn,
    labels,
    swatch,
  };
}

/** The scale at which both sides fit. */
function scaleFor(space: WeightSpace, across: number): { cell: number; zoom: number } {
  const wide = overviewScale(space.width, across);
  const high = overviewScale(space.height, MOST_MAGNIFIED);
  const most = overviewScale(space.height, MOST_SIDE - 1000);
  return { cell: Math.max(wide.cell, most.cell), zoom: Math.min(wide.zoom, high.zoom) };
}

function drawnTensor(
  tensor: TensorInfo,
  at: TensorRectangle,
  toPixels: (rectangle: Rectangle) => Rectangle,
  gutter: number,
): DrawnTensor {
  const { rows } = matrixOf(tensor);
  const area = toPixels(at);
  const height = rows === 1 ? Math.max(area.height, Math.floor(gutter / 4)) : area.height;
  const parts: DrawnPart[] = [];
  for (let start = 0; start < rows; start += at.partRows) {
    const { x, y } = toPixels({ ...at, x: at.x + (start / at.partRows) * at.partStride });
    parts.push({ rows: { start, end: Math.min(rows, start + at.partRows) }, x, y });
  }
  return { name: tensor.name, area: { ...area, height }, parts };
}

/** In the gutter above each layer's frame. */
function layerLabels(
  space: WeightSpace,
  layers: readonly ModelLayer[],
  {
    toPixels,
    gutter,
    note,
  }: { toPixels: (rectangle: Rectangle) => Rectangle; gutter: number; note: (id: string) => string },
): Label[] {
  return layers.flatMap(({ id }) => {
    const frame = space.layers.get(id);
    if (!frame || gutter < LETTER_HEIGHT + 1) return [];
    const { x, y, width } = toPixels(frame);
    const name = id.replace('.', ' ');
    const text = firstFitting([noted(name, note(id)), name, id.replace('layer.', '')], width);
    return text ? [{ text, x, y: y - LETTER_HEIGHT - 1, scale: 1, tone: 'layer' as const }] : [];
  });
}

/** In the gutter above each tensor, as much of its name, shape and note as its width has room for. */
function tensorLabels(
  drawn: readonly DrawnTensor[],
  tensors: ReadonlyMap<string, TensorInfo>,
  { gutter, note }: { gutter: number; note: (tensor: TensorInfo) => string },
): Label[] {
  return drawn.flatMap(({ name, area }) => {
    const tensor = tensors.get(name);
    if (!tensor || gutter < LETTER_HEIGHT + 1) return [];
    const short = shortTensorName(name);
    const { rows, columns } = matrixOf(tensor);
    const ending = note(tensor);
    const texts = [
      noted(`${short}  ${rows} x ${columns}`, ending),
      noted(short, ending),
      short,
      ...abbreviations(short),
    ];
    const text = firstFitting(texts, area.width);
    return text ? [{ text, x: area.x, y: area.y - LETTER_HEIGHT - 1, scale: 1, tone: 'tensor' as const }] : [];
  });
}

function noted(text: string, note: string): string {
  return note === '' ? text : `${text}  ${note}`;
}

/** `attn_output` as `attn_out`, `out`, `o`; a bias with a plus. */
function abbreviations(short: string): string[] {
  const name = short.replace('.bias', '').replace('output', 'out');
  const last = name.split('_').at(-1) ?? '';
  return [name, last, last.slice(0, 4), last.slice(0, 1)].map((text) => (short.endsWith('.bias') ? `${text}+` : text));
}
