/** What the processes of map-crash.test.ts and map-processes.test.ts write: rectangles over several tiles, full of one number. */
import type { Rectangle } from '../src/pxi/weight-space.ts';

export const TILE_SIZE = 16;
/** 40 pixels: no whole number of tiles, so that neighbours share tiles. */
const SIDE = 40;
/** So many writes stand beside each other before the first place is used again. */
export const PLACES = 8;

export function placeOf(n: number): Rectangle {
  return { x: (n % PLACES) * SIDE - 100, y: -20, width: SIDE, height: SIDE };
}

/** [SIDE, SIDE, 4]: each pixel is the number n, little end first. */
export function numberedPixels(n: number): Uint8Array {
  return new Uint8Array(new Uint32Array(SIDE * SIDE).fill(n).buffer);
}

/** The number that all the pixels are; undefined: they are several, a torn write. */
export function numberOf(pixels: Uint8Array<ArrayBuffer>): number | undefined {
  const numbers = new Uint32Array(pixels.buffer, pixels.byteOffset, pixels.length / 4);
  return numbers.every((number) => number === numbers[0]) ? numbers[0] : undefined;
}

/** What all processes write. */
export const SHARED: Rectangle = placeOf(0);

/** What process `who` alone writes. */
export function counterPlace(who: number): Rectangle {
  return placeOf(who + 1);
}

/** Where the numbers of process `who` start: those of no two processes are the same. */
export function startOf(who: number): number {
  return (who + 1) * 1_000_000;
}
