/**
 * The InfiniteMap: an unbounded plane of RGBA pixels. What was written lies in tiles of a store; what was never written is
 * transparent zero. Overlays are named sheets of tiles that lie over the rest where a reader asks for them.
 */
import type { ReadOptions } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import type { Rectangle } from '../pxi/weight-space.ts';
import { pixelBytes, type TileRange, tilesOf } from './coordinates.ts';
import { unknownOverlay, unknownRegion } from './names.ts';
import { RegionIndex, type RegionQuery } from './region-index.ts';
import { drawTile, type TileBlock } from './tile.ts';
import { type CacheStatistics, TileCache } from './tile-cache.ts';
import { tilesOfPixels } from './tile-draft.ts';
import {
  GROUND,
  type MapCatalog,
  type MapChange,
  type MapHead,
  type MapOverlay,
  type MapRegion,
  type RegionList,
  type StoredTile,
  type StoreStatistics,
  type TileStore,
} from './tile-store.ts';

export interface InfiniteMapOptions {
  /** Bytes of tiles that are kept in memory. Default: 64 MB. */
  readonly cacheBytes?: number | undefined;
  /** Tiles around each region that is read which are fetched in advance. Default: 0. */
  readonly prefetch?: number | undefined;
}

export interface ReadRegionOptions extends ReadOptions {
  /** Names of overlays to look through, the lowest first. */
  readonly overlays?: readonly string[] | undefined;
}

export interface WriteRegionOptions {
  /** The overlay to write into. Default: the ground. */
  readonly overlay?: string | undefined;
  /** Names the rectangle in the same step. */
  readonly region?: Omit<MapRegion, keyof Rectangle> | undefined;
}

export interface MapStatistics {
  readonly store: StoreStatistics;
  readonly cache: CacheStatistics;
}

/** The store belongs to the map from here on. */
export class InfiniteMap {
  readonly #store: TileStore;
  readonly #cache: TileCache;
  readonly #prefetch: number;
  #catalog: MapCatalog | undefined;
  #regions: RegionList | undefined;
  #regionIndex: RegionIndex | undefined;
  #fetching: Promise<unknown> = Promise.resolve();

  constructor(store: TileStore, { cacheBytes, prefetch = 0 }: InfiniteMapOptions = {}) {
    this.#store = store;
    this.#cache = new TileCache(cacheBytes);
    this.#prefetch = prefetch;
  }

  get name(): string {
    return this.#store.name;
  }

  get head(): MapHead {
    return this.#store.head;
  }

  get isWritable(): boolean {
    return this.#store.isWritable;
  }

  /**
   * The pixels of a rectangle: [height, width, 4], of one moment.
   * Throws `bad-argument`, `limit-exceeded`, `unknown-overlay`, `bad-map`, and what the store throws.
   */
  async read(rectangle: Rectangle, options?: ReadRegionOptions): Promise<Uint8Array<ArrayBuffer>> {
    const pixels = new Uint8Array(pixelBytes(rectangle));
    await this.readInto(rectangle, pixels, options);
    return pixels;
  }

