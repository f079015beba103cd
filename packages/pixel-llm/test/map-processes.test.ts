/**
 * Several processes open one map at the same moment, write and read it, close it and open it again: no commit is lost, no read is torn,
 * nobody meets a lock.
 */
import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { InfiniteMap } from '../src/map/infinite-map.ts';
import { createMapFile, openSqliteTileStore } from '../src/map/sqlite/node.ts';
import { temporaryFolder } from '../src/map/testing.ts';
import { counterPlace, numberOf, SHARED, startOf, TILE_SIZE } from './map-numbers.ts';

const PROCESSES = [0, 1, 2, 3];
const ROUNDS = process.env.PIXEL_FULL === '1' ? 1000 : 60;

function start(path: string, who: number): ChildProcessWithoutNullStreams {
  const script = fileURLToPath(new URL('./map-process-worker.ts', import.meta.url));
  return spawn(process.execPath, ['--conditions=pixel-llm-source', script, path, `${who}`, `${ROUNDS}`]);
}

/** Resolves to what it complained of; empty: nothing. */
async function ended(child: ChildProcessWithoutNullStreams): Promise<string> {
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text;
  });
  const [status] = await once(child, 'close');
  return status === 0 ? '' : `ended with ${status}: ${complaints}`;
}

describe('A map that four processes use at once', () => {
  test(`loses no commit of ${2 * ROUNDS} by each, shows no torn read and refuses nobody`, async () => {
    using folder = temporaryFolder();
    const path = folder.file('a.pxmap');
    createMapFile(path, { tileSize: TILE_SIZE });
    const children = PROCESSES.map((who) => start(path, who));
    const ends = children.map(ended);
    await Promise.all(children.map(({ stdout }, i) => Promise.race([once(stdout, 'data'), ends[i]])));
    for (const { stdin } of children) {
      // One that has ended says why itself.
      stdin.on('error', () => {});
      stdin.write('go\n');
    }
    assert.deepEqual(
      await Promise.all(ends),
      PROCESSES.map(() => ''),
    );

    await using map = new InfiniteMap(openSqliteTileStore(path));
    for (const who of PROCESSES) assert.equal(numberOf(await map.read(counterPlace(who))), ROUNDS, `process ${who}`);
    const names = new Set((await map.regions()).map(({ name }) => name));
    for (const who of PROCESSES) {
      for (let round = 1; round <= ROUNDS; round++) assert.ok(names.has(`${who}-${round}`), `${who}-${round}`);
    }
    const lasts = PROCESSES.map((who) => startOf(who) + ROUNDS);
    assert.ok(lasts.includes(numberOf(await map.read(SHARED)) ?? 0), 'the last of one of them');
    // The tiles that are in the map, and no block beside them.
    assert.equal((await map.statistics()).store.tiles, await countTiles(map));
  });
});

async function countTiles(map: InfiniteMap): Promise<number> {
  const store = openSqliteTileStore(map.name);
  const range = { left: -100, top: -100, right: 100, bottom: 100 };
  const { tiles } = await store.readTiles({ sheets: [0], range }, () => true);
  await store.dispose();
  return tiles.length;
}
