import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isPixelError, type PixelErrorCode } from '../core/errors.ts';
import type { Rectangle } from '../pxi/weight-space.ts';
import { FARTHEST } from './coordinates.ts';
import { InfiniteMap } from './infinite-map.ts';
import { MemoryTileStore } from './memory-tile-store.ts';
import { RegionIndex } from './region-index.ts';
import type { MapRegion } from './tile-store.ts';

const hasCode = (code: PixelErrorCode) => (error: unknown) => isPixelError(error, code);

function region(name: string, place: Partial<Rectangle>, rest: Partial<MapRegion> = {}): MapRegion {
  return { name, kind: 'note', x: 0, y: 0, width: 1, height: 1, metadata: {}, ...place, ...rest };
}

/** Near the origin, where many touch; far out, where sums of coordinates are no longer exact; and at the very ends. */
const coordinate = fc.oneof(
  fc.integer({ min: -40, max: 40 }),
  fc.integer({ min: -1e6, max: 1e6 }),
  fc.maxSafeInteger(),
  fc.integer({ min: 0, max: 40 }).map((by) => FARTHEST - by),
  fc.integer({ min: 0, max: 40 }).map((by) => by - FARTHEST),
);
const extent = fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: FARTHEST }));
const rectangle = fc
  .record({ x: coordinate, y: coordinate, width: extent, height: extent })
  // Cut at the end of the plane.
  .map(({ x, y, width, height }) => ({
    x,
    y,
    width: Math.min(width, x > 0 ? FARTHEST - x + 1 : FARTHEST),
    height: Math.min(height, y > 0 ? FARTHEST - y + 1 : FARTHEST),
  }));
const regionLists = fc
  .array(fc.record({ place: rectangle, kind: fc.constantFrom('a', 'b'), value: fc.constantFrom(1, '1', null) }), {
    maxLength: 60,
    // Several levels of the tree: a node holds 16.
    size: 'max',
  })
  .map((all) => all.map(({ place, kind, value }, i) => region(`${i}`, place, { kind, metadata: { value } })));
const kinds = fc.constantFrom(undefined, undefined, 'a', 'b');

/** The plainest reading: all in whole numbers of any size. */
function distance(a: Rectangle, b: Rectangle): bigint {
  const along = (start: number, length: number, other: number, otherLength: number): bigint => {
    const [first, last] = [BigInt(start), BigInt(start) + BigInt(length) - 1n];
    const [otherFirst, otherLast] = [BigInt(other), BigInt(other) + BigInt(otherLength) - 1n];
    if (otherFirst > last) return otherFirst - last;
    return first > otherLast ? first - otherLast : 0n;
  };
  return along(a.x, a.width, b.x, b.width) ** 2n + along(a.y, a.height, b.y, b.height) ** 2n;
}

function nearest(regions: readonly MapRegion[], place: Rectangle, count: number): MapRegion[] {
  return regions
    .map((one) => ({ one, away: distance(one, place) }))
    .sort((a, b) => (a.away < b.away ? -1 : a.away > b.away ? 1 : Number(a.one.name) - Number(b.one.name)))
    .slice(0, count)
    .map(({ one }) => one);
}

const runs = { numRuns: process.env.PIXEL_FULL === '1' ? 3000 : 200 };

