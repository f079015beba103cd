/** Tiles of one moment of a map, through some of its overlays. */
import type { ReadOptions } from '../core/byte-source.ts';
import type { Rectangle } from '../pxi/weight-space.ts';
import { FARTHEST, type TileRange, tilesOf } from './coordinates.ts';
import type { TileBlock } from './tile.ts';
import type { TileCache } from './tile-cache.ts';
import type { StoredTile, TileSnapshot } from './tile-store.ts';

/** A tile with what it holds, and where it lies. */
export interface ViewedTile {
  readonly place: Rectangle;
  readonly block: TileBlock;
}

/** Owns the snapshot. */
export class MapView {
  readonly tileSize: number;
  readonly #snapshot: TileSnapshot;
  /** The lowest first. */
  readonly #sheets: readonly number[];
  readonly #cache: TileCache;

  constructor(snapshot: TileSnapshot, sheets: readonly number[], cache: TileCache) {
    this.#snapshot = snapshot;
    this.#sheets = sheets;
    this.#cache = cache;
    this.tileSize = snapshot.head.tileSize;
  }

  /** Which tiles there are within a rectangle, without reading them; the lowest sheet first. */
  async list(rectangle: Rectangle, options?: ReadOptions): Promise<readonly StoredTile[]> {
    const range = tilesOf(rectangle, this.tileSize);
    const { tiles } = await this.#snapshot.readTiles({ sheets: this.#sheets, range }, () => true, options);
    return tiles;
  }

  /** All tiles there are, without reading them; the lowest sheet first. */
  async listAll(options?: ReadOptions): Promise<readonly StoredTile[]> {
    const range = { left: -FARTHEST, top: -FARTHEST, right: FARTHEST, bottom: FARTHEST };
    const { tiles } = await this.#snapshot.readTiles({ sheets: this.#sheets, range }, () => true, options);
    return tiles;
  }

  /** The tiles within a range; the lowest sheet first. Throws `bad-map`. */
  async read(range: TileRange, options?: ReadOptions): Promise<readonly ViewedTile[]> {
    const query = { sheets: this.#sheets, range };
    const { tiles, blockOf } = await this.#cache.read(this.#snapshot, query, options);
    const size = this.tileSize;
    return tiles.map(({ x, y, block }) => ({
      place: { x: x * size, y: y * size, width: size, height: size },
      block: blockOf(block),
    }));
  }

  /** Harmless twice. */
  dispose(): Promise<void> {
    return this.#snapshot.dispose();
  }
}
