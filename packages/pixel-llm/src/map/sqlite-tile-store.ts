/**
 * A map in one SQLite database: several processes read and write it at once. Each read is one transaction, so that it sees one moment;
 * each commit takes the write lock at its start, so that what it merges with cannot change under it.
 */
import type { ReadOptions } from '../core/byte-source.ts';
import { isPixelError, PixelError, throwIfAborted } from '../core/errors.ts';
import { isOnPlane, isTileSize, type TileRange } from './coordinates.ts';
import { mountSchema } from './mount-record.ts';
import { checkChange, metadataJson, nameTaken, unknownOverlay, unknownRegion } from './names.ts';
import type { SqlConnection, SqlRow } from './sql-connection.ts';
import { blockCrc, mergeBlocks, type TileBlock } from './tile.ts';
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

/** Up to so many rows of tiles are asked for one by one, so that tiles beside the range cost nothing. */
const MOST_ROW_QUERIES = 512;

class SqliteReader implements TileSnapshot {
  readonly name: string;
  readonly head: MapHead;
  protected readonly sql: SqlConnection;

  constructor(sql: SqlConnection) {
    this.name = sql.name;
    this.sql = sql;
    this.head = this.#readHead();
  }

  async readTiles({ sheets, range }: TileQuery, holds: (block: number) => boolean): Promise<TilesRead> {
    return this.sql.read(() => {
      const tiles = sheets.flatMap((sheet) => this.#tilesWithin(sheet, range));
      const blocks = new Map<number, TileBlock>();
      for (const tile of tiles) if (!holds(tile.block)) blocks.set(tile.block, this.readBlock(tile));
      return { catalogRevision: this.revision('catalog'), tiles, blocks };
    });
  }

  async readCatalog(): Promise<MapCatalog> {
    return this.sql.read(() => ({
      revision: this.revision('catalog'),
      overlays: this.#overlays(),
      mounts: this.#regions('WHERE mount IS NOT NULL').filter(isMounted),
    }));
  }

  async readRegions(known?: number): Promise<RegionList | undefined> {
    return this.sql.read(() => {
      const revision = this.revision('regions');
      if (revision === known) return undefined;
      return { revision, regions: this.#regions('') };
    });
  }

  async dispose(): Promise<void> {
    this.sql.close();
  }

  protected revision(of: 'catalog' | 'regions'): number {
    return Number(this.sql.get(`SELECT ${of} FROM head`)?.[0]);
  }

  protected readBlock({ block: number, ...place }: StoredTile): TileBlock {
    const [crc, written, pixels] =
      this.sql.get('SELECT crc, written, pixels FROM blocks WHERE number = ?', number) ?? [];
    const block = { pixels: pixels as Uint8Array, written: (written as Uint8Array | null) ?? undefined };
    const bytes = 4 * this.head.tileSize ** 2;
    const isWhole = block.pixels?.length === bytes && (!block.written || block.written.length === bytes / 8);
    if (isWhole && blockCrc(block, place) === crc) return block;
    throw new PixelError(
      'bad-map',
      `${this.name}: a tile is damaged (block ${number}): take the map from a copy; \`map verify\` names all that are.`,
      { details: { block: number } },
    );
  }

  #readHead(): MapHead {
    const [id, tileSize] = this.sql.get('SELECT id, tile_size FROM head') ?? [];
    if (typeof id === 'string' && typeof tileSize === 'number' && isTileSize(tileSize)) return { id, tileSize };
    throw new PixelError('bad-map', `${this.name} has lost its head: take the map from a copy.`);
  }

  #tilesWithin(sheet: number, { left, top, right, bottom }: TileRange): StoredTile[] {
    const select = 'SELECT y, x, block FROM tiles WHERE sheet = ? AND';
    const rows: SqlRow[] = [];
    if (bottom - top < MOST_ROW_QUERIES) {
      for (let y = top; y <= bottom; y++) {
        rows.push(...this.sql.all(`${select} y = ? AND x BETWEEN ? AND ?`, sheet, y, left, right));
      }
    } else {
      rows.push(...this.sql.all(`${select} y BETWEEN ? AND ? AND x BETWEEN ? AND ?`, sheet, top, bottom, left, right));
    }
    return rows.map(([y, x, block]) => ({ sheet, x: x as number, y: y as number, block: block as number }));
  }

