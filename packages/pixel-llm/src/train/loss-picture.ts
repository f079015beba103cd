/**
 * The losses of a training as a picture: a point a step, their mean as a line, what was held out as squares, axes with numbers. The axis of
 * losses is logarithmic: a training that goes from 6 to 0.06 nats learns as much in its last tenth as in its first.
 */
import type { Image } from '../png/encode-image.ts';
import { LETTER_HEIGHT, textWidth } from '../pxi/view/font.ts';
import type { Color } from '../pxi/view/heat-map-colors.ts';
import { Canvas } from '../pxi/view/render-canvas.ts';

export interface LossPoint {
  readonly step: number;
  /** Nats a prediction. */
  readonly loss: number;
  readonly heldOutLoss?: number | undefined;
}

const WIDTH = 900;
const HEIGHT = 480;
const LEFT = 64;
const RIGHT = 16;
const TOP = 36;
const BOTTOM = 36;
const BACKGROUND: Color = [16, 18, 24];
const GRID: Color = [44, 48, 60];
const WORDS: Color = [200, 204, 214];
const POINT: Color = [58, 92, 140];
const LINE: Color = [120, 180, 255];
const HELD_OUT: Color = [255, 170, 80];
/** The axis reaches down to this share of the largest loss at most. */
const LOWEST = 1e-5;
/** The line is the mean over this share of all steps. */
const SMOOTHING = 1 / 50;

/** `points`: in the order of their steps, at least one, all finite. */
export function drawLosses(title: string, points: readonly LossPoint[]): Image {
  const canvas = new Canvas(WIDTH, HEIGHT, BACKGROUND);
  const values = points.flatMap(({ loss, heldOutLoss }) => (heldOutLoss === undefined ? [loss] : [loss, heldOutLoss]));
  const most = values.reduce((a, b) => Math.max(a, b), 0) * 1.1 || 1;
  // A loss of nothing has no place on such an axis: it lies at its lower end.
  const least = Math.max(values.reduce((a, b) => Math.min(a, b), most) / 1.1, most * LOWEST);
  const last = Math.max(1, points.at(-1)?.step ?? 1);
  const x = (step: number): number => LEFT + Math.round((step / last) * (WIDTH - LEFT - RIGHT - 1));
  const y = (loss: number): number => {
    const share = Math.log(Math.max(loss, least) / least) / Math.log(most / least);
    return TOP + Math.round((1 - share) * (HEIGHT - TOP - BOTTOM - 1));
  };
  drawAxes(canvas, { least, most, last, x, y });
  const dot = (px: number, py: number, size: number, color: Color): void => {
    canvas.fill({ x: px - (size >> 1), y: py - (size >> 1), width: size, height: size }, color);
  };
  for (const { step, loss } of points) dot(x(step), y(loss), 1, POINT);
  const means = smoothed(points);
  for (const [index, mean] of means.entries()) {
    // From the line's last height to this one, so that it has no holes where it falls.
    const [from, to] = [y(means[Math.max(0, index - 1)]!), y(mean)];
    canvas.fill({ x: x(points[index]!.step), y: Math.min(from, to), width: 2, height: Math.abs(from - to) + 2 }, LINE);
  }
  for (const { step, heldOutLoss } of points) if (heldOutLoss !== undefined) dot(x(step), y(heldOutLoss), 5, HELD_OUT);
  canvas.text(title, LEFT, 12, WORDS);
  const legend = [
    ['learned', LINE],
    ['held out', HELD_OUT],
  ] as const;
  let right = WIDTH - RIGHT;
  for (const [word, color] of legend.toReversed()) {
    right -= textWidth(word) + 12;
    canvas.text(word, right, 12, color);
  }
  return canvas;
}

interface Axes {
  readonly least: number;
  readonly most: number;
  readonly last: number;
  readonly x: (step: number) => number;
  readonly y: (loss: number) => number;
}

function drawAxes(canvas: Canvas, { least, most, last, x, y }: Axes): void {
  for (const loss of logarithmicTicks(least, most)) {
    canvas.fill({ x: LEFT, y: y(loss), width: WIDTH - LEFT - RIGHT, height: 1 }, GRID);
    const number = String(Number(loss.toPrecision(6)));
    canvas.text(number, LEFT - 8 - textWidth(number), y(loss) - (LETTER_HEIGHT >> 1), WORDS);
  }
  for (const step of ticks(last)) {
    if (!Number.isInteger(step)) continue;
    canvas.fill({ x: x(step), y: HEIGHT - BOTTOM, width: 1, height: 5 }, WORDS);
    const number = String(step);
    const left = Math.min(x(step) - (textWidth(number) >> 1), WIDTH - textWidth(number) - 2);
    canvas.text(number, left, HEIGHT - BOTTOM + 8, WORDS);
  }
  canvas.text('step', LEFT, HEIGHT - LETTER_HEIGHT - 2, WORDS);
  canvas.text('nats', 8, TOP - 4, WORDS);
}

/** 1, 2 and 5 times powers of ten; only the powers where those would be many. */
function logarithmicTicks(least: number, most: number): number[] {
  const powers = Math.log10(most / least);
  const digits = powers > 3 ? [1] : powers > 0.4 ? [1, 2, 5] : [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8];
  const first = Math.floor(Math.log10(least));
  const all = Array.from({ length: Math.ceil(powers) + 2 }, (_, i) => digits.map((digit) => digit * 10 ** (first + i)));
  return all.flat().filter((loss) => loss >= least && loss <= most);
}

/** Round numbers from 0 to `most`, four to ten of them. */
function ticks(most: number): number[] {
  const power = 10 ** Math.floor(Math.log10(most));
  const distance = [0.1, 0.2, 0.5, 1].map((part) => part * power).find((step) => most / step <= 10) ?? power;
  return Array.from({ length: Math.floor(most / distance + 1e-9) + 1 }, (_, i) => i * distance);
}

/** For each point the mean of it and those before it, in a window. */
function smoothed(points: readonly LossPoint[]): number[] {
  const window = Math.max(1, Math.round(points.length * SMOOTHING));
  let sum = 0;
  return points.map(({ loss }, index) => {
    sum += loss - (index >= window ? points[index - window]!.loss : 0);
    return sum / Math.min(window, index + 1);
  });
}
