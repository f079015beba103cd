/**
 * One of several processes on one map: node map-process-worker.ts MAP WHO ROUNDS. Waits for a line, so that all begin at once, then writes and
 * reads: a rectangle that all write, and one of its own whose tiles it shares with others. Ends with 0 when everything it read was whole.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { InfiniteMap } from '../src/map/infinite-map.ts';
import { openSqliteTileStore } from '../src/map/sqlite/node.ts';
import { counterPlace, numberedPixels, numberOf, SHARED, startOf } from './map-numbers.ts';

const ROUNDS_AN_OPENING = 5;

const [path = '', ...numbers] = process.argv.slice(2);
const [who = 0, rounds = 0] = numbers.map(Number);
process.stdout.write('ready\n');
await once(process.stdin, 'data');
process.stdin.destroy();
for (let round = 1; round <= rounds; ) {
  // A small cache: blocks come from the file and from memory in turns.
  await using map = new InfiniteMap(openSqliteTileStore(path), { cacheBytes: 16_384 });
  for (const end = round + ROUNDS_AN_OPENING; round < end && round <= rounds; round++) {
    await map.write(SHARED, numberedPixels(startOf(who) + round));
    assert.notEqual(numberOf(await map.read(SHARED)), undefined, 'a torn read of what all write');
    const counter = numberOf(await map.read(counterPlace(who)));
    assert.equal(counter, round - 1, 'what this process wrote before');
    const region = { name: `${who}-${round}`, kind: 'note', metadata: {} };
    await map.write(counterPlace(who), numberedPixels(round), { region });
    await map.region(region.name);
  }
}
