/**
 * The InfiniteMap: an unbounded plane of RGBA pixels. What was written lies in tiles of a store; what was never written is
 * transparent zero. Overlays are named sheets of tiles that lie over the rest where a reader asks for them.
 */
import type { ReadOptions } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import type { Picture } from '../png/picture.ts';
import type { Rectangle } from '../pxi/weight-space.ts';
import { intersection, pixelBytes, type TileRange, tilesOf } from './coordinates.ts';
import { type ExportOptions, exportMap } from './exported-map.ts';
import { MapView } from './map-view.ts';
import { nameOf, picturesHash } from './mount-record.ts';
import { closeAll, MountedPictures, type OpenPictures } from './mounted-pictures.ts';
import { unknownOverlay, unknownRegion } from './names.ts';
import { placeFor } from './placement.ts';
import { RegionIndex, type RegionQuery } from './region-index.ts';
import { drawTile } from './tile.ts';
import { type CachedTiles, type CacheStatistics, TileCache } from './tile-cache.ts';
import { tilesOfPixels } from './tile-draft.ts';
import {
  type CommitCondition,
  GROUND,
  type MapCatalog,
  type MapChange,
  type MapHead,
  type MapOverlay,
  type MapRegion,
  type MountedRegion,
  type RegionList,
  type StoreStatistics,
  type TileStore,
} from './tile-store.ts';

export interface InfiniteMapOptions {
  /** Bytes of tiles that are kept in memory. Default: 64 MB. */
  readonly cacheBytes?: number | undefined;
  /** Tiles around each region that is read which are fetched in advance. Default: 0. */
  readonly prefetch?: number | undefined;
  /** Opens mounted pictures by their path. Default, from `openMap` of the Node entry: files beside the map, and URLs. */
  readonly openPictures?: OpenPictures | undefined;
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

export interface MountOptions extends ReadOptions {
  /** Where its upper left pixel goes. Default: the nearest free place to the origin. */
  readonly at?: { readonly x: number; readonly y: number } | undefined;
  /** Name of the region. Default: the picture's name without its endings. */
  readonly name?: string | undefined;
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
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
  readonly #pictures: MountedPictures;
  #regionIndex: RegionIndex | undefined;
  #fetching: Promise<unknown> = Promise.resolve();

