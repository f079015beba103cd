/**
 * Finds named regions by place, by name and by what they say of themselves. Made from the regions of one moment and never changed;
 * InfiniteMap makes a new one when the regions have changed.
 */
import { PixelError } from '../core/errors.ts';
import type { Rectangle } from '../pxi/weight-space.ts';
import { checkRectangle } from './coordinates.ts';
import { unknownRegion } from './names.ts';
import { RectangleIndex } from './rectangle-index.ts';
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
  #places: RectangleIndex | undefined;
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
    if (neighboursOf !== undefined) {
      const itself = this.#numberOf(neighboursOf);
      return this.#nearest(this.regions[itself]!, query, itself);
    }
    const place = touching ?? (at && pixelAt(at));
    const found = place ? this.#take(this.#index().touching(place, this.#filter(query))) : this.#anywhere(query);
    return found.slice(0, count);
  }

  #anywhere({ name, ...query }: RegionQuery): MapRegion[] {
    if (name === undefined) return this.regions.filter((region) => matches(region, query));
    const region = this.regions[this.#names().get(name) ?? -1];
    return region && matches(region, query) ? [region] : [];
  }

  #nearest(place: Rectangle, query: RegionQuery, itself?: number): MapRegion[] {
    const matching = this.#filter(query);
    const filter = (number: number) => number !== itself && (!matching || matching(number));
    return this.#take(this.#index().nearest(place, query.count ?? 1, itself === undefined ? matching : filter));
  }

  #take(numbers: readonly number[]): MapRegion[] {
    return numbers.map((number) => this.regions[number]!);
  }

  #filter(query: RegionQuery): ((number: number) => boolean) | undefined {
    if (query.name === undefined && query.kind === undefined && !query.metadata) return undefined;
    return (number) => matches(this.regions[number]!, query);
  }

  #index(): RectangleIndex {
    this.#places ??= new RectangleIndex(this.regions);
    return this.#places;
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
