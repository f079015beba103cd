/**
 * An InfiniteMap in SQLite: regions of 4 MB (1024 x 1024 pixels) written and read against the same bytes in a flat file, in turns, in
 * the page cache and without fsync; and the index of a million named regions. Each checks its results first.
 *
 *     npx node bench/map.ts [--regions N] [--rounds N] [--folder PATH] [--out FILE.json]
 */
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { InfiniteMap } from '../packages/pixel-llm/src/map/infinite-map.ts';
import { RegionIndex } from '../packages/pixel-llm/src/map/region-index.ts';
import { createMapFile, openSqliteTileStore } from '../packages/pixel-llm/src/map/sqlite/node.ts';
import { patternBytes } from '../packages/pixel-llm/src/map/testing.ts';
import type { MapRegion } from '../packages/pixel-llm/src/map/tile-store.ts';
import type { Rectangle } from '../packages/pixel-llm/src/pxi/weight-space.ts';
import { countProcessorTime, interleave, median, printTable, type ResultRow, rounded, saveResults } from './harness.ts';

const SIDE = 1024;
/** Pixels beside the borders of tiles, for those that do not lie on them. */
const BESIDE = 20;
const REGION_BYTES = SIDE * SIDE * 4;
/** On the borders of tiles and beside them they fit the usual cache of tiles together. */
const REGIONS_A_ROUND = 6;
/** Rounds of the measurement that does not take a median. */
const SUSTAINED = 20;
/** Megabytes a second that region writes and reads are to reach. */
const [WRITE_TARGET, READ_TARGET] = [200, 1000];

const { values } = parseArgs({
  options: {
    regions: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '11' },
    folder: { type: 'string', default: tmpdir() },
    out: { type: 'string' },
  },
});

const folder = mkdtempSync(join(values.folder, 'map-bench-'));
try {
  const rows = [...(await measurePixels(Number(values.rounds))), ...(await measureIndex(Number(values.regions)))];
  printTable(rows);
  console.log(`\nwritten to ${await saveResults('map', rows, { path: values.out })}`);
} finally {
  rmSync(folder, { recursive: true });
}

/** What each measurement works with: a map and a flat file that hold the same regions. */
interface Ground {
  readonly path: string;
  readonly map: InfiniteMap;
  readonly flat: number;
  readonly regions: readonly Uint8Array[];
  /** Memory to read into. */
  readonly target: Uint8Array;
}

type Work = (i: number) => Promise<void> | void;

async function measurePixels(rounds: number): Promise<ResultRow[]> {
  const path = join(folder, 'a.pxmap');
  createMapFile(path);
  await using map = new InfiniteMap(openSqliteTileStore(path));
  const flat = openSync(join(folder, 'flat.bin'), 'w+');
  const regions = Array.from({ length: REGIONS_A_ROUND }, (_, i) => patternBytes(REGION_BYTES, i + 1));
  const ground = { path, map, flat, regions, target: new Uint8Array(REGION_BYTES) };
  await each(writeFlat(ground))();
  for (const shift of [0, BESIDE]) {
    await each(writeMap(ground, shift))();
    await each(async (i) => assert.deepEqual(await map.read(placeOf(i, shift)), regions[i]))();
  }
  const rows = [
    ...(await measureWriting(ground, rounds)),
    await measureSustained(ground),
    ...(await measureReading(ground, rounds)),
  ];
  closeSync(flat);
  return rows;
}

async function measureWriting(ground: Ground, rounds: number): Promise<ResultRow[]> {
  const writing = countProcessorTime({
    flat: inTurn(writeFlat(ground)),
    map: inTurn(writeMap(ground, 0)),
    beside: inTurn(writeMap(ground, BESIDE)),
  });
  const seconds = await interleave(writing.cases, { rounds: rounds * REGIONS_A_ROUND });
  const measured = { ...writing, seconds, bytes: REGION_BYTES };
  return [
    pixelRow('write regions', 'flat', 'map', { ...measured, target: WRITE_TARGET }),
    pixelRow('write regions beside the borders of tiles', 'flat', 'beside', measured),
  ];
}

