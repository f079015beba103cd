/**
 * Coordinates of the plane: whole numbers up to +-(2^53 - 1), x to the right and y downwards. The plane is cut into square tiles;
 * a tile's coordinates are those of its pixels divided by the tile's side, rounded down.
 */
import { PixelError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import type { Rectangle } from '../pxi/weight-space.ts';

/** The farthest coordinate in each direction. */
export const FARTHEST: number = Number.MAX_SAFE_INTEGER;

/** Sides a tile may have: powers of two, so that dividing by one is exact. */
export const TILE_SIZES = { least: 8, usual: 64, most: 1024 } as const;

/** Tiles from (left, top) to (right, bottom), both included. */
export interface TileRange {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Whether a side is a power of two within TILE_SIZES. */
export function isTileSize(size: number): boolean {
  return Number.isInteger(size) && size >= TILE_SIZES.least && size <= TILE_SIZES.most && (size & (size - 1)) === 0;
}

/** Throws `bad-argument` for a side that no tile may have. */
export function checkTileSize(size: number): void {
  if (isTileSize(size)) return;
  const { least, most } = TILE_SIZES;
  throw new PixelError('bad-argument', `A tile's side is a power of two from ${least} to ${most}, not ${size}.`);
}

/** Whether a rectangle is of whole numbers, holds a pixel and lies on the plane. */
export function isOnPlane({ x, y, width, height }: Rectangle): boolean {
  return isExtent(x, width) && isExtent(y, height);
}

function isExtent(start: number, length: number): boolean {
  return Number.isSafeInteger(start) && Number.isSafeInteger(length) && length >= 1 && length - 1 <= FARTHEST - start;
}

/** Throws `bad-argument` unless the rectangle is of whole numbers, holds a pixel and lies on the plane. */
export function checkRectangle(rectangle: Rectangle): void {
  if (isOnPlane(rectangle)) return;
  const { x, y, width, height } = rectangle;
  throw new PixelError(
    'bad-argument',
    `${width} x ${height} pixels at ${x},${y} are no part of the plane: coordinates are whole numbers up to +-${FARTHEST}, sizes at least 1.`,
  );
}

/** Bytes of the rectangle's RGBA pixels. Throws `bad-argument`, and `limit-exceeded` for more than one read or write may move. */
export function pixelBytes(rectangle: Rectangle): number {
  checkRectangle(rectangle);
  const bytes = rectangle.width * rectangle.height * 4;
  if (bytes <= LIMITS.mapRegionBytes) return bytes;
  throw new PixelError(
    'limit-exceeded',
    `${rectangle.width} x ${rectangle.height} pixels are ${bytes} bytes, above the limit of ${LIMITS.mapRegionBytes} for one read or write: take it in parts.`,
  );
}

/** The tiles that a rectangle touches. */
export function tilesOf({ x, y, width, height }: Rectangle, tileSize: number): TileRange {
  return {
    left: Math.floor(x / tileSize),
    top: Math.floor(y / tileSize),
    right: Math.floor((x + (width - 1)) / tileSize),
    bottom: Math.floor((y + (height - 1)) / tileSize),
  };
}

/** What two rectangles share, or undefined. */
export function intersection(a: Rectangle, b: Rectangle): Rectangle | undefined {
  const x = Math.max(a.x, b.x);
  const y = Math.max(a.y, b.y);
  const width = Math.min(a.x + a.width, b.x + b.width) - x;
  const height = Math.min(a.y + a.height, b.y + b.height) - y;
  return width > 0 && height > 0 ? { x, y, width, height } : undefined;
}

/** "640 x 480 at -5,3" */
export function describeRectangle({ x, y, width, height }: Rectangle): string {
  return `${width} x ${height} at ${x},${y}`;
}
