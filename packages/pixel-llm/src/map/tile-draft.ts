/** Gathers what is to be written and cuts it into tiles: rectangles of pixels, and runs of bytes along a line. */
import type { Rectangle } from '../pxi/weight-space.ts';
import { pixelBytes, tilesOf } from './coordinates.ts';
import { copyPixels, pixelWords, type TileBlock } from './tile.ts';
import type { TileWrite } from './tile-store.ts';

interface OpenTile {
  readonly x: number;
  readonly y: number;
  readonly pixels: Uint8Array;
  readonly written: Uint8Array;
}

export class TileDraft {
  readonly #size: number;
  readonly #tiles: Map<string, OpenTile> = new Map();

  constructor(tileSize: number) {
    this.#size = tileSize;
  }

  /** Tiles touched so far. */
  get count(): number {
    return this.#tiles.size;
  }

  /** pixels: [height, width, 4] */
  addRectangle(rectangle: Rectangle, pixels: Uint8Array): void {
    const lineBytes = rectangle.width * 4;
    for (let line = 0; line < rectangle.height; line++) {
      this.addBytes(rectangle.x, rectangle.y + line, 0, pixels.subarray(line * lineBytes, (line + 1) * lineBytes));
    }
  }

  /** Bytes along line `y`, the first of them sample `sample` (0 to 3: R, G, B, A) of pixel `x`. */
  addBytes(x: number, y: number, sample: number, bytes: Uint8Array): void {
    const size = this.#size;
    const tileY = Math.floor(y / size);
    const rowStart = (y - tileY * size) * size * 4;
    let tileX = Math.floor(x / size);
    let inRow = (x - tileX * size) * 4 + sample;
    for (let at = 0; at < bytes.length; tileX++, inRow = 0) {
      const count = Math.min(bytes.length - at, size * 4 - inRow);
      const tile = this.#tile(tileX, tileY);
      tile.pixels.set(bytes.subarray(at, at + count), rowStart + inRow);
      markBits(tile.written, rowStart + inRow, count);
      at += count;
    }
  }

  /** What was gathered. The draft is spent. */
  finish(): TileWrite[] {
    return [...this.#tiles.values()].map(({ x, y, pixels, written }) => ({
      x,
      y,
      block: { pixels, written: written.every((bits) => bits === 255) ? undefined : written },
    }));
  }

  #tile(x: number, y: number): OpenTile {
    const key = `${x},${y}`;
    let tile = this.#tiles.get(key);
    if (!tile) {
      const bytes = this.#size * this.#size * 4;
      tile = { x, y, pixels: new Uint8Array(bytes), written: new Uint8Array(bytes / 8) };
      this.#tiles.set(key, tile);
    }
    return tile;
  }
}

/** The tiles of one rectangle of pixels, [height, width, 4]. Throws `bad-argument`, `limit-exceeded`. */
export function tilesOfPixels(rectangle: Rectangle, pixels: Uint8Array, tileSize: number): TileWrite[] {
  pixelBytes(rectangle);
  const { left, top, right, bottom } = tilesOf(rectangle, tileSize);
  const tiles: TileWrite[] = [];
  const edge = new TileDraft(tileSize);
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const column = x * tileSize - rectangle.x;
      const row = y * tileSize - rectangle.y;
      const isWhole =
        column >= 0 && row >= 0 && column + tileSize <= rectangle.width && row + tileSize <= rectangle.height;
      if (isWhole) tiles.push({ x, y, block: cutTile(pixels, rectangle.width, column, row, tileSize) });
      else addPart(edge, rectangle, pixels, column, row, tileSize);
    }
  }
  return [...tiles, ...edge.finish()];
}

function cutTile(pixels: Uint8Array, width: number, column: number, row: number, size: number): TileBlock {
  const tile = new Uint8Array(size * size * 4);
  const words = pixelWords(pixels);
  if (words) {
    const square = { width: size, height: size };
    copyPixels(words, row * width + column, width, new Uint32Array(tile.buffer), 0, size, square);
    return { pixels: tile, written: undefined };
  }
  for (let line = 0; line < size; line++) {
    const from = ((row + line) * width + column) * 4;
    tile.set(pixels.subarray(from, from + size * 4), line * size * 4);
  }
  return { pixels: tile, written: undefined };
}

/** Of a tile that begins at (column, row) of the rectangle, what the rectangle holds. */
function addPart(
  draft: TileDraft,
  { x, y, width, height }: Rectangle,
  pixels: Uint8Array,
  column: number,
  row: number,
  size: number,
): void {
  const [first, end] = [Math.max(0, column), Math.min(width, column + size)];
  for (let line = Math.max(0, row); line < Math.min(height, row + size); line++) {
    draft.addBytes(x + first, y + line, 0, pixels.subarray((line * width + first) * 4, (line * width + end) * 4));
  }
}

function markBits(bits: Uint8Array, first: number, count: number): void {
  const end = first + count;
  let at = first;
  for (; at < end && (at & 7) !== 0; at++) bits[at >> 3]! |= 1 << (at & 7);
  const whole = end - ((end - at) & 7);
  bits.fill(255, at >> 3, whole >> 3);
  for (at = Math.max(at, whole); at < end; at++) bits[at >> 3]! |= 1 << (at & 7);
}
