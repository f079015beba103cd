/**
 * Writes into a map until it is killed: node map-crash-writer.ts MAP. Commit n fills a rectangle of several tiles with the number n and
 * names it; when it has returned, n is printed. Every few commits the map is closed and opened again, so that kills also fall into
 * the folding of the log into the file and into its beginning.
 */
import { writeSync } from 'node:fs';
import { InfiniteMap } from '../src/map/infinite-map.ts';
import { openSqliteTileStore } from '../src/map/sqlite/node.ts';
import { numberedPixels, placeOf } from './map-numbers.ts';

const COMMITS_AN_OPENING = 6;

const [path = ''] = process.argv.slice(2);
for (;;) {
  await using map = new InfiniteMap(openSqliteTileStore(path));
  const { length: done } = await map.regions();
  for (let n = done + 1; n <= done + COMMITS_AN_OPENING; n++) {
    const region = { name: `${n}`, kind: 'note', metadata: { n } };
    await map.write(placeOf(n), numberedPixels(n), { region });
    writeSync(1, `${n}\n`);
  }
}
