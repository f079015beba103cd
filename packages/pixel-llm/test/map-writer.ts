/** A process that writes to a map, for tests that kill it or run several: `node map-writer.ts MAP ID COUNT`. Prints each number once it is committed. */
import { openMap } from '../src/map/node.ts';
import { ownPixels, ownPlace, SHARED, sharedPixels } from './map-writes.ts';

const [path = '', id = '0', count = '0'] = process.argv.slice(2);
const map = openMap(path);
for (let number = 0; number < Number(count); number++) {
  const place = ownPlace(Number(id), number);
  const name = `${id}/${number}`;
  await map.write(place, ownPixels(place, Number(id), number), {
    region: { name, kind: 'note', metadata: { number } },
  });
  await map.write(SHARED, sharedPixels(Number(id), number));
  process.stdout.write(`${number}\n`);
  const shared = await map.read(SHARED);
  if (shared.some((byte, at) => at >= 4 && byte !== shared[at % 4])) throw new Error('A read was torn.');
}
await map.dispose();
