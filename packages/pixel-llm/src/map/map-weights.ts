/**
 * A model on a map as a WeightSource: the planes of the mounted picture, and over them the bytes that tiles hold, the ground's and those of
 * the overlays that were asked for. Where no tile lies nothing is copied or asked for.
 */
import type { ReadOptions } from '../core/byte-source.ts';
import type { FileRun } from '../pxi/layout.ts';
import { openSetOf, type PictureSet } from '../pxi/picture-set.ts';
import { createPictureWeights } from '../pxi/picture-weights.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import type { InfiniteMap } from './infinite-map.ts';
import type { MapView, ViewedTile } from './map-view.ts';
import { layBytes } from './tile.ts';
import type { MountedRegion, StoredTile } from './tile-store.ts';

export interface MapModelOptions extends ReadOptions {
  /** Names of overlays to look through, the lowest first. */
  readonly overlays?: readonly string[] | undefined;
  /** The map belongs to the model and is closed with it. */
  readonly ownsMap?: boolean | undefined;
}

/** A model that is mounted on a map. */
export interface MapModel {
  readonly region: MountedRegion;
  /** The tiles above the pictures, those of the ground first. */
  readonly tiles: readonly StoredTile[];
  /** The mounted pictures seen through the tiles above them. */
  readonly set: PictureSet;
  /** Owns the set: disposing of it closes everything. */
  readonly weights: WeightSource;
}

/**
 * Opens a mounted model as it is at this moment; what is written later does not change it.
 * Throws `unknown-region`, `unknown-overlay`, `mount-changed`, `file-not-found`, `unknown-format` (no model), and as `openPictureSet`.
 */
export async function openMapModel(
  map: InfiniteMap,
  name: string,
  { overlays = [], ownsMap = false, signal }: MapModelOptions = {},
): Promise<MapModel> {
  const region = await map.mountedRegion(name, { signal });
  const view = await map.view(overlays, { signal });
  try {
    const pictures = await map.openMount(region, { signal });
    const title = [`${map.name}#${name}`, ...overlays].join('+');
    const below = await openSetOf(title, pictures, { signal });
    const tiles = await view.list(region, { signal });
    const rows = new Set(tiles.map(({ y }) => y));
    const close = ownsMap ? () => map.dispose() : async () => {};
    const set = seenThrough(below, { region, view, rows, close });
    return { region, tiles, set, weights: createPictureWeights(set) };
  } catch (error) {
    await view.dispose();
    throw error;
  }
}

interface TilesAbove {
  readonly region: MountedRegion;
  readonly view: MapView;
  /** The rows of tiles in which the region has any. */
  readonly rows: ReadonlySet<number>;
  close(): Promise<void>;
}

function seenThrough(below: PictureSet, { region, view, rows, close }: TilesAbove): PictureSet {
  const tops = linesBefore(region);
  const lineBytes = below.model.width * 4;
  return {
    ...below,
    async readRun(run, start, target, options) {
      await below.readRun(run, start, target, options);
      const span = spanOf(run, start, target.length, lineBytes, region.y + tops[run.file]!);
      for (const range of touchedRows(span, view.tileSize, rows)) {
        const left = Math.floor(region.x / view.tileSize);
        const right = Math.floor((region.x + region.width - 1) / view.tileSize);
        for (const tile of await view.read({ left, right, ...range }, options)) {
          layTile(tile, span, region.x, target);
        }
      }
    },
    async dispose() {
      await view.dispose();
      await below.dispose();
      await close();
    },
  };
}

/** Lines of a region above each of its pictures. */
export function linesBefore({ mount }: MountedRegion): number[] {
  let sum = 0;
  return mount.lines.map((lines) => {
    sum += lines;
    return sum - lines;
  });
}

/** A run of bytes on the plane: from byte `begin` of line `top` on, through lines of `lineBytes` each. */
interface Span {
  readonly top: number;
  readonly begin: number;
  readonly byteLength: number;
  readonly lineBytes: number;
}

function spanOf({ offset }: FileRun, start: number, byteLength: number, lineBytes: number, fileTop: number): Span {
  const from = offset + start;
  return { top: fileTop + Math.floor(from / lineBytes), begin: from % lineBytes, byteLength, lineBytes };
}

/** The rows of tiles that a span crosses and that hold any tile, neighbours together. */
function touchedRows(
  { top, begin, byteLength, lineBytes }: Span,
  tileSize: number,
  rows: ReadonlySet<number>,
): { top: number; bottom: number }[] {
  if (rows.size === 0 || byteLength === 0) return [];
  const last = top + Math.floor((begin + byteLength - 1) / lineBytes);
  const ranges: { top: number; bottom: number }[] = [];
  for (let row = Math.floor(top / tileSize); row <= Math.floor(last / tileSize); row++) {
    if (!rows.has(row)) continue;
    const before = ranges.at(-1);
    if (before?.bottom === row - 1) before.bottom = row;
    else ranges.push({ top: row, bottom: row });
  }
  return ranges;
}

/** Lays what a tile holds of the span over the span's bytes. */
function layTile({ place, block }: ViewedTile, span: Span, left: number, target: Uint8Array): void {
  const tileBytes = place.width * 4;
  // Bytes of the tile's lines on the lines of the picture.
  const inLine = (place.x - left) * 4;
  for (let row = 0; row < place.height; row++) {
    const lineStart = (place.y + row - span.top) * span.lineBytes - span.begin;
    const from = Math.max(0, lineStart, lineStart + inLine);
    const to = Math.min(span.byteLength, lineStart + span.lineBytes, lineStart + inLine + tileBytes);
    if (from >= to) continue;
    layBytes(target.subarray(from, to), 0, block, row * tileBytes + (from - lineStart - inLine), to - from);
  }
}
