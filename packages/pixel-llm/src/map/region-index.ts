/**
 * Finds named regions: by place with a packed R-tree (flatbush), by name and by what they say of themselves. Made from the regions of
 * one moment and never changed; InfiniteMap makes a new one when the regions have changed.
 */
import Flatbush from 'flatbush';
import { PixelError } from '../core/errors.ts';
import type { Rectangle } from '../pxi/weight-space.ts';
import { checkRectangle } from './coordinates.ts';
import { unknownRegion } from './names.ts';
import type { MapRegion } from './tile-store.ts';

/** A pixel. */
interface MapPoint {
  readonly x: number;
  readonly y: number;
}

/** What regions are to be found: all that is said has to hold. At most one of `touching`, `at`, `nearestTo` and `neighboursOf`. */
export interface RegionQuery {
  /** Those that share a pixel with this rectangle. */
  readonly touching?: Rectangle | undefined;
  /** Those that hold this pixel. */
  readonly at?: MapPoint | undefined;
  /** The nearest to this pixel, the nearest first. A distance is that between the nearest pixels: 0 within, 1 beside. */
  readonly nearestTo?: MapPoint | undefined;
  /** The nearest to the region of this name, without itself, the nearest first. */
  readonly neighboursOf?: string | undefined;
  /** At most so many. Default: 1 with `nearestTo` and `neighboursOf`, else all. */
  readonly count?: number | undefined;
  readonly name?: string | undefined;
  readonly kind?: string | undefined;
  /** Each of these keys has exactly this value (as JSON). */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
}

export class RegionIndex {
  readonly regions: readonly MapRegion[];
  readonly #mapName: string;
  /** Both are made when they are first asked for: many maps are only ever asked by name, or never. */
  #tree: Flatbush | undefined;
  #numbers: ReadonlyMap<string, number> | undefined;

  /** mapName: what to call the map in messages. */
  constructor(mapName: string, regions: readonly MapRegion[]) {
    this.#mapName = mapName;
    this.regions = regions;
  }

  /**
   * The regions that a query asks for: the nearest first where it asks for nearness (of equally near ones the one that stands first
   * in the list), else as they stand in the list. Throws `bad-argument`, `unknown-region`.
   */
  find(query: RegionQuery): MapRegion[] {
    checkQuery(query);
    const { touching, at, nearestTo, neighboursOf, count = Number.POSITIVE_INFINITY } = query;
    if (nearestTo) return this.#nearest(pixelAt(nearestTo), query);
    if (neighboursOf !== undefined) return this.#nearest(this.regions[this.#numberOf(neighboursOf)]!, query);
    const place = touching ?? (at && pixelAt(at));
    const found = place ? this.#touching(place, query) : this.#anywhere(query);
    return found.slice(0, count);
  }