  constructor(store: TileStore, { cacheBytes, prefetch = 0, openPictures }: InfiniteMapOptions = {}) {
    this.#store = store;
    this.#pictures = new MountedPictures(store.name, openPictures);
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
      const read = await this.#cache.read(this.#store, { sheets, range }, { signal });
      // The overlays' names and their tiles are to be of one moment.
      if (read.catalogRevision !== catalog.revision) {
        this.#catalog = undefined;
        continue;
      }
      await this.#draw(rectangle, target, { ...read, sheets, range, mounts: catalog.mounts }, { signal });
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
    return (await this.#regionList(options)).regions;
  }

  /** The region of that name. Throws `unknown-region`. */
  async region(name: string, options?: ReadOptions): Promise<MapRegion> {
    const [region] = await this.find({ name }, options);
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

  /**
   * Lays a picture, or a set of them, under the tiles: it is read through, never copied.
   * Throws `bad-argument` for a place or a name that is taken, what opening throws, and what a commit throws.
   */
  async mount(path: string, { at, name, metadata = {}, signal }: MountOptions = {}): Promise<MountedRegion> {
    const pictures = await this.#pictures.openNew(path, { signal });
    try {
      const [first] = pictures;
      const lines = pictures.map(({ height }) => height);
      const size = { width: first?.width ?? 0, height: lines.reduce((sum, height) => sum + height, 0) };
      const mount = { path, sha256: await picturesHash(pictures, { signal }), lines };
      const about = { name: name ?? nameOf(path), kind: first?.superblock.kind ?? 'picture', metadata, mount };
      for (;;) {
        const { revision, regions } = await this.#regionList({ signal });
        const region = { ...about, ...placeFor(size, { at, regions, step: this.head.tileSize }) };
        if (await this.#store.commit([{ change: 'add-region', region }], { regions: revision })) return region;
      }
    } finally {
      await closeAll(pictures);
    }
  }

  /** Says that the picture of a region now lies elsewhere. Throws `mount-changed` when another lies there, and as `mount`. */
  async moveMount(name: string, path: string, options: ReadOptions = {}): Promise<void> {
    const region = await this.mountedRegion(name, options);
    await closeAll(await this.#pictures.openChecked({ ...region, mount: { ...region.mount, path } }, options));
    await this.#store.commit([{ change: 'move-region-mount', name, path }]);
  }

  /** The region of that name, which has a mount. Throws `unknown-region`. */
  async mountedRegion(name: string, options?: ReadOptions): Promise<MountedRegion> {
    const { mounts } = await this.catalog(options);
    const region = mounts.find((mount) => mount.name === name);
    if (region) return region;
    await this.region(name, options);
    throw new PixelError('unknown-region', `${this.name}: the region "${name}" has no picture mounted.`);
  }

  /** The pictures of a mount, opened for the caller, who closes them. Throws `file-not-found`, `mount-changed`, and what opening throws. */
  openMount(region: MountedRegion, options?: ReadOptions): Promise<readonly Picture[]> {
    return this.#pictures.openChecked(region, options);
  }

  /** The tiles of the ground and these overlays as they are now, whatever is written meanwhile. Throws `unknown-overlay`. */
  async view(overlays: readonly string[], options: ReadOptions = {}): Promise<MapView> {
    const snapshot = await this.#store.snapshot();
    try {
      const catalog = await snapshot.readCatalog(options);
      return new MapView(snapshot, this.#sheetsOf(catalog, overlays), this.#cache);
    } catch (error) {
      await snapshot.dispose();
      throw error;
    }
  }

  /** Commits changes as they are: for what builds on a map. Throws as `write`. */
  commit(changes: readonly MapChange[], condition?: CommitCondition): Promise<boolean> {
    return this.#store.commit(changes, condition);
  }

  /** Writes the map as it is now as plain files, for web servers. Throws what reading and `write` throw. */
  async export(
    write: (file: string, bytes: Uint8Array) => Promise<void>,
    options?: ExportOptions,
  ): Promise<{ readonly tiles: number; readonly files: number }> {
    const snapshot = await this.#store.snapshot();
    try {
      return await exportMap(snapshot, write, options);
    } finally {
      await snapshot.dispose();
    }
  }

  /** The overlays, the oldest first. */
  async overlays(options?: ReadOptions): Promise<readonly MapOverlay[]> {
    const { overlays } = await this.catalog(options);
    return overlays.filter(({ isComplete }) => isComplete);
  }

  /** Overlays, those that are being written too, and mounts, as they are now. */
  async catalog(options?: ReadOptions): Promise<MapCatalog> {
    this.#catalog = await this.#store.readCatalog(options);
    return this.#catalog;
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

  /**
   * Reads all that the map itself holds, and opens every mount; says, a sentence each, what is damaged, missing or changed. The pixels of mounts
   * are `verifyModelFile`'s to check.
   */
  async verify(options: ReadOptions = {}): Promise<readonly string[]> {
    const findings = [...(await this.#store.verify(options))];
    for (const region of (await this.catalog(options)).mounts) {
      try {
        await closeAll(await this.#pictures.openChecked(region, options));
      } catch (error) {
        if (!(error instanceof PixelError) || error.code === 'aborted') throw error;
        findings.push(error.message);
      }
    }
    return findings;
  }

  /** Harmless twice. */
  async dispose(): Promise<void> {
    await this.#fetching;
    await this.#pictures.dispose();
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
    let catalog = this.#catalog;
    if (!catalog || names.some((name) => sheetNamed(catalog!, name) === undefined)) {
      catalog = await this.catalog(options);
    }
    return { catalog, sheets: this.#sheetsOf(catalog, names) };
  }

  async #regionList(options?: ReadOptions): Promise<RegionList> {
    this.#regions = (await this.#store.readRegions(this.#regions?.revision, options)) ?? this.#regions!;
    return this.#regions;
  }

  #sheetsOf(catalog: MapCatalog, names: readonly string[]): number[] {
    const sheets = names.map((name) => {
      const sheet = sheetNamed(catalog, name);
      if (sheet === undefined) throw unknownOverlay(this.name, name);
      return sheet;
    });
    return [GROUND, ...sheets];
  }

  async #draw(
    rectangle: Rectangle,
    target: Uint8Array,
    { sheets, range, tiles, blockOf, mounts }: DrawnTiles,
    options: ReadOptions,
  ): Promise<void> {
    const size = this.head.tileSize;
    const covered = tiles.filter(({ sheet, block }) => sheet === GROUND && !blockOf(block).written).length;
    if (covered < (range.right - range.left + 1) * (range.bottom - range.top + 1)) {
      target.fill(0);
      for (const region of mounts) {
        if (intersection(region, rectangle)) await this.#pictures.draw(region, rectangle, target, options);
      }
    }
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
    this.#fetching = this.#fetching
      .then(() => this.#cache.read(this.#store, { sheets, range: around }))
      .catch(() => {});
  }
}

interface DrawnTiles extends Pick<CachedTiles, 'tiles' | 'blockOf'> {
  readonly sheets: readonly number[];
  readonly range: TileRange;
  readonly mounts: readonly MountedRegion[];
}

function sheetNamed({ overlays }: MapCatalog, name: string): number | undefined {
  return overlays.find((overlay) => overlay.name === name && overlay.isComplete)?.sheet;
}

function checkLength(rectangle: Rectangle, pixels: Uint8Array): void {
  const bytes = pixelBytes(rectangle);
  if (pixels.length === bytes) return;
  throw new PixelError(
    'bad-argument',
    `${rectangle.width} x ${rectangle.height} pixels are ${bytes} bytes of RGBA, not ${pixels.length}.`,
  );
}
