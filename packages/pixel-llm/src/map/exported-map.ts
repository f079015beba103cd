/**
 * A map as a folder of plain files that any static web server can serve: `map.json` says everything but the pixels, `tiles-NNNNN.bin` hold those of
 * the tiles, about a megabyte each, neighbours together, so that no server has to know ranges. docs/map.md describes every field.
 */
import * as z from 'zod';
import type { ReadOptions } from '../core/byte-source.ts';
import { PixelError, throwIfAborted } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { FARTHEST, TILE_SIZES } from './coordinates.ts';
import { mountSchema } from './mount-record.ts';
import { blockCrc, type TileBlock } from './tile.ts';
import type { MapRegion, TileSnapshot } from './tile-store.ts';

const EXPORT_FORMAT = 'pixel-llm-map';
/** The newest version that is known here. */
const EXPORT_VERSION = 1;
const PACK_BYTES = 1 << 20;

const whole = z.int();
const region = z.object({
  ...{ name: z.string(), kind: z.string(), x: whole, y: whole, width: whole.min(1), height: whole.min(1) },
  metadata: z.record(z.string(), z.unknown()),
  mount: mountSchema.optional(),
});

/** What map.json says. */
export interface ExportedMap {
  format: typeof EXPORT_FORMAT;
  version: number;
  id: string;
  tileSize: number;
  regions: MapRegion[];
  overlays: { name: string; sheet: number; region?: string | undefined; metadata: Record<string, unknown> }[];
  packs: { file: string; byteLength: number }[];
  /** [sheet, x, y, pack, byte offset in it, 1 when a mask of written bytes follows the pixels, CRC-32 of both]. Sheet 0 is the ground. */
  tiles: [sheet: number, x: number, y: number, pack: number, offset: number, isPartial: 0 | 1, crc: number][];
}

const exportedMapSchema: z.ZodType<ExportedMap> = z.object({
  format: z.literal(EXPORT_FORMAT),
  version: whole.min(1),
  id: z.string(),
  tileSize: whole.min(TILE_SIZES.least).max(TILE_SIZES.most),
  regions: z.array(region).max(LIMITS.mapExportedEntries),
  overlays: z.array(
    z.object({
      name: z.string(),
      sheet: whole.min(1),
      region: z.string().optional(),
      metadata: z.record(z.string(), z.unknown()),
    }),
  ),
  packs: z.array(z.object({ file: z.string().regex(/^[\w.-]+$/), byteLength: whole.min(0).max(64 * PACK_BYTES) })),
  tiles: z.array(z.tuple([whole, whole, whole, whole, whole, z.union([z.literal(0), z.literal(1)]), whole])),
});

/** Throws `bad-map`. */
export function parseExportedMap(name: string, text: string): ExportedMap {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PixelError('bad-map', `${name} is no exported map: it is not JSON.`, { cause });
  }
  const version = z.object({ format: z.literal(EXPORT_FORMAT), version: z.number() }).safeParse(value);
  if (version.success && version.data.version > EXPORT_VERSION) {
    throw new PixelError(
      'bad-map',
      `${name} was written by a newer pixel-llm (version ${version.data.version}): update pixel-llm.`,
    );
  }
  const parsed = exportedMapSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new PixelError(
    'bad-map',
    `${name} is no exported map: ${issue?.path.join('.') || 'its top'}: ${issue?.message}.`,
  );
}

export interface ExportOptions extends ReadOptions {
  /** Where a mounted picture will be, relative to map.json. Default: where the map says it is. */
  readonly picturePath?: ((region: MapRegion) => string) | undefined;
}

/** Writes a moment of a map through `write`, map.json last. */
export async function exportMap(
  snapshot: TileSnapshot,
  write: (file: string, bytes: Uint8Array) => Promise<void>,
  { picturePath, signal }: ExportOptions = {},
): Promise<{ readonly tiles: number; readonly files: number }> {
  const { overlays } = await snapshot.readCatalog({ signal });
  const { regions } = (await snapshot.readRegions(undefined, { signal }))!;
  const complete = overlays.filter(({ isComplete }) => isComplete);
  const packs = new PackWriter(write);
  const tiles: ExportedMap['tiles'] = [];
  for (const sheet of [0, ...complete.map((overlay) => overlay.sheet)]) {
    for await (const { x, y, block } of tilesOfSheet(snapshot, sheet, { signal })) {
      const [pack, offset] = await packs.add(block);
      tiles.push([sheet, x, y, pack, offset, block.written ? 1 : 0, blockCrc(block, { sheet, x, y })]);
    }
  }
  const written: ExportedMap = {
    ...{ format: EXPORT_FORMAT, version: EXPORT_VERSION, id: snapshot.head.id, tileSize: snapshot.head.tileSize },
    regions: regions.map((one) => ({ ...exportedRegion(one, picturePath) })),
    overlays: complete.map(({ name, sheet, region: of, metadata }) => ({ name, sheet, region: of, metadata })),
    packs: await packs.finish(),
    tiles,
  };
  await write('map.json', new TextEncoder().encode(`${JSON.stringify(written)}\n`));
  return { tiles: tiles.length, files: written.packs.length + 1 };
}

function exportedRegion(one: MapRegion, picturePath: ExportOptions['picturePath']): ExportedMap['regions'][number] {
  const { mount, ...rest } = one;
  if (!mount) return rest;
  return { ...rest, mount: { ...mount, path: picturePath?.(one) ?? mount.path, lines: [...mount.lines] } };
}

/** Row of tiles after row, so that memory holds one row. */
async function* tilesOfSheet(
  snapshot: TileSnapshot,
  sheet: number,
  options: ReadOptions,
): AsyncGenerator<{ x: number; y: number; block: TileBlock }> {
  const all = { left: -FARTHEST, top: -FARTHEST, right: FARTHEST, bottom: FARTHEST };
  const { tiles } = await snapshot.readTiles({ sheets: [sheet], range: all }, () => true, options);
  const rows = [...new Set(tiles.map(({ y }) => y))].sort((a, b) => a - b);
  for (const y of rows) {
    throwIfAborted(options.signal);
    const range = { ...all, top: y, bottom: y };
    const row = await snapshot.readTiles({ sheets: [sheet], range }, () => false, options);
    for (const { x, block } of [...row.tiles].sort((a, b) => a.x - b.x)) yield { x, y, block: row.blocks.get(block)! };
  }
}

class PackWriter {
  readonly #write: (file: string, bytes: Uint8Array) => Promise<void>;
  readonly #packs: { file: string; byteLength: number }[] = [];
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  constructor(write: (file: string, bytes: Uint8Array) => Promise<void>) {
    this.#write = write;
  }

  /** Number of the pack and offset in it. */
  async add({ pixels, written }: TileBlock): Promise<[number, number]> {
    if (this.#bytes > 0 && this.#bytes + pixels.length > PACK_BYTES) await this.#close();
    const place: [number, number] = [this.#packs.length, this.#bytes];
    for (const piece of written ? [pixels, written] : [pixels]) {
      this.#pieces.push(piece);
      this.#bytes += piece.length;
    }
    return place;
  }

  async finish(): Promise<{ file: string; byteLength: number }[]> {
    if (this.#bytes > 0) await this.#close();
    return this.#packs;
  }

  async #close(): Promise<void> {
    const bytes = new Uint8Array(this.#bytes);
    let at = 0;
    for (const piece of this.#pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    const file = `tiles-${String(this.#packs.length).padStart(5, '0')}.bin`;
    await this.#write(file, bytes);
    this.#packs.push({ file, byteLength: bytes.length });
    [this.#pieces, this.#bytes] = [[], 0];
  }
}
