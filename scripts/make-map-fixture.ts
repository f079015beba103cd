/**
 * Made packages/pixel-llm/test/fixtures/map-v1.pxmap, which every later version has to open: ground, an overlay, regions. It is run again only for a
 * new version of the file, under a new name.
 */
import { parseArgs } from 'node:util';
import { createMapFile, openMap } from '../packages/pixel-llm/src/map/node.ts';
import { patternBytes } from '../packages/pixel-llm/src/map/testing.ts';

const { positionals } = parseArgs({ allowPositionals: true });
const [path] = positionals;
if (path === undefined) throw new Error('node scripts/make-map-fixture.ts NEW-FILE.pxmap');
createMapFile(path, { tileSize: 16 });
await using map = openMap(path);
const place = { x: -20, y: 7, width: 50, height: 30 };
await map.write(place, patternBytes(50 * 30 * 4, 1), {
  region: { name: 'note', kind: 'note', metadata: { by: 'hand' } },
});
await map.createOverlay('over', { region: 'note' });
await map.write({ x: -3, y: 9, width: 8, height: 8 }, patternBytes(8 * 8 * 4, 2), { overlay: 'over' });
await map.addRegions([{ name: 'far', kind: 'place', x: 1e12, y: -1e12, width: 5, height: 6, metadata: {} }]);
