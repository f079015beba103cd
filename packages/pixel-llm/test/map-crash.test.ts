/**
 * Kill -9 while a map is written: every commit that returned is there, the one under way is there whole or not at all. The default run
 * kills a few times, PIXEL_FULL=1 500 times.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { InfiniteMap } from '../src/map/infinite-map.ts';
import { createMapFile, openSqliteTileStore } from '../src/map/sqlite/node.ts';
import { temporaryFolder } from '../src/map/testing.ts';
import { numberedPixels, numberOf, PLACES, placeOf, TILE_SIZE } from './map-numbers.ts';

const KILLS = process.env.PIXEL_FULL === '1' ? 500 : 12;
/** Each map outlives so many kills; then a new one, so that looking at all its regions stays quick. */
const KILLS_A_MAP = 25;
const SEED = 7;

/** Numbers from 0 to 1 (a linear congruence). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Starts a writer and kills it. Returns the last number it printed, 0 for none. */
async function writeUntilKilled(path: string, random: () => number): Promise<number> {
  const script = fileURLToPath(new URL('./map-crash-writer.ts', import.meta.url));
  const child = spawn(process.execPath, ['--conditions=pixel-llm-source', script, path], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  let complaints = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text;
  });
  const closed = once(child, 'close');
  // One in four dies at any moment of its start, the others among their commits.
  if (random() < 0.25) await wait(random() * 300);
  else {
    await Promise.race([once(child.stdout, 'data'), closed]);
    await wait(random() * 30);
  }
  child.kill('SIGKILL');
  await closed;
  assert.equal(child.signalCode, 'SIGKILL', complaints);
  const lines = printed.split('\n').slice(0, -1);
  return Number(lines.at(-1) ?? 0);
}

/** Returns the number of commits in the map. */
async function checkMap(path: string, printed: number): Promise<number> {
  await using map = new InfiniteMap(openSqliteTileStore(path));
  const regions = await map.regions();
  const last = regions.length;
  assert.ok(last === printed || last === printed + 1, `${printed} commits returned, ${last} are there`);
  const numbers = regions.map(({ name }) => Number(name)).toSorted((a, b) => a - b);
  assert.deepEqual(
    numbers,
    Array.from({ length: last }, (_, i) => i + 1),
  );
  for (let n = last + 1; n > 0 && n > last - PLACES; n--) {
    const expected = n > last ? Math.max(0, n - PLACES) : n;
    assert.equal(numberOf(await map.read(placeOf(n))), expected, `the pixels of commit ${n} of ${last}`);
  }
  return last;
}

describe('A map whose writer is killed', () => {
  test(`has lost nothing that was committed and shows nothing torn, ${KILLS} times`, async (context) => {
    const random = randomNumbers(SEED);
    let commits = 0;
    for (let kill = 0; kill < KILLS; ) {
      using folder = temporaryFolder();
      const path = folder.file('a.pxmap');
      createMapFile(path, { tileSize: TILE_SIZE });
      let last = 0;
      for (const end = Math.min(KILLS, kill + KILLS_A_MAP); kill < end; kill++) {
        last = await checkMap(path, Math.max(last, await writeUntilKilled(path, random)));
      }
      // Whoever goes on finds nothing in the way.
      await using map = new InfiniteMap(openSqliteTileStore(path));
      await map.write(placeOf(last + 1), numberedPixels(last + 1));
      assert.equal(numberOf(await map.read(placeOf(last + 1))), last + 1);
      commits += last;
    }
    context.diagnostic(`${commits} commits, ${KILLS} kills`);
    assert.ok(commits > KILLS, 'most kills fell among commits');
  });
});
