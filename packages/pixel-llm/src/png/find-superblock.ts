/** Looks for a superblock anywhere in a picture, in the four directions it can run after rotating or mirroring. */
import { isSuperblock, SUPERBLOCK_MAGIC, SUPERBLOCK_PIXELS, superblockBytes } from './superblock.ts';

export interface FoundSuperblock {
  readonly x: number;
  readonly y: number;
  /** The way from one of its pixels to the next. */
  readonly stepX: number;
  readonly stepY: number;
}

const DIRECTIONS = [
  [1, 0],
  [-1, 0],
  [0, 1],
  [0, -1],
] as const;

/** `pixels`: RGBA, line after line. */
export function findSuperblock(pixels: Uint8Array, width: number, height: number): FoundSuperblock | undefined {
  const [first, second, third] = SUPERBLOCK_MAGIC;
  for (let at = 0; at < pixels.length; at += 4) {
    if (pixels[at] !== first || pixels[at + 1] !== second || pixels[at + 2] !== third) continue;
    const x = (at / 4) % width;
    const y = Math.floor(at / 4 / width);
    const direction = DIRECTIONS.find(([stepX, stepY]) => startsHere(pixels, width, height, { x, y, stepX, stepY }));
    if (direction) return { x, y, stepX: direction[0], stepY: direction[1] };
  }
  return undefined;
}

function startsHere(
  pixels: Uint8Array,
  width: number,
  height: number,
  { x, y, stepX, stepY }: FoundSuperblock,
): boolean {
  const last = SUPERBLOCK_PIXELS - 1;
  const endX = x + stepX * last;
  const endY = y + stepY * last;
  if (endX < 0 || endX >= width || endY < 0 || endY >= height) return false;
  const line = new Uint8Array(SUPERBLOCK_PIXELS * 4);
  for (let i = 0; i <= last; i++) {
    const at = ((y + stepY * i) * width + x + stepX * i) * 4;
    line.set(pixels.subarray(at, at + 4), i * 4);
  }
  return isSuperblock(superblockBytes(line));
}
