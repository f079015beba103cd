/**
 * Models on an InfiniteMap: mounting one, and loading it through the map, with and without overlays, beside its own file. Page cache; in turns in
 * one run.
 *
 *     npx node bench/map-models.ts [--rounds N] [--folder PATH] [--out FILE.json]
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openFileByteSink } from '../packages/pixel-llm/src/core/node.ts';
import type { InfiniteMap } from '../packages/pixel-llm/src/map/infinite-map.ts';
import { createMapFile, openMap, openModelWeights } from '../packages/pixel-llm/src/map/node.ts';
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
try {
  const rows = await modelRows();
  printTable(rows);
  console.log(`\n${await saveResults('map-models', rows, { path: values.out })}`);
} finally {
  rmSync(folder, { recursive: true });
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
