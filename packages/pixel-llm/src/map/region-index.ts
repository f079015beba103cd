/** Finds regions by where they are: an R-tree over their rectangles (flatbush: packed Hilbert, Float64, so that every coordinate is exact). */
import Flatbush from 'flatbush';
import type { Rectangle } from '../pxi/weight-space.ts';
import type { MapRegion } from './tile-store.ts';

interface NearQuery {
  readonly x: number;
  readonly y: number;
  /** How many. Default: 1. */
  readonly count?: number | undefined;
}

/** All conditions that are given hold; the nearest come first when `near` or `neighboursOf` is given, else in the order of the map. */
export interface RegionQuery {
  /** Regions that share a pixel with it. */
  readonly within?: Rectangle | undefined;
  /** Regions that hold the pixel. */
  readonly at?: { readonly x: number; readonly y: number } | undefined;
  /** Those nearest to a point, by the distance to their rectangles. */
  readonly near?: NearQuery | undefined;
  readonly name?: string | undefined;
  readonly kind?: string | undefined;
  /** Metadata with these values. */
  readonly metadata?: Readonly<Record<string, string | number | boolean | null>> | undefined;
}

export class RegionIndex {
  readonly #regions: readonly MapRegion[];
  readonly #tree: Flatbush | undefined;
  readonly #byName: ReadonlyMap<string, MapRegion>;

  constructor(regions: readonly MapRegion[]) {
    this.#regions = regions;
    this.#byName = new Map(regions.map((region) => [region.name, region]));
    // Flatbush has no empty tree.
    if (regions.length === 0) return;
    const tree = new Flatbush(regions.length, 16, Float64Array);
    // Boxes are closed: the last pixel of a region is its edge, so that regions side by side do not touch.
    for (const { x, y, width, height } of regions) tree.add(x, y, x + (width - 1), y + (height - 1));
    tree.finish();
    this.#tree = tree;
  }

  /** Of that name, or undefined. */
  named(name: string): MapRegion | undefined {
    return this.#byName.get(name);
  }

  find({ within, at, near, name, kind, metadata }: RegionQuery): MapRegion[] {
    if (!this.#tree) return [];
    const fits = (region: MapRegion): boolean =>
      (name === undefined || region.name === name) &&
      (kind === undefined || region.kind === kind) &&
      (!within || touches(region, within)) &&
      (!at || touches(region, { ...at, width: 1, height: 1 })) &&
      Object.entries(metadata ?? {}).every(([key, value]) => region.metadata[key] === value);
    if (near) {
      const chosen = (index: number): boolean => fits(this.#regions[index]!);
      const indices = this.#tree.neighbors(near.x, near.y, near.count ?? 1, Number.POSITIVE_INFINITY, chosen);
      return indices.map((index) => this.#regions[index]!);
    }
    const area = at ? { ...at, width: 1, height: 1 } : within;
    if (!area)
      return (name === undefined ? this.#regions : [this.#byName.get(name)])
        .filter((one) => one !== undefined)
        .filter(fits);
    const { x, y, width, height } = area;
    const indices = this.#tree.search(x, y, x + (width - 1), y + (height - 1), (index) => fits(this.#regions[index]!));
    return indices.sort((a, b) => a - b).map((index) => this.#regions[index]!);
  }

  /** The regions nearest to one of them, without itself: by the distance to its middle. */
  neighbours(region: MapRegion, count: number): MapRegion[] {
    const [x, y] = [region.x + (region.width - 1) / 2, region.y + (region.height - 1) / 2];
    const isOther = (index: number): boolean => this.#regions[index]!.name !== region.name;
    const indices = this.#tree?.neighbors(x, y, count, Number.POSITIVE_INFINITY, isOther) ?? [];
    return indices.map((index) => this.#regions[index]!);
  }
}

function touches(a: Rectangle, b: Rectangle): boolean {
  return (
    a.x <= b.x + (b.width - 1) &&
    b.x <= a.x + (a.width - 1) &&
    a.y <= b.y + (b.height - 1) &&
    b.y <= a.y + (a.height - 1)
  );
}