/** Medians hide the folding of the log into the file, which every sixteenth write or so has to wait for. */
async function measureSustained(ground: Ground): Promise<ResultRow> {
  const megabytes = rounded((SUSTAINED * REGIONS_A_ROUND * REGION_BYTES) / 1e6);
  const rate = async (work: Work) => {
    const begun = performance.now();
    for (let time = 0; time < SUSTAINED; time++) await each(work)();
    return rounded((megabytes * 1000) / (performance.now() - begun));
  };
  const mapMBps = await rate(writeMap(ground, 0));
  const besideBordersMBps = await rate(writeMap(ground, BESIDE));
  const flatMBps = await rate(writeFlat(ground));
  return {
    what: `write ${megabytes} MB of regions on end, with the log folded in / a flat file`,
    ratio: rounded(mapMBps / flatMBps),
    rates: { mapMBps, besideBordersMBps, flatMBps },
  };
}

async function measureReading(ground: Ground, rounds: number): Promise<ResultRow[]> {
  const { path, map, flat, target } = ground;
  const readMap =
    (from: InfiniteMap, shift: number): Work =>
    (i) =>
      from.readInto(placeOf(i, shift), target);
  const reading = countProcessorTime({
    flat: each((i) => void readSync(flat, target, 0, REGION_BYTES, i * REGION_BYTES)),
    map: each(readMap(map, 0)),
    beside: each(readMap(map, BESIDE)),
    fresh: async () => {
      await using opened = new InfiniteMap(openSqliteTileStore(path));
      await each(readMap(opened, 0))();
    },
  });
  const seconds = await interleave(reading.cases, { rounds });
  const measured = { ...reading, seconds, bytes: REGIONS_A_ROUND * REGION_BYTES };
  return [
    pixelRow('read regions, cached', 'flat', 'map', { ...measured, target: READ_TARGET }),
    pixelRow('read regions beside the borders of tiles, cached', 'flat', 'beside', measured),
    pixelRow('read regions with a map just opened (checksums)', 'flat', 'fresh', measured),
  ];
}

function placeOf(i: number, shift: number): Rectangle {
  return { x: i * SIDE + shift, y: shift * 1000, width: SIDE, height: SIDE };
}

function writeMap({ map, regions }: Ground, shift: number): Work {
  return (i) => map.write(placeOf(i, shift), regions[i]!);
}

function writeFlat({ flat, regions }: Ground): Work {
  return (i) => void writeSync(flat, regions[i]!, 0, REGION_BYTES, i * REGION_BYTES);
}

function each(work: Work): () => Promise<void> {
  return async () => {
    for (let i = 0; i < REGIONS_A_ROUND; i++) await work(i);
  };
}

/** One region a time: where the log is folded in, every sixteenth time or so, it would fall to the same case again and again. */
function inTurn(work: Work): () => Promise<void> {
  let i = 0;
  return async () => work(i++ % REGIONS_A_ROUND);
}

interface Measured<Name extends string> {
  readonly seconds: Readonly<Record<Name, number>>;
  /** That were moved in that time. */
  readonly bytes: number;
  readonly target?: number;
  cpuSeconds(name: Name): number;
}

function pixelRow<Name extends string>(what: string, flat: Name, map: Name, measured: Measured<Name>): ResultRow {
  const { seconds, bytes, target, cpuSeconds } = measured;
  const rate = (time: number) => rounded(bytes / time / 1e6);
  const wanted = target === undefined ? '' : `; at least ${target} MB/s`;
  return {
    what: `${what} (4 MB each) / a flat file${wanted}`,
    ratio: rounded(seconds[flat] / seconds[map]),
    rates: {
      mapMBps: rate(seconds[map]),
      flatMBps: rate(seconds[flat]),
      mapCpuMBps: rate(cpuSeconds(map)),
      flatCpuMBps: rate(cpuSeconds(flat)),
    },
  };
}