  /** The same into memory that is there: [height, width, 4]. */
  async readInto(
    rectangle: Rectangle,
    target: Uint8Array,
    { overlays = [], signal }: ReadRegionOptions = {},
  ): Promise<void> {
    checkLength(rectangle, target);
    const range = tilesOf(rectangle, this.head.tileSize);
    for (;;) {
      const { catalog, sheets } = await this.#findSheets(overlays, { signal });
      const { tiles, blockOf, catalogRevision } = await this.#readTiles(sheets, range, { signal });
      // The overlays' names and their tiles are to be of one moment.
      if (catalogRevision !== catalog.revision) {
        this.#catalog = undefined;
        continue;
      }
      this.#draw(rectangle, target, { sheets, range, tiles, blockOf });
      if (this.#prefetch > 0) this.#fetchAround(sheets, range);
      return;
    }
  }

  /**
   * Writes a rectangle of pixels, [height, width, 4]: all of it or, if that fails, nothing.
   * Throws `bad-argument`, `limit-exceeded`, `unknown-overlay`, `read-only`, `map-busy`, `io`.
   */
  async write(rectangle: Rectangle, pixels: Uint8Array, { overlay, region }: WriteRegionOptions = {}): Promise<void> {
    checkLength(rectangle, pixels);
    const tiles = tilesOfPixels(rectangle, pixels, this.head.tileSize);
    const changes: MapChange[] = [{ change: 'put-tiles', overlay, tiles }];
    const { x, y, width, height } = rectangle;
    if (region) changes.push({ change: 'add-region', region: { ...region, x, y, width, height } });
    await this.#store.commit(changes);
  }

  /** All named regions. */
  async regions(options?: ReadOptions): Promise<readonly MapRegion[]> {
    this.#regions = (await this.#store.readRegions(this.#regions?.revision, options)) ?? this.#regions;
    return this.#regions?.regions ?? [];
  }

  /** The region of that name. Throws `unknown-region`. */
  async region(name: string, options?: ReadOptions): Promise<MapRegion> {
    const region = (await this.regions(options)).find((candidate) => candidate.name === name);
    if (region) return region;
    throw unknownRegion(this.name, name);
  }

  /** The regions that a query asks for, by place, name, kind or metadata. Throws `bad-argument`, `unknown-region`. */
  async find(query: RegionQuery, options?: ReadOptions): Promise<MapRegion[]> {
    const regions = await this.regions(options);
    if (this.#regionIndex?.regions !== regions) this.#regionIndex = new RegionIndex(this.name, regions);
    return this.#regionIndex.find(query);
  }

  /** Names rectangles; all of them or, if one cannot be, none. Throws `bad-argument` for a name that is taken. */
  async addRegions(regions: readonly MapRegion[]): Promise<void> {
    await this.#store.commit(regions.map((region) => ({ change: 'add-region', region })));
  }

  /** Forgets the name; the pixels stay. Throws `unknown-region`. */
  async removeRegion(name: string): Promise<void> {
    await this.#store.commit([{ change: 'remove-region', name }]);
  }

  /** The overlays, the oldest first. */
  async overlays(options?: ReadOptions): Promise<readonly MapOverlay[]> {
    const { overlays } = await this.#store.readCatalog(options);
    return overlays.filter(({ isComplete }) => isComplete);
  }

  /** A new overlay, empty. Throws `bad-argument` for a name that is taken. */
  async createOverlay(
    name: string,
    { region, metadata = {} }: { region?: string; metadata?: Readonly<Record<string, unknown>> } = {},
  ): Promise<void> {
    await this.#store.commit([{ change: 'add-overlay', overlay: { name, region, metadata, isComplete: true } }]);
  }

  /** Undoes all that was written into an overlay. Throws `unknown-overlay`. */
  async dropOverlay(name: string): Promise<void> {
    await this.#store.commit([{ change: 'drop-overlay', name }]);
  }

  async statistics(): Promise<MapStatistics> {
    return { store: await this.#store.statistics(), cache: this.#cache.statistics };
  }

  /** Harmless twice. */
  async dispose(): Promise<void> {
    await this.#fetching;
    await this.#store.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** The ground and these overlays, by the catalog that is known here; where it lacks one, by the newest. */
  async #findSheets(
    names: readonly string[],
    options: ReadOptions,
  ): Promise<{ catalog: MapCatalog; sheets: number[] }> {
    const find = ({ overlays }: MapCatalog, name: string) =>
      overlays.find((overlay) => overlay.name === name && overlay.isComplete)?.sheet;
    let catalog = this.#catalog;
    if (!catalog || names.some((name) => find(catalog!, name) === undefined)) {
      catalog = await this.#store.readCatalog(options);
      this.#catalog = catalog;
    }
    const newest = catalog;
    const sheets = names.map((name) => {
      const sheet = find(newest, name);
      if (sheet === undefined) throw unknownOverlay(this.name, name);
      return sheet;
    });
    return { catalog, sheets: [GROUND, ...sheets] };
  }

  async #readTiles(sheets: readonly number[], range: TileRange, options: ReadOptions): Promise<FoundTiles> {
    const held = new Map<number, TileBlock>();
    const holds = (number: number): boolean => {
      const block = this.#cache.get(number);
      if (block) held.set(number, block);
      return block !== undefined;
    };
    const { tiles, blocks, catalogRevision } = await this.#store.readTiles({ sheets, range }, holds, options);
    for (const [number, block] of blocks) this.#cache.set(number, block);
    return { tiles, catalogRevision, blockOf: (number) => held.get(number) ?? blocks.get(number)! };
  }

  #draw(rectangle: Rectangle, target: Uint8Array, { sheets, range, tiles, blockOf }: DrawnTiles): void {
    const size = this.head.tileSize;
    const covered = tiles.filter(({ sheet, block }) => sheet === GROUND && !blockOf(block).written).length;
    if (covered < (range.right - range.left + 1) * (range.bottom - range.top + 1)) target.fill(0);
    for (const wanted of sheets) {
      for (const { sheet, x, y, block } of tiles) {
        if (sheet !== wanted) continue;
        drawTile(blockOf(block), { x: x * size, y: y * size, width: size, height: size }, target, rectangle);
      }
    }
  }

  /** What fails here fails again, and is heard of, when it is read. */
  #fetchAround(sheets: readonly number[], { left, top, right, bottom }: TileRange): void {
    const by = this.#prefetch;
    const around = { left: left - by, top: top - by, right: right + by, bottom: bottom + by };
    this.#fetching = this.#fetching.then(() => this.#readTiles(sheets, around, {})).catch(() => {});
  }
}

interface FoundTiles {
  readonly tiles: readonly StoredTile[];
  readonly catalogRevision: number;
  blockOf(number: number): TileBlock;
}

interface DrawnTiles extends Omit<FoundTiles, 'catalogRevision'> {
  readonly sheets: readonly number[];
  readonly range: TileRange;
}

function checkLength(rectangle: Rectangle, pixels: Uint8Array): void {
  const bytes = pixelBytes(rectangle);
  if (pixels.length === bytes) return;
  throw new PixelError(
    'bad-argument',
    `${rectangle.width} x ${rectangle.height} pixels are ${bytes} bytes of RGBA, not ${pixels.length}.`,
  );
}