describe('The index of regions', () => {
  test('finds what touches a rectangle and what holds a pixel, as asking each region does', () => {
    fc.assert(
      fc.property(regionLists, rectangle, kinds, (regions, place, kind) => {
        const index = new RegionIndex('a map', regions);
        const asked = regions.filter((candidate) => kind === undefined || candidate.kind === kind);
        const touching = asked.filter((candidate) => distance(candidate, place) === 0n);
        assert.deepEqual(index.find({ touching: place, kind }), touching);
        const pixel = { x: place.x, y: place.y, width: 1, height: 1 };
        const holding = asked.filter((candidate) => distance(candidate, pixel) === 0n);
        assert.deepEqual(index.find({ at: { x: place.x, y: place.y }, kind }), holding);
      }),
      runs,
    );
  });

  test('finds the nearest to a pixel and the neighbours of a region, in the order of their true distances', () => {
    fc.assert(
      fc.property(regionLists, rectangle, kinds, fc.nat(8), (regions, place, kind, count) => {
        const index = new RegionIndex('a map', regions);
        const asked = regions.filter((candidate) => kind === undefined || candidate.kind === kind);
        const { x, y } = place;
        const pixel = { x, y, width: 1, height: 1 };
        assert.deepEqual(index.find({ nearestTo: { x, y }, count, kind }), nearest(asked, pixel, count));
        const [first] = regions;
        if (!first) return;
        const others = asked.filter((candidate) => candidate !== first);
        assert.deepEqual(index.find({ neighboursOf: '0', count, kind }), nearest(others, first, count));
      }),
      runs,
    );
  });

  test('finds the same among thousands in clusters far from one another', () => {
    const random = fc.sample(fc.nat(2 ** 20), { seed: 3, numRuns: 40_000 });
    const next = () => random.pop() ?? 0;
    // Three trees' worth: one cluster at the origin, one far out, one line; and single ones at the ends.
    const regions = Array.from({ length: 9000 }, (_, i) => {
      const [x, y] = [next(), next()];
      const place = [
        { x, y },
        { x: 1e15 + x, y: -1e15 - y },
        { x, y: 7 },
      ][i % 3];
      return region(`${i}`, { ...place, width: 1 + (x % 3000), height: 1 + (y % 3000) });
    });
    regions.push(region('9000', { x: FARTHEST, y: FARTHEST }), region('9001', { x: -FARTHEST, y: -FARTHEST }));
    const index = new RegionIndex('a map', regions);
    for (let query = 0; query < 24; query++) {
      const corner = [
        { x: next(), y: next() },
        { x: 1e15 + next(), y: -1e15 },
        { x: 1e9, y: -next() },
      ][query % 3];
      const place = { x: 0, y: 0, ...corner, width: 40_000, height: 40_000 };
      const touching = regions.filter((candidate) => distance(candidate, place) === 0n);
      assert.deepEqual(index.find({ touching: place }), touching);
      const pixel = { ...place, width: 1, height: 1 };
      assert.deepEqual(index.find({ nearestTo: pixel, count: 5 }), nearest(regions, pixel, 5));
      const [first] = index.find({ nearestTo: pixel });
      assert.ok(first);
      const others = regions.filter((candidate) => candidate !== first);
      assert.deepEqual(index.find({ neighboursOf: first.name, count: 5 }), nearest(others, first, 5));
    }
    const end = { nearestTo: { x: FARTHEST, y: FARTHEST }, count: 20_000, kind: 'note' };
    assert.equal(index.find(end).length, regions.length);
    assert.deepEqual(index.find({ ...end, kind: 'none' }), []);
  });

  test('tells distances apart that are the same number in floating point', () => {
    const far = 2 ** 52;
    const regions = [region('farther', { x: far, y: 2 }), region('nearer', { x: far, y: 1 })];
    const [found] = new RegionIndex('a map', regions).find({ nearestTo: { x: -far, y: 0 } });
    assert.equal(found?.name, 'nearer');
  });

  test('finds by name, by kind and by the exact value of metadata', () => {
    const regions = [
      region('one', {}, { metadata: { by: 'me', sizes: [1, { a: 1, b: null }] } }),
      region('two', {}, { kind: 'model', metadata: { by: 'me' } }),
      region('three', {}, { metadata: { by: 'you', epoch: 3 } }),
    ];
    const index = new RegionIndex('a map', regions);
    const names = (query: Parameters<typeof index.find>[0]) => index.find(query).map(({ name }) => name);
    assert.deepEqual(names({}), ['one', 'two', 'three']);
    assert.deepEqual(names({ count: 2 }), ['one', 'two']);
    assert.deepEqual(names({ name: 'two' }), ['two']);
    assert.deepEqual(names({ name: 'two', kind: 'note' }), []);
    assert.deepEqual(names({ name: 'none' }), []);
    assert.deepEqual(names({ kind: 'note' }), ['one', 'three']);
    assert.deepEqual(names({ metadata: { by: 'me' } }), ['one', 'two']);
    assert.deepEqual(names({ metadata: { by: 'me', sizes: [1, { b: null, a: 1 }] } }), ['one']);
    assert.deepEqual(names({ metadata: { epoch: '3' } }), []);
    // What every object has is no metadata.
    assert.deepEqual(names({ metadata: { toString: Object.prototype.toString } }), []);
    assert.deepEqual(names({ at: { x: 0, y: 0 }, metadata: { epoch: 3 } }), ['three']);
  });

  test('refuses two places at once, places that are none, and names that are none', () => {
    const index = new RegionIndex('a map', [region('one', {})]);
    const origin = { x: 0, y: 0 };
    assert.throws(() => index.find({ at: origin, nearestTo: origin }), hasCode('bad-argument'));
    assert.throws(() => index.find({ at: { x: 0.5, y: 0 } }), hasCode('bad-argument'));
    assert.throws(() => index.find({ nearestTo: { x: 0, y: 2 ** 53 } }), hasCode('bad-argument'));
    assert.throws(() => index.find({ nearestTo: origin, count: -1 }), hasCode('bad-argument'));
    assert.throws(() => index.find({ neighboursOf: 'none' }), hasCode('unknown-region'));
    assert.deepEqual(new RegionIndex('a map', []).find({ nearestTo: origin }), []);
  });
});

describe('A map', () => {
  test('finds regions as they are now', async () => {
    await using map = new InfiniteMap(new MemoryTileStore());
    const names = async (...query: Parameters<InfiniteMap['find']>) =>
      (await map.find(...query)).map(({ name }) => name);
    assert.deepEqual(await names({ at: { x: 5, y: 5 } }), []);
    await map.addRegions([region('a', { x: 0, y: 0, width: 10, height: 10 }), region('b', { x: 100 })]);
    assert.deepEqual(await names({ at: { x: 5, y: 5 } }), ['a']);
    assert.deepEqual(await names({ neighboursOf: 'a' }), ['b']);
    await map.removeRegion('a');
    assert.deepEqual(await names({ nearestTo: { x: 5, y: 5 } }), ['b']);
  });
});