async function measureIndex(count: number): Promise<ResultRow[]> {
  const random = randomNumbers();
  const scattered = scatter(count, random);
  const far = { ...scattered[0]!, name: 'far', x: 1e15, y: -1e15 };
  const million = count.toLocaleString('en');
  return [
    ...timeIndex(`${million} regions`, scattered, random),
    ...timeIndex(`${million} regions, one of them far out`, [...scattered.slice(1), far], random),
    await timeStored(million, scattered),
  ];
}

function timeIndex(what: string, regions: readonly MapRegion[], random: () => number): ResultRow[] {
  const buildSeconds = Array.from({ length: 3 }, () => {
    const begun = performance.now();
    new RegionIndex('a map', regions).find({ at: { x: 0, y: 0 } });
    return (performance.now() - begun) / 1000;
  });
  const index = new RegionIndex('a map', regions);
  const extent = extentOf(regions.length);
  const place = () => ({ x: Math.floor(random() * extent), y: Math.floor(random() * extent) });
  const sample = { ...place(), width: 2000, height: 2000 };
  const { x, y, width, height } = sample;
  const touching = regions.filter(
    (one) => one.x < x + width && one.y < y + height && one.x + one.width > x && one.y + one.height > y,
  );
  assert.deepEqual(index.find({ touching: sample }), touching);
  const times = (work: () => void) => {
    const all = Array.from({ length: 2000 }, () => {
      const begun = performance.now();
      work();
      return performance.now() - begun;
    });
    const p99 = all.toSorted((a, b) => a - b)[Math.floor(all.length * 0.99)] ?? 0;
    return { p99Milliseconds: rounded(p99), medianMilliseconds: rounded(median(all)) };
  };
  const touches = times(() => index.find({ touching: { ...place(), width: 2000, height: 2000 } }));
  const nearest = times(() => index.find({ nearestTo: place(), count: 10 }));
  return [
    { what: `index ${what} (s; below 2)`, rates: { seconds: rounded(median(buildSeconds)) } },
    { what: `those of ${what} that touch a rectangle (p99, ms; below 1)`, rates: touches },
    { what: `the nearest ten of ${what} to a point (p99, ms)`, rates: nearest },
  ];
}

/** From the file: named in one commit, then read and indexed by a map that is opened anew. */
async function timeStored(million: string, regions: readonly MapRegion[]): Promise<ResultRow> {
  const path = join(folder, 'regions.pxmap');
  createMapFile(path);
  const timed = async (work: (map: InfiniteMap) => Promise<unknown>): Promise<number> => {
    await using map = new InfiniteMap(openSqliteTileStore(path));
    const begun = performance.now();
    await work(map);
    return rounded((performance.now() - begun) / 1000);
  };
  const addSeconds = await timed((map) => map.addRegions(regions));
  const firstFindSeconds = await timed((map) => map.find({ at: { x: 0, y: 0 } }));
  return {
    what: `${million} regions in a file: named, and the first query of an opened map`,
    rates: { addSeconds, firstFindSeconds },
  };
}

/** Pixels a side of the square that so many regions lie in: at most places one or two lie over one another. */
function extentOf(count: number): number {
  return Math.ceil(Math.sqrt(count) * 300);
}

function scatter(count: number, random: () => number): MapRegion[] {
  const upTo = (most: number) => Math.floor(random() * most);
  return Array.from({ length: count }, (_, i) => {
    const place = { x: upTo(extentOf(count)), y: upTo(extentOf(count)) };
    return { name: `region ${i}`, kind: 'note', ...place, width: 1 + upTo(500), height: 1 + upTo(500), metadata: {} };
  });
}

function randomNumbers(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
