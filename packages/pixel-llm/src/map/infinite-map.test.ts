import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isPixelError, type PixelErrorCode } from '../core/errors.ts';
import type { Rectangle } from '../pxi/weight-space.ts';
import { FARTHEST } from './coordinates.ts';
import { InfiniteMap } from './infinite-map.ts';
import { MemoryTileStore } from './memory-tile-store.ts';
import { createMapFile, openSqliteTileStore } from './sqlite/node.ts';
import { PlainMap, patternBytes, temporaryFolder } from './testing.ts';
import type { TileStore } from './tile-store.ts';

const hasCode = (code: PixelErrorCode) => (error: unknown) => isPixelError(error, code);
const square = (x: number, y: number, side: number): Rectangle => ({ x, y, width: side, height: side });

/** Each: a store of tiles of 16 pixels a side, and what removes it. */
const STORES: Readonly<Record<string, () => { store: TileStore; [Symbol.dispose](): void }>> = {
  memory: () => ({ store: new MemoryTileStore({ tileSize: 16 }), [Symbol.dispose]: () => {} }),
  SQLite: () => {
    const folder = temporaryFolder();
    createMapFile(folder.file('a.pxmap'), { tileSize: 16 });
    const store = openSqliteTileStore(folder.file('a.pxmap'));
    return {
      store,
      [Symbol.dispose]: () => {
        void store.dispose();
        folder[Symbol.dispose]();
      },
    };
  },
};

const step = fc.record({
  action: fc.constantFrom('write', 'write', 'write', 'read', 'read', 'drop'),
  x: fc.integer({ min: -40, max: 40 }),
  y: fc.integer({ min: -40, max: 40 }),
  width: fc.integer({ min: 1, max: 50 }),
  height: fc.integer({ min: 1, max: 40 }),
  overlay: fc.constantFrom(undefined, 'a', 'b'),
  seed: fc.nat(1000),
});