  #overlays(): MapOverlay[] {
    const rows = this.sql.all('SELECT sheet, name, region, metadata, complete FROM overlays ORDER BY sheet');
    return rows.map(([sheet, name, region, metadata, complete]) => ({
      sheet: sheet as number,
      name: name as string,
      region: (region as string | null) ?? undefined,
      metadata: this.#parse(metadata),
      isComplete: complete === 1,
    }));
  }

  #regions(which: string): MapRegion[] {
    const rows = this.sql.all(`SELECT name, kind, x, y, width, height, metadata, mount FROM regions ${which}`);
    return rows.map((row) => this.#regionOf(row));
  }

  #regionOf([name, kind, x, y, width, height, metadata, mount]: SqlRow): MapRegion {
    const place = { x: x as number, y: y as number, width: width as number, height: height as number };
    if (!isOnPlane(place))
      throw new PixelError('bad-map', `${this.name}: the region "${name}" is damaged: take the map from a copy.`);
    const region = { name: name as string, kind: kind as string, ...place, metadata: this.#parse(metadata) };
    if (mount === null) return region;
    const parsed = mountSchema.safeParse(this.#parse(mount));
    if (parsed.success) return { ...region, mount: parsed.data };
    throw new PixelError(
      'bad-map',
      `${this.name}: the mount of region "${region.name}" is damaged: take the map from a copy.`,
    );
  }

  #parse(metadata: unknown): Readonly<Record<string, unknown>> {
    // A million regions have nothing to say beside their place.
    if (metadata === '{}') return {};
    try {
      const parsed: unknown = JSON.parse(String(metadata));
      if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
        return parsed as Record<string, unknown>;
      throw new TypeError('Not an object.');
    } catch (cause) {
      throw new PixelError('bad-map', `${this.name} holds damaged metadata: take the map from a copy.`, { cause });
    }
  }
}

/** The connection belongs to the store from here on. */
export class SqliteTileStore extends SqliteReader implements TileStore {
  get isWritable(): boolean {
    return this.sql.isWritable;
  }

  async snapshot(): Promise<TileSnapshot> {
    return new SqliteReader(this.sql.openMoment());
  }

  async commit(changes: readonly MapChange[], { catalog, regions, tiles }: CommitCondition = {}): Promise<boolean> {
    for (const change of changes) checkChange(change);
    return this.sql.write(() => {
      if (catalog !== undefined && catalog !== this.revision('catalog')) return false;
      if (regions !== undefined && regions !== this.revision('regions')) return false;
      if (tiles && !this.#hasStill(tiles)) return false;
      for (const change of changes) this.#apply(change);
      if (changes.some(changesCatalog)) this.sql.run('UPDATE head SET catalog = catalog + 1');
      if (changes.some(changesRegions)) this.sql.run('UPDATE head SET regions = regions + 1');
      return true;
    });
  }

  async statistics(): Promise<StoreStatistics> {
    return this.sql.read(() => {
      const [tiles, partialTiles, tileBytes] = this.sql.get(
        'SELECT count(*), count(written), coalesce(sum(length(pixels) + coalesce(length(written), 0)), 0) FROM blocks',
      ) as number[];
      const [regions] = this.sql.get('SELECT count(*) FROM regions') as number[];
      const [overlays] = this.sql.get('SELECT count(*) FROM overlays WHERE complete = 1') as number[];
      const fileBytes = this.sql.fileBytes();
      return {
        tiles: tiles!,
        partialTiles: partialTiles!,
        tileBytes: tileBytes!,
        regions: regions!,
        overlays: overlays!,
        fileBytes,
      };
    });
  }

  async verify({ signal }: ReadOptions = {}): Promise<readonly string[]> {
    return this.sql.read(() => {
      const findings = this.sql.all('PRAGMA quick_check').map(([text]) => String(text));
      const damaged = findings.filter((text) => text !== 'ok').map((text) => `The database is damaged: ${text}.`);
      const tiles = this.sql.all(
        'SELECT coalesce(name, ?), sheet, x, y, block FROM tiles LEFT JOIN overlays USING (sheet)',
        'the ground',
      );
      for (const [name, sheet, x, y, block] of tiles) {
        throwIfAborted(signal);
        try {
          this.readBlock({ sheet, x, y, block } as StoredTile);
        } catch (error) {
          if (!isPixelError(error, 'bad-map')) throw error;
          damaged.push(`The tile ${x},${y} of ${name} is damaged.`);
        }
      }
      return damaged;
    });
  }

  #apply(change: MapChange): void {
    switch (change.change) {
      case 'put-tiles':
        this.#put(change.overlay === undefined ? GROUND : this.#sheetOf(change.overlay), change.tiles);
        return;
      case 'add-region':
        this.#addRegion(change.region);
        return;
      case 'remove-region':
        if (this.sql.run('DELETE FROM regions WHERE name = ?', change.name).changes > 0) return;
        throw unknownRegion(this.name, change.name);
      case 'move-region-mount': {
        const sql = "UPDATE regions SET mount = json_set(mount, '$.path', ?) WHERE name = ? AND mount IS NOT NULL";
        if (this.sql.run(sql, change.path, change.name).changes > 0) return;
        throw unknownRegion(this.name, change.name);
      }
      case 'add-overlay': {
        const { name, region, metadata, isComplete } = change.overlay;
        this.#refuseTaken(name);
        const sql = 'INSERT INTO overlays (name, region, metadata, complete) VALUES (?, ?, ?, ?)';
        this.sql.run(sql, name, region ?? null, metadataJson(metadata), isComplete ? 1 : 0);
        return;
      }
      case 'complete-overlay': {
        const sheet = this.#sheetOf(change.name);
        this.#refuseTaken(change.as);
        this.sql.run('UPDATE overlays SET name = ?, complete = 1 WHERE sheet = ?', change.as, sheet);
        return;
      }
      case 'drop-overlay': {
        const sheet = this.#sheetOf(change.name);
        this.sql.run('DELETE FROM blocks WHERE number IN (SELECT block FROM tiles WHERE sheet = ?)', sheet);
        this.sql.run('DELETE FROM tiles WHERE sheet = ?', sheet);
        this.sql.run('DELETE FROM overlays WHERE sheet = ?', sheet);
        return;
      }
    }
  }

