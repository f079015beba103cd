/**
 * Where a map is kept: one small interface over memory, SQLite and a folder on a web server. Everything a store is asked for is one
 * moment of the map, and everything that is committed happens at once or not at all, whoever else reads or writes.
 */
import type { ReadOptions } from '../core/byte-source.ts';
import type { Rectangle } from '../pxi/weight-space.ts';
import type { TileRange } from './coordinates.ts';
import type { TileBlock } from './tile.ts';

/** What stays the same as long as a map lives. */
export interface MapHead {
  /** Random, so that two maps can be told apart. */
  readonly id: string;
  /** Pixels a side. */
  readonly tileSize: number;
}

/** Pictures that lie on the plane and are read through: where they are, and what tells that they are still the same. */
export interface MapMount {
  /** Path of the picture, or of the first of a set: relative to the map's folder, absolute, or a URL. */
  readonly path: string;
  /** SHA-256 over the sizes and manifests of all pictures; a manifest holds the hashes of what the picture holds. */
  readonly sha256: string;
  /** Lines of each picture: they lie one below the other. */
  readonly lines: readonly number[];
}

/** A named rectangle: a model, a note, a saved conversation. */
export interface MapRegion extends Rectangle {
  /** No two regions of a map have the same. */
  readonly name: string;
  readonly kind: string;
  /** JSON. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** What lies below the tiles of this rectangle. */
  readonly mount?: MapMount | undefined;
}

/** A region with pictures below its tiles. */
export interface MountedRegion extends MapRegion {
  readonly mount: MapMount;
}

export function isMounted(region: MapRegion): region is MountedRegion {
  return region.mount !== undefined;
}

/** A named set of tiles that lies over the rest where it is asked for. */
export interface MapOverlay {
  readonly name: string;
  /** Number of the overlay's sheet of tiles. */
  readonly sheet: number;
  /** The region it was made for. */
  readonly region: string | undefined;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** False while it is being written in several steps: nobody sees it yet. */
  readonly isComplete: boolean;
}

/** The sheet of what is written without an overlay's name. */
export const GROUND = 0;

/** What is small and needed by nearly every read. */
export interface MapCatalog {
  /** Grows with each change of the catalog. */
  readonly revision: number;
  readonly overlays: readonly MapOverlay[];
  /** The regions with a mount. */
  readonly mounts: readonly MountedRegion[];
}

export interface RegionList {
  /** Grows with each change of the regions. */
  readonly revision: number;
  readonly regions: readonly MapRegion[];
}

export interface StoredTile {
  readonly sheet: number;
  readonly x: number;
  readonly y: number;
  /** The number of its block: the same number means the same pixels, for ever. */
  readonly block: number;
}

export interface TileQuery {
  readonly sheets: readonly number[];
  readonly range: TileRange;
}

export interface TilesRead {
  /** Of the catalog at the same moment. */
  readonly catalogRevision: number;
  readonly tiles: readonly StoredTile[];
  /** Those that the caller does not hold, by number. */
  readonly blocks: ReadonlyMap<number, TileBlock>;
}

export interface TileReader {
  /** What to call it in messages. */
  readonly name: string;
  readonly head: MapHead;
  /** The tiles within a range. `holds` says which blocks need not be read. Throws `bad-map` for a damaged block. */
  readTiles(query: TileQuery, holds: (block: number) => boolean, options?: ReadOptions): Promise<TilesRead>;
  readCatalog(options?: ReadOptions): Promise<MapCatalog>;
  /** All regions; undefined when they are still those of revision `known`. */
  readRegions(known?: number, options?: ReadOptions): Promise<RegionList | undefined>;
}

/** One moment of a map that stays, whatever is written meanwhile. */
export interface TileSnapshot extends TileReader {
  /** Harmless twice. */
  dispose(): Promise<void>;
}

export interface TileWrite {
  readonly x: number;
  readonly y: number;
  /** Laid over the block that is there. */
  readonly block: TileBlock;
}

/** One step of a commit. Names that do not exist throw `unknown-region` or `unknown-overlay`, names taken `bad-argument`. */
export type MapChange =
  /** Without an overlay: the ground. */
  | { readonly change: 'put-tiles'; readonly overlay?: string | undefined; readonly tiles: readonly TileWrite[] }
  | { readonly change: 'add-region'; readonly region: MapRegion }
  | { readonly change: 'remove-region'; readonly name: string }
  /** The same pictures at another place on the disk. */
  | { readonly change: 'move-region-mount'; readonly name: string; readonly path: string }
  | { readonly change: 'add-overlay'; readonly overlay: Omit<MapOverlay, 'sheet'> }
  /** A complete overlay of the name `as` from what was written step by step. */
  | { readonly change: 'complete-overlay'; readonly name: string; readonly as: string }
  | { readonly change: 'drop-overlay'; readonly name: string };

/** What the map must still be for a commit to happen. */
export interface CommitCondition {
  readonly catalog?: number | undefined;
  readonly regions?: number | undefined;
  /** An overlay's tiles are still those that were read: what was made of them would else undo what others wrote since. */
  readonly tiles?: { readonly overlay: string; readonly blocks: readonly ExpectedTile[] } | undefined;
}

export interface ExpectedTile {
  readonly x: number;
  readonly y: number;
  /** Number of its block; undefined: the overlay has no tile there. */
  readonly block: number | undefined;
}

export interface StoreStatistics {
  readonly tiles: number;
  /** Of the tiles, those that are written in part. */
  readonly partialTiles: number;
  /** Bytes of pixels in tiles. */
  readonly tileBytes: number;
  readonly regions: number;
  readonly overlays: number;
  /** Bytes that the map takes on disk; undefined where it takes none. */
  readonly fileBytes: number | undefined;
}

export interface TileStore extends TileReader {
  readonly isWritable: boolean;
  snapshot(): Promise<TileSnapshot>;
  /**
   * Makes all changes at once, durable against the end of the process. False, and nothing is done, when the condition does not hold.
   * Throws `read-only`, `map-busy`, `io` (a full disk); then nothing was done either.
   */
  commit(changes: readonly MapChange[], condition?: CommitCondition): Promise<boolean>;
  statistics(): Promise<StoreStatistics>;
  /** Reads everything there is; says, a sentence each, what is damaged. */
  verify(options?: ReadOptions): Promise<readonly string[]>;
  /** Harmless twice. */
  dispose(): Promise<void>;
}

/** Whether the catalog changes by it: overlays do, and regions that may have a mount. */
export function changesCatalog({ change }: MapChange): boolean {
  return change !== 'put-tiles';
}

/** Whether the list of regions changes by it. */
export function changesRegions({ change }: MapChange): boolean {
  return change === 'add-region' || change === 'remove-region' || change === 'move-region-mount';
}
