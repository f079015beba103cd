/**
 * The InfiniteMap: regions written and read beside a flat file, an index of a million regions, a mounted model opened, and a model loaded through a
 * map with and without overlays beside its own file. Page cache, no fsync; all in turns in one run.
 *
 *     npx node bench/map.ts [--rounds N] [--folder PATH] [--out FILE.json]
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openFileByteSink } from '../packages/pixel-llm/src/core/node.ts';
import type { InfiniteMap } from '../packages/pixel-llm/src/map/infinite-map.ts';
import { createMapFile, openMap, openModelWeights } from '../packages/pixel-llm/src/map/node.ts';
import { RegionIndex } from '../packages/pixel-llm/src/map/region-index.ts';
import type { MapRegion } from '../packages/pixel-llm/src/map/tile-store.ts';
import { convertToPictures } from '../packages/pixel-llm/src/pxi/convert/convert-to-picture.ts';
import { openContentFile, openWeightsFile } from '../packages/pixel-llm/src/pxi/node.ts';
import { pictureNames } from '../packages/pixel-llm/src/pxi/set-names.ts';
import { storedRows } from '../packages/pixel-llm/src/pxi/stored-rows.ts';
import type { WeightSource } from '../packages/pixel-llm/src/pxi/weight-source.ts';
import { cachedModel } from './cached-model.ts';
import { interleave, printTable, type ResultRow, rounded, saveResults } from './harness.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    folder: { type: 'string', default: tmpdir() },
    out: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const folder = mkdtempSync(join(values.folder, 'map-bench-'));
const SIDE = 1024;
const REGION_BYTES = SIDE * SIDE * 4;
const MEGABYTE = 1e6;

try {
  const rows = [...(await regionRows()), ...indexRows(), ...(await modelRows())];
  printTable(rows);
  console.log(`\n${await saveResults('map', rows, { path: values.out })}`);
} finally {
  rmSync(folder, { recursive: true });
}

/** Regions of 4 MB, [1024, 1024, 4]: written over one another and read from the cache, as the flat file is from the page cache. */
async function regionRows(): Promise<ResultRow[]> {
  const path = join(folder, 'regions.pxmap');
  createMapFile(path);
  await using map = openMap(path);
  const pixels = Uint8Array.from({ length: REGION_BYTES }, (_, i) => (i * 2654435761) >>> 24);
  const place = { x: 0, y: 0, width: SIDE, height: SIDE };
  const target = new Uint8Array(REGION_BYTES);
  await using flat = await open(join(folder, 'flat.bin'), 'w+');
  const seconds = await interleave(
    {
      mapWrite: () => map.write(place, pixels),
      flatWrite: async () => void (await flat.write(pixels, 0, REGION_BYTES, 0)),
      mapRead: () => map.readInto(place, target),
      flatRead: async () => void (await flat.read(target, 0, REGION_BYTES, 0)),
    },
    { rounds: rounds * 3 },
  );
  if (Buffer.compare(await map.read(place), pixels) !== 0) throw new Error('The map gives other pixels.');
  const rate = (time: number): number => rounded(REGION_BYTES / MEGABYTE / time);
  return [
    {
      what: 'write regions of 4 MB, MB/s',
      ratio: rate(seconds.mapWrite),
      target: 200,
      rates: { mapMBps: rate(seconds.mapWrite), flatFileMBps: rate(seconds.flatWrite) },
    },
    {
      what: 'read regions of 4 MB from the cache, MB/s',
      ratio: rate(seconds.mapRead),
      target: 1000,
      rates: { mapMBps: rate(seconds.mapRead), flatFileMBps: rate(seconds.flatRead) },
    },
  ];
}

