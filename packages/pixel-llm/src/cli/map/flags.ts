/** How places, sizes and overlays are said on the command line. */
import { InvalidArgumentError } from 'commander';
import type { RowRange } from '../../pxi/weight-source.ts';

export interface Place {
  readonly x: number;
  readonly y: number;
}

/** "-5,3"; for a shell's sake said as --at=-5,3. */
export function place(text: string): Place {
  const [, x, y] = /^([+-]?\d+),([+-]?\d+)$/.exec(text) ?? [];
  const point = { x: Number(x), y: Number(y) };
  if (Number.isSafeInteger(point.x) && Number.isSafeInteger(point.y)) return point;
  throw new InvalidArgumentError('It must be two whole numbers, X,Y, as in --at=-5,3.');
}

/** "64x48" */
export function size(text: string): { width: number; height: number } {
  const [, width, height] = /^(\d+)x(\d+)$/i.exec(text) ?? [];
  const both = { width: Number(width), height: Number(height) };
  if (both.width >= 1 && both.height >= 1) return both;
  throw new InvalidArgumentError('It must be a width and a height in pixels, WxH, as in 64x48.');
}

/** "0:32", "5" for one, ":32" and "5:" to the start and the end. */
export function range(text: string): Partial<RowRange> {
  const [, start, colon, end] = /^(\d*)(:?)(\d*)$/.exec(text) ?? [];
  if (start === undefined || text === '') throw new InvalidArgumentError('It must be a range A:B, without B itself.');
  if (colon === '') return { start: Number(start), end: Number(start) + 1 };
  return { ...(start !== '' && { start: Number(start) }), ...(end !== '' && { end: Number(end) }) };
}

/** An option that may be given several times: its values in order. */
export function several(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, value];
}

type Scalar = string | number | boolean | null;

/** "by=me", "layer=3": a key of the metadata and its value; numbers, true, false and null are those. May be given several times. */
export function where(text: string, earlier: Record<string, Scalar> = {}): Record<string, Scalar> {
  const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (key === undefined || value === undefined) throw new InvalidArgumentError('It must be KEY=VALUE.');
  return { ...earlier, [key]: scalarOf(value) };
}

function scalarOf(text: string): Scalar {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return value as Scalar;
  } catch {
    // A word.
  }
  return text;
}
