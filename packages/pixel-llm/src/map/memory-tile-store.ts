/** A map in memory: for tests, for pages, and as the plainest reading of what a store has to do. */
import { PixelError } from '../core/errors.ts';
import { checkTileSize, TILE_SIZES, type TileRange } from './coordinates.ts';
import { checkChange, nameTaken, unknownOverlay, unknownRegion } from './names.ts';
import { blockBytes, mergeBlocks, type TileBlock } from './tile.ts';
import {
  type CommitCondition,
  changesCatalog,
  changesRegions,
  GROUND,
  isMounted,
  type MapCatalog,
  type MapChange,
  type MapHead,
  type MapOverlay,
  type MapRegion,
  type RegionList,
  type StoredTile,
  type StoreStatistics,
  type TileQuery,
  type TileSnapshot,
  type TileStore,
  type TilesRead,
  type TileWrite,
} from './tile-store.ts';

type TileMap = Map<string, StoredTile>;

/** One moment of the map. Blocks, regions and overlays are never changed, only replaced. */
class MemoryMoment {
  readonly sheets: Map<number, TileMap> = new Map();
  readonly blocks: Map<number, TileBlock> = new Map();
  overlays: ReadonlyMap<string, MapOverlay> = new Map();
  regions: ReadonlyMap<string, MapRegion> = new Map();
  catalogRevision = 0;
  regionRevision = 0;

  copy(): MemoryMoment {
    const copy = new MemoryMoment();
    for (const [sheet, tiles] of this.sheets) copy.sheets.set(sheet, new Map(tiles));
    for (const [number, block] of this.blocks) copy.blocks.set(number, block);
    const { overlays, regions, catalogRevision, regionRevision } = this;
    return Object.assign(copy, { overlays, regions, catalogRevision, regionRevision });
  }
}

class MemoryReader implements TileSnapshot {
  readonly name: string;
  readonly head: MapHead;
  protected moment: MemoryMoment;

  constructor(name: string, head: MapHead, moment: MemoryMoment) {
    this.name = name;
    this.head = head;
    this.moment = moment;
  }

  async readTiles({ sheets, range }: TileQuery, holds: (block: number) => boolean): Promise<TilesRead> {
    const { catalogRevision, blocks: all } = this.moment;
    const tiles = sheets.flatMap((sheet) => [...tilesWithin(this.moment.sheets.get(sheet) ?? new Map(), range)]);
    const blocks = new Map<number, TileBlock>();
    for (const { block } of tiles) if (!holds(block)) blocks.set(block, all.get(block)!);
    return { catalogRevision, tiles, blocks };
  }

  async readCatalog(): Promise<MapCatalog> {
    const { catalogRevision: revision, overlays, regions } = this.moment;
    return { revision, overlays: [...overlays.values()], mounts: [...regions.values()].filter(isMounted) };
  }

  async readRegions(known?: number): Promise<RegionList | undefined> {
    const { regionRevision: revision, regions } = this.moment;
    return revision === known ? undefined : { revision, regions: [...regions.values()] };
  }

  async dispose(): Promise<void> {}
}

function* tilesWithin(tiles: TileMap, { left, top, right, bottom }: TileRange): Generator<StoredTile> {
  if ((right - left + 1) * (bottom - top + 1) <= tiles.size) {
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        const tile = tiles.get(`${x},${y}`);
        if (tile) yield tile;
      }
    }
    return;
  }
  for (const tile of tiles.values()) {
    if (tile.x >= left && tile.x <= right && tile.y >= top && tile.y <= bottom) yield tile;
  }
}

export interface MemoryTileStoreOptions {
  /** Default: 64. */
  readonly tileSize?: number | undefined;
  readonly name?: string | undefined;
}

export class MemoryTileStore extends MemoryReader implements TileStore {
  readonly isWritable = true;
  #nextBlock = 1;
  #nextSheet = GROUND + 1;

  /** Throws `bad-argument` for a tile size that is none. */
  constructor({ tileSize = TILE_SIZES.usual, name = 'a map in memory' }: MemoryTileStoreOptions = {}) {
    checkTileSize(tileSize);
    super(name, { id: crypto.randomUUID(), tileSize }, new MemoryMoment());
  }

  async snapshot(): Promise<TileSnapshot> {
    return new MemoryReader(this.name, this.head, this.moment.copy());
  }