/** A million regions, the index built and asked. */
function indexRows(): ResultRow[] {
  const count = 1_000_000;
  const span = 1_000_000;
  let state = 1;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const regions = Array.from({ length: count }, (_, i): MapRegion => {
    const at = { x: Math.floor(random() * span), y: Math.floor(random() * span) };
    const size = { width: 1 + Math.floor(random() * 500), height: 1 + Math.floor(random() * 500) };
    return { name: String(i), kind: 'note', ...at, ...size, metadata: {} };
  });
  const begun = performance.now();
  const index = new RegionIndex(regions);
  const build = (performance.now() - begun) / 1000;
  const times: number[] = [];
  for (let i = 0; i < 20_000; i++) {
    const within = { x: Math.floor(random() * span), y: Math.floor(random() * span), width: 2000, height: 2000 };
    const start = performance.now();
    index.find({ within });
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  const p99 = times[Math.floor(times.length * 0.99)]!;
  return [
    { what: 'index a million regions, seconds', ratio: rounded(build), target: 2, rates: { seconds: rounded(build) } },
    {
      what: 'rectangle of 2000 x 2000 among a million regions, p99 in ms',
      ratio: rounded(p99),
      target: 1,
      rates: { p50Milliseconds: rounded(times[times.length >> 1]!), p99Milliseconds: rounded(p99) },
    },
  ];
}

/** A model of the 0.5B shape: all planes read from its file, through a map, and with one tile in a hundred overlaid. */
async function modelRows(): Promise<ResultRow[]> {
  const picture = join(folder, 'model.pxi.png');
  await makePicture(picture);
  const path = join(folder, 'model.pxmap');
  createMapFile(path);
  await using map = openMap(path);
  const mounting = performance.now();
  const region = await map.mount('model.pxi.png', { name: 'model' });
  const mounted = performance.now() - mounting;
  const tiles = await overlayTiles(map, region);
  const seconds = await interleave(
    {
      file: async () => readAll(await openWeightsFile(picture)),
      map: async () => readAll(await openModelWeights(`${path}#model`)),
      overlaid: async () => readAll(await openModelWeights(`${path}#model+hundredth`)),
    },
    { rounds },
  );
  const rates = {
    fileSeconds: rounded(seconds.file),
    mapSeconds: rounded(seconds.map),
    overlaidSeconds: rounded(seconds.overlaid),
  };
  return [
    {
      what: 'mount a model of 0.5B, ms',
      ratio: rounded(mounted),
      target: 100,
      rates: { milliseconds: rounded(mounted) },
    },
    { what: 'load through a map / from its file', ratio: rounded(seconds.map / seconds.file), target: 1.1, rates },
    {
      what: `load with 1 % of tiles (${tiles}) overlaid / from its file`,
      ratio: rounded(seconds.overlaid / seconds.file),
      target: 1.3,
      rates,
    },
  ];
}

async function makePicture(path: string): Promise<void> {
  const content = await openContentFile(await cachedModel('qwen2.5-0.5b', 'Q8_0'));
  await convertToPictures(content, (index, count) =>
    openFileByteSink(pictureNames(path, count)[index]!, { sync: false }),
  );
  await content.dispose();
}

/** Every hundredth tile of the region, as it is: whole tiles that lie over what they repeat. */
async function overlayTiles(map: InfiniteMap, region: MapRegion): Promise<number> {
  await map.createOverlay('hundredth', { region: 'model' });
  const { tileSize } = map.head;
  const across = Math.ceil(region.width / tileSize);
  const all = across * Math.floor(region.height / tileSize);
  let count = 0;
  for (let tile = 0; tile < all; tile += 100, count++) {
    const place = {
      x: region.x + (tile % across) * tileSize,
      y: region.y + Math.floor(tile / across) * tileSize,
      width: tileSize,
      height: tileSize,
    };
    await map.write(place, await map.read(place), { overlay: 'hundredth' });
  }
  return count;
}

async function readAll(weights: WeightSource): Promise<void> {
  const target = new Uint8Array(1 << 23);
  for (const tensor of weights.head.tensors.values()) {
    const { rows, rowBlocks } = storedRows(tensor);
    for (const field of tensor.type.fields) {
      const rowBytes = rowBlocks * field.bytes;
      const step = Math.max(1, Math.floor(target.length / rowBytes));
      for (let start = 0; start < rows; start += step) {
        const end = Math.min(rows, start + step);
        await weights.readPlane(tensor.name, field.name, { start, end }, target.subarray(0, (end - start) * rowBytes));
      }
    }
  }
  await weights.dispose();
}