  #hasStill({ overlay, blocks }: NonNullable<CommitCondition['tiles']>): boolean {
    const sheet = this.sql.get('SELECT sheet FROM overlays WHERE name = ?', overlay)?.[0];
    if (typeof sheet !== 'number') return false;
    return blocks.every(({ x, y, block }) => this.#blockAt(sheet, x, y) === block);
  }

  #blockAt(sheet: number, x: number, y: number): number | undefined {
    const sql = 'SELECT block FROM tiles WHERE sheet = ? AND y = ? AND x = ?';
    return this.sql.get(sql, sheet, y, x)?.[0] as number | undefined;
  }

  #put(sheet: number, writes: readonly TileWrite[]): void {
    for (const { x, y, block } of writes) {
      const place = [sheet, y, x] as const;
      const old = this.#blockAt(sheet, x, y);
      const merged =
        old !== undefined && block.written ? mergeBlocks(this.readBlock({ sheet, x, y, block: old }), block) : block;
      const { lastInsertRowid } = this.sql.run(
        'INSERT INTO blocks (crc, written, pixels) VALUES (?, ?, ?)',
        blockCrc(merged, { sheet, x, y }),
        merged.written ?? null,
        merged.pixels,
      );
      if (old === undefined) this.sql.run('INSERT INTO tiles VALUES (?, ?, ?, ?)', ...place, lastInsertRowid);
      else {
        this.sql.run('UPDATE tiles SET block = ? WHERE sheet = ? AND y = ? AND x = ?', lastInsertRowid, ...place);
        this.sql.run('DELETE FROM blocks WHERE number = ?', old);
      }
    }
  }

  #addRegion({ name, kind, x, y, width, height, metadata, mount }: MapRegion): void {
    const sql = 'INSERT INTO regions VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING';
    const stored = [metadataJson(metadata), mount ? JSON.stringify(mount) : null] as const;
    const { changes } = this.sql.run(sql, name, kind, x, y, width, height, ...stored);
    if (changes === 0) throw nameTaken(this.name, 'a region', name);
  }

  #refuseTaken(overlay: string): void {
    if (this.sql.get('SELECT 1 FROM overlays WHERE name = ?', overlay))
      throw nameTaken(this.name, 'an overlay', overlay);
  }

  #sheetOf(overlay: string): number {
    const sheet = this.sql.get('SELECT sheet FROM overlays WHERE name = ?', overlay)?.[0];
    if (typeof sheet === 'number') return sheet;
    throw unknownOverlay(this.name, overlay);
  }
}