for (const [name, open] of Object.entries(STORES)) {
  describe(`A map in ${name}`, () => {
    test('is, after any writes and drops, what a plain map of pixels is, through any overlays', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
          using opened = open();
          await using map = new InfiniteMap(opened.store, { cacheBytes: 8 * 1024 });
          const plain = new PlainMap();
          for (const overlay of ['a', 'b']) await map.createOverlay(overlay);
          for (const { action, overlay, seed, ...place } of steps) {
            const pixels = patternBytes(place.width * place.height * 4, seed);
            if (action === 'write') {
              await map.write(place, pixels, { overlay });
              plain.write(place, pixels, overlay);
            } else if (action === 'drop' && overlay) {
              await map.dropOverlay(overlay);
              await map.createOverlay(overlay);
              plain.sheets.delete(overlay);
            }
            const through = [[], ['a'], ['b', 'a']][seed % 3] ?? [];
            assert.deepEqual(await map.read(place, { overlays: through }), plain.read(place, through));
          }
        }),
        { numRuns: 25 },
      );
    });

    test('keeps what was written at the ends of the plane, and is sparse', async () => {
      using opened = open();
      await using map = new InfiniteMap(opened.store);
      const pixels = patternBytes(4 * 4, 1);
      const places = [square(0, 0, 2), square(1e12, -1e12, 2)];
      for (const place of places) await map.write(place, pixels);
      assert.equal((await map.statistics()).store.tiles, 2);
      const ends = [square(FARTHEST - 1, -FARTHEST, 2), square(-FARTHEST, FARTHEST - 1, 2)];
      for (const place of ends) await map.write(place, pixels);
      for (const place of [...places, ...ends]) assert.deepEqual(await map.read(place), pixels);
      const far = await map.read({ x: 1e12 - 1, y: -1e12, width: 4, height: 1 });
      assert.deepEqual([...far], [0, 0, 0, 0, ...pixels.subarray(0, 8), 0, 0, 0, 0]);
    });

    test('refuses what is no part of the plane, and pixels of another number', async () => {
      using opened = open();
      await using map = new InfiniteMap(opened.store);
      const wrong: readonly Rectangle[] = [
        { x: 0.5, y: 0, width: 1, height: 1 },
        { x: 0, y: 0, width: 0, height: 1 },
        { x: FARTHEST, y: 0, width: 2, height: 1 },
        { x: Number.POSITIVE_INFINITY, y: 0, width: 1, height: 1 },
        { x: 2 ** 53, y: 0, width: 1, height: 1 },
      ];
      for (const place of wrong) await assert.rejects(map.read(place), hasCode('bad-argument'));
      await assert.rejects(map.read(square(0, 0, 1e6)), hasCode('limit-exceeded'));
      await assert.rejects(map.write(square(0, 0, 2), new Uint8Array(15)), hasCode('bad-argument'));
      assert.equal((await map.statistics()).store.tiles, 0);
    });

    test('does nothing of a write that cannot be done whole', async () => {
      using opened = open();
      await using map = new InfiniteMap(opened.store);
      const [old, pixels] = [patternBytes(32 * 32 * 4, 1), patternBytes(32 * 32 * 4, 2)];
      const region = { name: 'note', kind: 'note', metadata: {} };
      await map.write(square(0, 0, 32), old, { region });
      await assert.rejects(map.write(square(0, 0, 32), pixels, { region }), hasCode('bad-argument'));
      await assert.rejects(map.write(square(0, 0, 32), pixels, { overlay: 'none' }), hasCode('unknown-overlay'));
      assert.deepEqual(await map.read(square(0, 0, 32)), old);
    });

    test('names rectangles, forgets names, and takes no name twice', async () => {
      using opened = open();
      await using map = new InfiniteMap(opened.store);
      const note = { name: 'note', kind: 'note', x: -5, y: 3, width: 7, height: 9, metadata: { by: 'me' } };
      await map.addRegions([note, { ...note, name: 'other' }]);
      assert.deepEqual(await map.region('note'), note);
      const again = [{ ...note, name: 'third' }, note];
      await assert.rejects(map.addRegions(again), hasCode('bad-argument'));
      await map.removeRegion('other');
      assert.deepEqual(await map.regions(), [note]);
      await assert.rejects(map.removeRegion('other'), hasCode('unknown-region'));
      await assert.rejects(map.region('other'), hasCode('unknown-region'));
      await assert.rejects(map.addRegions([{ ...note, name: '' }]), hasCode('bad-argument'));
      const large = { text: 'a'.repeat(2_000_000) };
      await assert.rejects(map.addRegions([{ ...note, name: 'large', metadata: large }]), hasCode('limit-exceeded'));
    });

    test('shows an overlay only when it is asked for, and no overlay that is not complete', async () => {
      using opened = open();
      await using map = new InfiniteMap(opened.store);
      await opened.store.commit([
        { change: 'add-overlay', overlay: { name: 'draft', region: undefined, metadata: {}, isComplete: false } },
        { change: 'put-tiles', overlay: 'draft', tiles: [] },
      ]);
      assert.deepEqual(await map.overlays(), []);
      await assert.rejects(map.read(square(0, 0, 1), { overlays: ['draft'] }), hasCode('unknown-overlay'));
      await opened.store.commit([{ change: 'complete-overlay', name: 'draft', as: 'fine-tune' }]);
      assert.deepEqual(
        (await map.overlays()).map(({ name }) => name),
        ['fine-tune'],
      );
      await map.write(square(0, 0, 1), Uint8Array.of(1, 2, 3, 4), { overlay: 'fine-tune' });
      assert.deepEqual([...(await map.read(square(0, 0, 1)))], [0, 0, 0, 0]);
      assert.deepEqual([...(await map.read(square(0, 0, 1), { overlays: ['fine-tune'] }))], [1, 2, 3, 4]);
      await assert.rejects(map.createOverlay('fine-tune'), hasCode('bad-argument'));
      await map.dropOverlay('fine-tune');
      await assert.rejects(map.dropOverlay('fine-tune'), hasCode('unknown-overlay'));
      assert.equal((await map.statistics()).store.tiles, 0);
    });

    test('shows a snapshot as it was, whatever is written meanwhile', async () => {
      using opened = open();
      const [old, pixels] = [patternBytes(32 * 32 * 4, 1), patternBytes(32 * 32 * 4, 2)];
      await using map = new InfiniteMap(opened.store);
      await map.write(square(0, 0, 32), old, { region: { name: 'a', kind: 'note', metadata: {} } });
      const snapshot = await opened.store.snapshot();
      await map.write(square(0, 0, 32), pixels);
      await map.removeRegion('a');
      await map.createOverlay('b');
      const { tiles, blocks } = await snapshot.readTiles(
        { sheets: [0], range: { left: 0, top: 0, right: 1, bottom: 1 } },
        () => false,
      );
      const first = tiles.find(({ x, y }) => x === 0 && y === 0);
      assert.deepEqual(blocks.get(first?.block ?? -1)?.pixels.subarray(0, 64), old.subarray(0, 64));
      assert.equal((await snapshot.readRegions())?.regions.length, 1);
      assert.deepEqual((await snapshot.readCatalog()).overlays, []);
      await snapshot.dispose();
      assert.deepEqual(await map.read(square(0, 0, 32)), pixels);
    });

    test('commits only when the map is still what the condition says', async () => {
      using opened = open();
      const { store } = opened;
      const { revision } = await store.readCatalog();
      const add = (name: string) =>
        ({ change: 'add-overlay', overlay: { name, region: undefined, metadata: {}, isComplete: true } }) as const;
      assert.equal(await store.commit([add('a')], { catalog: revision }), true);
      assert.equal(await store.commit([add('b')], { catalog: revision }), false);
      assert.equal((await store.readCatalog()).overlays.length, 1);
    });
  });
}

describe('The cache of tiles', () => {
  test('holds no more bytes than its budget, and counts', async () => {
    await using map = new InfiniteMap(new MemoryTileStore({ tileSize: 16 }), { cacheBytes: 3 * 16 * 16 * 4 });
    await map.write(square(0, 0, 64), patternBytes(64 * 64 * 4, 3));
    await map.read(square(0, 0, 64));
    const { cache } = await map.statistics();
    assert.deepEqual([cache.misses, cache.blocks, cache.evictions, cache.bytes], [16, 3, 13, 3 * 1024]);
    await map.read(square(48, 48, 16));
    assert.equal((await map.statistics()).cache.hits, 1);
    await map.read(square(0, 0, 16));
    assert.equal((await map.statistics()).cache.misses, 17);
  });

  test('is filled in advance with the neighbours of what was read', async () => {
    const map = new InfiniteMap(new MemoryTileStore({ tileSize: 16 }), { prefetch: 1 });
    await map.write(square(0, 0, 64), patternBytes(64 * 64 * 4, 3));
    await map.read(square(16, 16, 16));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal((await map.statistics()).cache.blocks, 9);
    await map.dispose();
  });
});
