/** Maps that earlier versions wrote are read for ever. */
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openMap } from '../src/map/node.ts';
import { patternBytes, temporaryFolder } from '../src/map/testing.ts';

test('a map of version 1 is read, and written, as it was', async () => {
  using folder = temporaryFolder();
  const path = folder.file('a.pxmap');
  copyFileSync(join(import.meta.dirname, 'fixtures/map-v1.pxmap'), path);
  await using map = openMap(path);
  const place = { x: -20, y: 7, width: 50, height: 30 };
  const pixels = patternBytes(50 * 30 * 4, 1);
  assert.deepEqual(await map.read(place), pixels);
  const over = { x: -3, y: 9, width: 8, height: 8 };
  assert.deepEqual(await map.read(over, { overlays: ['over'] }), patternBytes(8 * 8 * 4, 2));
  const [far, note] = [await map.region('far'), await map.region('note')];
  assert.deepEqual([far.x, far.y, far.kind, note.metadata], [1e12, -1e12, 'place', { by: 'hand' }]);
  assert.deepEqual(
    (await map.overlays()).map(({ name, region }) => [name, region]),
    [['over', 'note']],
  );
  assert.deepEqual(await map.verify(), []);
  await map.dropOverlay('over');
  await map.write(over, patternBytes(8 * 8 * 4, 3));
  assert.deepEqual(await map.read(over), patternBytes(8 * 8 * 4, 3));
});