  #touching(place: Rectangle, query: RegionQuery): MapRegion[] {
    const { left, top, right, bottom } = edgesOf(place);
    const numbers = this.#places()?.search(left, top, right, bottom, this.#filter(query)) ?? [];
    return numbers.sort((a, b) => a - b).map((number) => this.regions[number]!);
  }

  #anywhere({ name, ...query }: RegionQuery): MapRegion[] {
    if (name === undefined) return this.regions.filter((region) => matches(region, query));
    const region = this.regions[this.#names().get(name) ?? -1];
    return region && matches(region, query) ? [region] : [];
  }

  /**
   * The tree measures in floating point from a point. What it finds first only bounds how far the nearest can be; of all within that
   * distance the true ones are taken, by exact distances.
   */
  #nearest(place: Rectangle, query: RegionQuery): MapRegion[] {
    const { count = 1, neighboursOf } = query;
    const tree = this.#places();
    if (!tree || count === 0) return [];
    const itself = neighboursOf === undefined ? -1 : this.#numberOf(neighboursOf);
    const matching = this.#filter(query);
    const filter = (number: number) => number !== itself && (!matching || matching(number));
    const { left, top, right, bottom } = edgesOf(place);
    const first = tree.neighbors((left + right) / 2, (top + bottom) / 2, count, Number.POSITIVE_INFINITY, filter);
    const distances = first.map((number) => squaredDistance(place, this.regions[number]!));
    const farthest = distances.reduce((a, b) => (a < b ? b : a), 0);
    // A little more than the root, for its rounding; what is too far is sorted out again.
    const around = Math.ceil(Math.sqrt(Number(farthest)) * (1 + 1e-12)) + 1;
    return tree
      .search(left - around, top - around, right + around, bottom + around, filter)
      .map((number) => ({ number, distance: squaredDistance(place, this.regions[number]!) }))
      .sort((a, b) => (a.distance < b.distance ? -1 : a.distance > b.distance ? 1 : a.number - b.number))
      .slice(0, count)
      .map(({ number }) => this.regions[number]!);
  }

  #filter(query: RegionQuery): ((number: number) => boolean) | undefined {
    if (query.name === undefined && query.kind === undefined && !query.metadata) return undefined;
    return (number) => matches(this.regions[number]!, query);
  }

  /** Undefined: there are no regions. */
  #places(): Flatbush | undefined {
    if (this.#tree || this.regions.length === 0) return this.#tree;
    // Edges are pixels, both included: so all of them are whole numbers that a double holds exactly.
    const tree = new Flatbush(this.regions.length, 16, Float64Array);
    for (const { x, y, width, height } of this.regions) tree.add(x, y, x + (width - 1), y + (height - 1));
    tree.finish();
    this.#tree = tree;
    return tree;
  }

  #names(): ReadonlyMap<string, number> {
    this.#numbers ??= new Map(this.regions.map(({ name }, number) => [name, number]));
    return this.#numbers;
  }

  #numberOf(name: string): number {
    const number = this.#names().get(name);
    if (number !== undefined) return number;
    throw unknownRegion(this.#mapName, name);
  }
}

function checkQuery({ touching, at, nearestTo, neighboursOf, count }: RegionQuery): void {
  if ([touching, at, nearestTo, neighboursOf].filter((place) => place !== undefined).length > 1)
    throw new PixelError('bad-argument', 'One query asks for one place: touching, at, nearestTo or neighboursOf.');
  if (count !== undefined && !(Number.isSafeInteger(count) && count >= 0))
    throw new PixelError('bad-argument', `The number of regions to find is a whole number, not ${count}.`);
  for (const point of [at, nearestTo]) if (point) checkRectangle(pixelAt(point));
  if (touching) checkRectangle(touching);
}

function matches(region: MapRegion, { name, kind, metadata = {} }: RegionQuery): boolean {
  if (name !== undefined && region.name !== name) return false;
  if (kind !== undefined && region.kind !== kind) return false;
  return Object.entries(metadata).every(
    ([key, value]) => Object.hasOwn(region.metadata, key) && isSameJson(region.metadata[key], value),
  );
}

/** Whether two values are the same JSON; the order of an object's keys says nothing. */
function isSameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const [entries, others] = [Object.entries(a), new Map(Object.entries(b))];
  if (Array.isArray(a) !== Array.isArray(b) || entries.length !== others.size) return false;
  return entries.every(([key, value]) => others.has(key) && isSameJson(value, others.get(key)));
}

function pixelAt({ x, y }: MapPoint): Rectangle {
  return { x, y, width: 1, height: 1 };
}

function edgesOf({ x, y, width, height }: Rectangle): { left: number; top: number; right: number; bottom: number } {
  return { left: x, top: y, right: x + (width - 1), bottom: y + (height - 1) };
}

/** Sums of two squares below this are whole numbers that a double holds. */
const EXACT_LENGTH = 2 ** 26;

/** The square of the distance between the nearest pixels of two rectangles, exactly; numbers and bigints compare with each other. */
function squaredDistance(a: Rectangle, b: Rectangle): number | bigint {
  const [one, other] = [edgesOf(a), edgesOf(b)];
  const across = Math.max(one.left - other.right, other.left - one.right, 0);
  const down = Math.max(one.top - other.bottom, other.top - one.bottom, 0);
  if (across < EXACT_LENGTH && down < EXACT_LENGTH) return across * across + down * down;
  const wide = gap(one.left, one.right, other.left, other.right);
  const high = gap(one.top, one.bottom, other.top, other.bottom);
  return wide * wide + high * high;
}

function gap(first: number, last: number, otherFirst: number, otherLast: number): bigint {
  if (otherLast < first) return BigInt(first) - BigInt(otherLast);
  return last < otherFirst ? BigInt(otherFirst) - BigInt(last) : 0n;
}
