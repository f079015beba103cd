/** What every drawing of weight space is put together from, in its colours: frames, cells, outlines, hatching, legend, text. */
import type { Rectangle } from '../weight-space.ts';
import type { Color } from './heat-map-colors.ts';
import { Canvas } from './render-canvas.ts';
import type { DrawingPlan, DrawnTensor, Label } from './render-plan.ts';

/** Cells of a tensor's part, row after row. */
export interface Cells {
  /** In cells. */
  readonly width: number;
  readonly height: number;
}

export const BACKGROUND: Color = [13, 14, 20];
const FRAME: Color = [22, 24, 34];
export const FRAME_LINE: Color = [44, 48, 66];
const TENSOR_LINE: Color = [70, 76, 100];
const TONES: Readonly<Record<Label['tone'], Color>> = {
  title: [240, 241, 248],
  layer: [201, 206, 226],
  tensor: [150, 157, 184],
  legend: [150, 157, 184],
};

/** The empty drawing with the frames of its layers. */
export function beginDrawing({ width, height, frames }: DrawingPlan): Canvas {
  const canvas = new Canvas(width, height, BACKGROUND);
  for (const frame of frames) {
    canvas.fill(frame, FRAME);
    canvas.outline(frame, FRAME_LINE);
  }
  return canvas;
}

/**
 * Draws the cells of a tensor's parts. `colorAt` gives the colour of cell `at` of the part's cells, or undefined to leave what is
 * there.
 */
export function drawCells<Part extends Cells>(
  canvas: Canvas,
  { area, parts }: DrawnTensor,
  cells: readonly Part[],
  zoom: number,
  colorAt: (part: Part, at: number) => Color | undefined,
): void {
  parts.forEach(({ x, y }, index) => {
    const part = cells[index];
    if (!part) return;
    // A vector is drawn as high as its area: one line of weights would not be seen.
    const height = part.height === 1 ? area.height : zoom;
    for (let row = 0; row < part.height; row++) {
      for (let column = 0; column < part.width; column++) {
        const color = colorAt(part, row * part.width + column);
        if (color) canvas.fill({ x: x + column * zoom, y: y + row * zoom, width: zoom, height }, color);
      }
    }
  });
}

/** For a tensor that has no numbers anyone here can read. */
export function hatch(canvas: Canvas, area: Rectangle): void {
  for (let y = 0; y < area.height; y++) {
    for (let x = y % 4; x < area.width; x += 4)
      canvas.fill({ x: area.x + x, y: area.y + y, width: 1, height: 1 }, TENSOR_LINE);
  }
}

export function outlineAround(canvas: Canvas, { x, y, width, height }: Rectangle, color: Color = TENSOR_LINE): void {
  canvas.outline({ x: x - 1, y: y - 1, width: width + 2, height: height + 2 }, color);
}

/** The legend's field of colours: `colorAt` is given where a point lies, -1 left to 1 right and 0 below to 1 above. */
export function drawSwatch(
  canvas: Canvas,
  { x, y, width, height }: Rectangle,
  colorAt: (across: number, up: number) => Color,
): void {
  for (let line = 0; line < height; line++) {
    for (let column = 0; column < width; column++) {
      const color = colorAt((column / (width - 1)) * 2 - 1, 1 - line / (height - 1));
      canvas.fill({ x: x + column, y: y + line, width: 1, height: 1 }, color);
    }
  }
}

export function drawLabels(canvas: Canvas, labels: readonly Label[]): void {
  for (const { text, x, y, scale, tone } of labels) canvas.text(text, x, y, TONES[tone], scale);
}

/** The file's own name, of a path or URL. */
export function baseName(path: string): string {
  return path.split(/[\\/]/).at(-1) ?? path;
}
