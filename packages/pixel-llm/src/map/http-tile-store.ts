/** A map that `map export` wrote, read from a web server: in a page as in Node. It cannot be written. */
import type { ByteSource, ReadOptions } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import { openHttpByteSource } from '../core/http-byte-source.ts';
import { openPictures } from '../pxi/picture-set.ts';
import { type ExportedMap, parseExportedMap } from './exported-map.ts';
import { InfiniteMap, type InfiniteMapOptions } from './infinite-map.ts';
import { blockCrc, type TileBlock } from './tile.ts';
import {
  isMounted,
  type MapCatalog,
  type MapHead,
  type RegionList,
  type StoredTile,
  type StoreStatistics,
  type TileQuery,
  type TileSnapshot,
  type TileStore,
  type TilesRead,
} from './tile-store.ts';

/** Packs of tiles that are kept: what is read next lies near. */
const KEPT_PACKS = 16;

/**
 * Opens an exported map by the URL of its folder or of its map.json; mounted pictures are read by ranges, beside it.
 * Throws `http`, `bad-map`.
 */
export async function openHttpMap(
  url: string | URL,
  { signal, ...options }: InfiniteMapOptions & ReadOptions = {},
): Promise<InfiniteMap> {
  const address = new URL(String(url));
  if (!/\.json$/i.test(address.pathname) && !address.pathname.endsWith('/')) address.pathname += '/';
  const json = address.pathname.endsWith('/') ? new URL('map.json', address) : address;
  const text = new TextDecoder().decode(await fetchBytes(json, signal));
  const openSource = (path: string): Promise<ByteSource> => openHttpByteSource(new URL(path, json));
  return new InfiniteMap(new HttpTileStore(json, parseExportedMap(json.href, text)), {
    openPictures: async (path) => openPictures(await openSource(path), { openSibling: (name) => openSource(name) }),
    ...options,
  });
}

async function fetchBytes(url: URL, signal: AbortSignal | undefined): Promise<Uint8Array> {
  let response: Response;
  try {
    response = await fetch(url, signal ? { signal } : {});
  } catch (cause) {
    if (signal?.aborted) throw new PixelError('aborted', 'The work was stopped.', { cause });
    throw new PixelError('http', `${url.href} cannot be reached.`, { cause });
  }
  if (response.ok) return new Uint8Array(await response.arrayBuffer());
  throw new PixelError('http', `${url.href}: the server answers ${response.status}.`, {
    details: { status: response.status },
  });
}

class HttpTileStore implements TileStore {
  readonly name: string;
  readonly head: MapHead;
  readonly isWritable = false;
  readonly #url: URL;
  readonly #map: ExportedMap;
  /** Index of each tile in the list, by sheet and place: it is its block's number too. */
  readonly #tiles: ReadonlyMap<number, readonly StoredTile[]>;
  readonly #packs: Map<number, Promise<Uint8Array>> = new Map();

  constructor(url: URL, map: ExportedMap) {
    this.name = url.href;
    this.head = { id: map.id, tileSize: map.tileSize };
    this.#url = url;
    this.#map = map;
    const sheets = new Map<number, StoredTile[]>();
    for (const [block, [sheet, x, y]] of map.tiles.entries()) {
      const list = sheets.get(sheet) ?? [];
      sheets.set(sheet, list);
      list.push({ sheet, x, y, block });
    }
    this.#tiles = sheets;
  }

  async readTiles(
    { sheets, range }: TileQuery,
    holds: (block: number) => boolean,
    { signal }: ReadOptions = {},
  ): Promise<TilesRead> {
    const { left, top, right, bottom } = range;
    const tiles = sheets.flatMap((sheet) =>
      (this.#tiles.get(sheet) ?? []).filter(({ x, y }) => x >= left && x <= right && y >= top && y <= bottom),
    );
    const blocks = new Map<number, TileBlock>();
    for (const { block } of tiles) if (!holds(block)) blocks.set(block, await this.#readBlock(block, signal));
    return { catalogRevision: 1, tiles, blocks };
  }

  async readCatalog(): Promise<MapCatalog> {
    const overlays = this.#map.overlays.map(({ region, ...one }) => ({ ...one, region, isComplete: true }));
    return { revision: 1, overlays, mounts: this.#map.regions.filter(isMounted) };
  }

  async readRegions(known?: number): Promise<RegionList | undefined> {
    return known === 1 ? undefined : { revision: 1, regions: this.#map.regions };
  }

  async snapshot(): Promise<TileSnapshot> {
    return this;
  }

  async commit(): Promise<boolean> {
    throw new PixelError(
      'read-only',
      `${this.name} is on a web server and cannot be written: change the map it was exported from.`,
    );
  }

  async statistics(): Promise<StoreStatistics> {
    const { tiles, regions, overlays, packs } = this.#map;
    return {
      tiles: tiles.length,
      partialTiles: tiles.filter((tile) => tile[5] === 1).length,
      tileBytes: packs.reduce((sum, { byteLength }) => sum + byteLength, 0),
      regions: regions.length,
      overlays: overlays.length,
      fileBytes: undefined,
    };
  }

  async verify({ signal }: ReadOptions = {}): Promise<readonly string[]> {
    const damaged: string[] = [];
    for (const block of this.#map.tiles.keys()) {
      try {
        await this.#readBlock(block, signal);
      } catch (error) {
        if (!(error instanceof PixelError) || error.code === 'aborted') throw error;
        damaged.push(error.message);
      }
    }
    return damaged;
  }

  async dispose(): Promise<void> {
    this.#packs.clear();
  }

  async #readBlock(block: number, signal: AbortSignal | undefined): Promise<TileBlock> {
    const [sheet, x, y, pack, offset, isPartial, crc] = this.#map.tiles[block]!;
    const bytes = await this.#readPack(pack, signal);
    const pixelBytes = 4 * this.head.tileSize ** 2;
    const pixels = bytes.subarray(offset, offset + pixelBytes);
    const written = isPartial ? bytes.subarray(offset + pixelBytes, offset + pixelBytes + pixelBytes / 8) : undefined;
    const isWhole = pixels.length === pixelBytes && (written === undefined || written.length === pixelBytes / 8);
    if (isWhole && blockCrc({ pixels, written }, { sheet, x, y }) === crc) return { pixels, written };
    throw new PixelError('bad-map', `${this.name}: the tile ${x},${y} is damaged: export the map again.`);
  }

  async #readPack(pack: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const known = this.#packs.get(pack);
    if (known) return known;
    const { file } = this.#map.packs[pack] ?? {};
    if (file === undefined)
      throw new PixelError('bad-map', `${this.name} names a pack of tiles that it does not list.`);
    const reading = fetchBytes(new URL(file, this.#url), signal);
    this.#packs.set(pack, reading);
    reading.catch(() => this.#packs.delete(pack));
    for (const oldest of this.#packs.keys()) {
      if (this.#packs.size <= KEPT_PACKS) break;
      this.#packs.delete(oldest);
    }
    return reading;
  }
}