  async commit(changes: readonly MapChange[], { catalog, regions, tiles }: CommitCondition = {}): Promise<boolean> {
    const { moment } = this;
    if (catalog !== undefined && catalog !== moment.catalogRevision) return false;
    if (regions !== undefined && regions !== moment.regionRevision) return false;
    if (tiles) {
      const { sheet } = moment.overlays.get(tiles.overlay) ?? {};
      const there = sheet === undefined ? undefined : (moment.sheets.get(sheet) ?? new Map<string, StoredTile>());
      if (!tiles.blocks.every(({ x, y, block }) => there && there.get(`${x},${y}`)?.block === block)) return false;
    }
    // Names first: when one of them is refused, no tile has been touched.
    const draft = { overlays: new Map(moment.overlays), regions: new Map(moment.regions) };
    const steps: (() => void)[] = [];
    for (const change of changes) steps.push(this.#prepare(change, draft));
    for (const step of steps) step();
    [moment.overlays, moment.regions] = [draft.overlays, draft.regions];
    if (changes.some(changesCatalog)) moment.catalogRevision++;
    if (changes.some(changesRegions)) moment.regionRevision++;
    return true;
  }

  async statistics(): Promise<StoreStatistics> {
    const blocks = [...this.moment.blocks.values()];
    return {
      tiles: blocks.length,
      partialTiles: blocks.filter(({ written }) => written).length,
      tileBytes: blocks.reduce((sum, block) => sum + blockBytes(block), 0),
      regions: this.moment.regions.size,
      overlays: [...this.moment.overlays.values()].filter(({ isComplete }) => isComplete).length,
      fileBytes: undefined,
    };
  }

  async verify(): Promise<readonly string[]> {
    return [];
  }

  /** Checks a change against the names so far, and says what it does to the tiles. */
  #prepare(
    change: MapChange,
    { overlays, regions }: { overlays: Map<string, MapOverlay>; regions: Map<string, MapRegion> },
  ): () => void {
    checkChange(change);
    const overlayOf = (name: string): MapOverlay => {
      const overlay = overlays.get(name);
      if (!overlay) throw unknownOverlay(this.name, name);
      return overlay;
    };
    const taken = (name: string) => {
      if (overlays.has(name)) throw nameTaken(this.name, 'an overlay', name);
    };
    switch (change.change) {
      case 'put-tiles': {
        const sheet = change.overlay === undefined ? GROUND : overlayOf(change.overlay).sheet;
        return () => this.#put(sheet, change.tiles);
      }
      case 'add-region':
        if (regions.has(change.region.name)) throw nameTaken(this.name, 'a region', change.region.name);
        regions.set(change.region.name, change.region);
        break;
      case 'remove-region':
        if (!regions.delete(change.name)) throw unknownRegion(this.name, change.name);
        break;
      case 'move-region-mount': {
        const region = regions.get(change.name);
        if (!region?.mount) throw unknownRegion(this.name, change.name);
        regions.set(change.name, { ...region, mount: { ...region.mount, path: change.path } });
        break;
      }
      case 'add-overlay':
        taken(change.overlay.name);
        overlays.set(change.overlay.name, { ...change.overlay, sheet: this.#nextSheet++ });
        break;
      case 'complete-overlay': {
        const overlay = overlayOf(change.name);
        taken(change.as);
        overlays.delete(change.name);
        overlays.set(change.as, { ...overlay, name: change.as, isComplete: true });
        break;
      }
      case 'drop-overlay': {
        const { sheet } = overlayOf(change.name);
        overlays.delete(change.name);
        return () => this.#dropSheet(sheet);
      }
      default:
        throw new PixelError('bad-argument', 'There is no such change.');
    }
    return () => {};
  }

  #put(sheet: number, writes: readonly TileWrite[]): void {
    const { sheets, blocks } = this.moment;
    const tiles: TileMap = sheets.get(sheet) ?? new Map();
    sheets.set(sheet, tiles);
    for (const { x, y, block } of writes) {
      const old = tiles.get(`${x},${y}`);
      const number = this.#nextBlock++;
      blocks.set(number, old ? mergeBlocks(blocks.get(old.block)!, block) : block);
      tiles.set(`${x},${y}`, { sheet, x, y, block: number });
      if (old) blocks.delete(old.block);
    }
  }

  #dropSheet(sheet: number): void {
    for (const { block } of this.moment.sheets.get(sheet)?.values() ?? []) this.moment.blocks.delete(block);
    this.moment.sheets.delete(sheet);
  }
}
