/** A map of version 1 of the format opens for ever and shows the same pixels. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { InfiniteMap } from '../src/map/infinite-map.ts';
import { openSqliteTileStore } from '../src/map/sqlite/node.ts';
import { MAP_PAGE_BYTES } from '../src/map/sqlite-schema.ts';
import { patternBytes, temporaryFolder } from '../src/map/testing.ts';
import { GROUND_PLACES, REGIONS } from './map-v1.ts';

const FIXTURE = join(import.meta.dirname, 'fixtures', 'map-v1.pxmap');
/** Of all places of the ground, one after the other, without and with the overlay. */
const HASHES = {
  ground: '5256e408247274b46762510ac503b02670ad7ae45d1c9121f2995edc9f7ae661',
  overlaid: '452148a397772f874f0383508a6d615eb0535e71ca0c63e092dd78e1a1246ab3',
};

async function hashOf(map: InfiniteMap, overlays: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const { x, y, width, height } of GROUND_PLACES) {
    // With what lies around it, as far as the plane goes.
    const around = { x: x - 9, y, width: width + 9, height: height + 9 };
    hash.update(await map.read(around, { overlays }));
  }
  return hash.digest('hex');
}

describe('A map of version 1', () => {
  for (const readOnly of [false, true]) {
    test(`shows the pixels, regions and overlays it was made with, ${readOnly ? 'only read' : 'to write'}`, async () => {
      using folder = temporaryFolder();
      const path = folder.file('a.pxmap');
      copyFileSync(FIXTURE, path);
      await using map = new InfiniteMap(openSqliteTileStore(path, { readOnly }));
      assert.equal(map.head.tileSize, 8);
      assert.equal(await hashOf(map, []), HASHES.ground);
      assert.equal(await hashOf(map, ['empty', 'fine-tune']), HASHES.overlaid);
      assert.deepEqual(await map.find({ nearestTo: { x: 0, y: 0 }, count: 5 }), REGIONS);
      const overlays = (await map.overlays()).map(({ name, region, metadata }) => ({ name, region, metadata }));
      assert.deepEqual(overlays, [
        { name: 'fine-tune', region: 'model', metadata: { scale: 0.5 } },
        { name: 'empty', region: undefined, metadata: {} },
      ]);
    });
  }

  test('is written further', async () => {
    using folder = temporaryFolder();
    const path = folder.file('a.pxmap');
    copyFileSync(FIXTURE, path);
    const [place] = GROUND_PLACES;
    assert.ok(place);
    const pixels = patternBytes(place.width * place.height * 4, 99);
    {
      await using map = new InfiniteMap(openSqliteTileStore(path));
      await map.write(place, pixels, { region: { name: 'new', kind: 'note', metadata: {} } });
      await map.dropOverlay('fine-tune');
    }
    await using map = new InfiniteMap(openSqliteTileStore(path));
    assert.deepEqual(await map.read(place), pixels);
    assert.equal((await map.regions()).length, REGIONS.length + 1);
  });

  test('lies in the repository small, whole and closed', () => {
    const bytes = readFileSync(FIXTURE);
    // Nine tables and indexes, a page each: no map is smaller.
    assert.ok(bytes.length <= 9 * MAP_PAGE_BYTES);
    assert.equal(bytes.toString('latin1', 0, 15), 'SQLite format 3');
  });
});
