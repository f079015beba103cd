/** What the writers of map tests write: a place of their own for each number, and one that all of them share. */
import type { Rectangle } from '../src/pxi/weight-space.ts';

/** Spans several tiles of 16 pixels. */
export const SHARED: Rectangle = { x: -37, y: -21, width: 90, height: 50 };

/** Number `number` of writer `id`: over several tiles, beside those of other numbers and writers in shared tiles. */
export function ownPlace(id: number, number: number): Rectangle {
  return { x: 100 + number * 41, y: 1000 + id * 23, width: 41, height: 23 };
}

export function ownPixels({ width, height }: Rectangle, id: number, number: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: width * height * 4 }, (_, at) => (at * 31 + id * 57 + number * 101 + 1) & 255);
}

/** One colour, so that a torn read or write shows. */
export function sharedPixels(id: number, number: number): Uint8Array<ArrayBuffer> {
  const colour = [id + 1, number & 255, (id * 77 + number) & 255, 255];
  return Uint8Array.from({ length: SHARED.width * SHARED.height * 4 }, (_, at) => colour[at & 3]!);
}
