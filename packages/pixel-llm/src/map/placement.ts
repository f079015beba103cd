/** Where something new goes on the plane: the free place nearest to the origin, so that a map grows outward from there. */

import { PixelError } from '../core/errors.ts';
import type { Rectangle } from '../pxi/weight-space.ts';
import { describeRectangle, intersection } from './coordinates.ts';
import type { MapRegion } from './tile-store.ts';

/** Above so many rectangles only their common frame counts: the search compares each place with each rectangle. */
const MOST_RECTANGLES = 1000;

/** Where a mount goes: to the point that was asked for, or near the origin. Throws `bad-argument` when a mount lies there already. */
export function placeFor(
  size: Pick<Rectangle, 'width' | 'height'>,
  {
    at,
    regions,
    step,
  }: { at: { readonly x: number; readonly y: number } | undefined; regions: readonly MapRegion[]; step: number },
): Rectangle {
  if (!at) return placeNear(size, regions, step);
  const place = { x: at.x, y: at.y, ...size };
  const other = regions.find((region) => region.mount && intersection(region, place));
  if (!other) return place;
  throw new PixelError(
    'bad-argument',
    `${describeRectangle(place)} would cover the mount "${other.name}" (${describeRectangle(other)}): choose another place, or leave it to the map.`,
  );
}

/**
 * The free place of that size whose farthest corner is nearest to the origin, among those at the origin and beside what is there.
 * Everything lies at multiples of `step` and at least `step` apart, so that no tile belongs to two of them.
 */
export function placeNear(
  { width, height }: Pick<Rectangle, 'width' | 'height'>,
  taken: readonly Rectangle[],
  step: number,
): Rectangle {
  const obstacles = (taken.length > MOST_RECTANGLES ? [frameOf(taken)] : taken).map((one) => widened(one, step));
  const xs = new Set([0]);
  const ys = new Set([0]);
  for (const { x, y, width: w, height: h } of obstacles) {
    for (const at of [x, x + w]) xs.add(up(at, step));
    xs.add(down(x - width, step));
    for (const at of [y, y + h]) ys.add(up(at, step));
    ys.add(down(y - height, step));
  }
  let best: Rectangle | undefined;
  let bestReach = Number.POSITIVE_INFINITY;
  for (const y of ys) {
    for (const x of xs) {
      const place = { x, y, width, height };
      const reach = reachOf(place);
      if (reach >= bestReach || obstacles.some((one) => intersection(one, place))) continue;
      [best, bestReach] = [place, reach];
    }
  }
  return best ?? { x: 0, y: 0, width, height };
}

/** Squared distance from the origin to the farthest corner. */
function reachOf({ x, y, width, height }: Rectangle): number {
  return Math.max(x * x, (x + width) ** 2) + Math.max(y * y, (y + height) ** 2);
}

function widened({ x, y, width, height }: Rectangle, by: number): Rectangle {
  return { x: x - by, y: y - by, width: width + 2 * by, height: height + 2 * by };
}

function frameOf(rectangles: readonly Rectangle[]): Rectangle {
  const [x, y] = [least(rectangles.map((one) => one.x)), least(rectangles.map((one) => one.y))];
  const right = -least(rectangles.map((one) => -one.x - one.width));
  const bottom = -least(rectangles.map((one) => -one.y - one.height));
  return { x, y, width: right - x, height: bottom - y };
}

function least(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
}

function up(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

function down(value: number, step: number): number {
  return Math.floor(value / step) * step;
}
