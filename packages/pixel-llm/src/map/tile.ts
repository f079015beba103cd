/**
 * A tile's content: its pixels, and which of their bytes were written. What was not written lets what lies below show through,
 * byte by byte: so overlays can be laid one over another exactly, also where two quantization blocks share a pixel.
 */
import { crc32 } from '../core/hashing.ts';
import type { Rectangle } from '../pxi/weight-space.ts';
import { intersection } from './coordinates.ts';

/** Never changed once it is made: caches and stores share it. */
export interface TileBlock {
  /** [side, side, 4]; zero where nothing was written. */
  readonly pixels: Uint8Array;
  /** Bit i & 7 of byte i >> 3 stands for byte i of the pixels. Undefined: all were written. */
  readonly written: Uint8Array | undefined;
}

/** The bytes a block takes in memory. */
export function blockBytes({ pixels, written }: TileBlock): number {
  return pixels.length + (written?.length ?? 0);
}

/** Where a block belongs: sheet 0 is the ground; x and y count tiles. */
export interface BlockPlace {
  readonly sheet: number;
  readonly x: number;
  readonly y: number;
}

/** CRC-32 over pixels, mask and place (three doubles, little-endian), so that a tile is not shown in another's place. */
export function blockCrc({ pixels, written }: TileBlock, { sheet, x, y }: BlockPlace): number {
  const place = new DataView(new ArrayBuffer(24));
  for (const [i, value] of [sheet, x, y].entries()) place.setFloat64(8 * i, value, true);
  const crc = crc32(pixels);
  return crc32(new Uint8Array(place.buffer), written ? crc32(written, crc) : crc);
}

/** The upper block laid over the lower one, as one block. */
export function mergeBlocks(lower: TileBlock, upper: TileBlock): TileBlock {
  if (!upper.written) return upper;
  const pixels = lower.pixels.slice();
  layBytes(pixels, 0, upper, 0, pixels.length);
  const written = lower.written?.map((bits, index) => bits | upper.written![index]!);
  return { pixels, written: written?.every((bits) => bits === 255) ? undefined : written };
}

/**
 * Lays the part of a tile that falls into `area` over the pixels of that area.
 * tile: the rectangle of the tile on the plane; target: [area.height, area.width, 4].
 */
export function drawTile(block: TileBlock, tile: Rectangle, target: Uint8Array, area: Rectangle): void {
  const shared = intersection(tile, area);
  if (!shared) return;
  const bytes = shared.width * 4;
  const from = ((shared.y - tile.y) * tile.width + (shared.x - tile.x)) * 4;
  const to = ((shared.y - area.y) * area.width + (shared.x - area.x)) * 4;
  if (!block.written) {
    const [source, into] = [pixelWords(block.pixels), pixelWords(target)];
    if (source && into) {
      copyPixels(source, from >> 2, tile.width, into, to >> 2, area.width, shared);
      return;
    }
  }
  for (let row = 0; row < shared.height; row++) {
    layBytes(target, to + row * area.width * 4, block, from + row * tile.width * 4, bytes);
  }
}

/** The same bytes, a pixel each; undefined where they are not aligned. */
export function pixelWords({ buffer, byteOffset, byteLength }: Uint8Array): Uint32Array | undefined {
  return byteOffset % 4 === 0 ? new Uint32Array(buffer, byteOffset, byteLength >> 2) : undefined;
}

/** Copies a rectangle of pixels between two of other widths. A loop: for lines this short, an array's own copy costs more to set up than to do. */
export function copyPixels(
  source: Uint32Array,
  from: number,
  sourceWidth: number,
  target: Uint32Array,
  to: number,
  targetWidth: number,
  { width, height }: Pick<Rectangle, 'width' | 'height'>,
): void {
  for (let row = 0; row < height; row++) {
    const [first, into] = [from + row * sourceWidth, to + row * targetWidth];
    for (let i = 0; i < width; i++) target[into + i] = source[first + i]!;
  }
}

/** Copies those of `count` bytes of a block, from `from` on, that were written. */
export function layBytes(target: Uint8Array, to: number, block: TileBlock, from: number, count: number): void {
  const { pixels, written } = block;
  if (!written) {
    target.set(pixels.subarray(from, from + count), to);
    return;
  }
  for (let at = from; at < from + count; ) {
    const bits = written[at >> 3]!;
    let end = Math.min(from + count, (at | 7) + 1);
    if (bits === 255) {
      // What is written in part is mostly written in long runs.
      while (end < from + count && written[end >> 3] === 255) end = Math.min(from + count, end + 8);
      target.set(pixels.subarray(at, end), to + at - from);
      at = end;
    } else if (bits === 0) at = end;
    else for (; at < end; at++) if ((bits >> (at & 7)) & 1) target[to + at - from] = pixels[at]!;
  }
}
