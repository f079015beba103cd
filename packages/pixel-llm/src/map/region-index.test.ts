import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FARTHEST } from './coordinates.ts';
import { RegionIndex } from './region-index.ts';
import type { MapRegion } from './tile-store.ts';

const rectangle = fc.record({
  x: fc.oneof(fc.integer({ min: -60, max: 60 }), fc.constantFrom(-FARTHEST, FARTHEST - 90, 1e12)),
  y: fc.integer({ min: -60, max: 60 }),
  width: fc.integer({ min: 1, max: 80 }),
  height: fc.integer({ min: 1, max: 80 }),
});
const regions = fc.array(rectangle, { maxLength: 40 }).map((list) =>
  list.map(
    (place, i): MapRegion => ({
      ...place,
      name: `r${i}`,
      kind: i % 2 ? 'note' : 'model',
      metadata: { third: i % 3 },
    }),
  ),
);

/** Squared distance from a point to a rectangle's pixels. */
function distance(x: number, y: number, { x: left, y: top, width, height }: MapRegion): number {
  const dx = Math.max(left - x, 0, x - (left + width - 1));
  const dy = Math.max(top - y, 0, y - (top + height - 1));
  return dx * dx + dy * dy;
}

test('Regions are found by rectangle, point, name, kind and metadata as by looking at each', () => {
  fc.assert(
    fc.property(regions, rectangle, (list, area) => {
      const index = new RegionIndex(list);
      const touched = list.filter(
        ({ x, y, width, height }) =>
          BigInt(x) < BigInt(area.x) + BigInt(area.width) &&
          BigInt(area.x) < BigInt(x) + BigInt(width) &&
          y < area.y + area.height &&
          area.y < y + height,
      );
      assert.deepEqual(index.find({ within: area }), touched);
      const point = { x: area.x, y: area.y };
      assert.deepEqual(
        index.find({ at: point }),
        list.filter((one) => distance(point.x, point.y, one) === 0),
      );
      assert.deepEqual(
        index.find({ within: area, kind: 'note' }),
        touched.filter(({ kind }) => kind === 'note'),
      );
      assert.deepEqual(
        index.find({ metadata: { third: 1 } }),
        list.filter(({ metadata }) => metadata.third === 1),
      );
      assert.deepEqual(index.find({ name: 'r3' }), list.slice(3, 4));
    }),
  );
});

test('The nearest come first, and a region is no neighbour of itself', () => {
  fc.assert(
    fc.property(regions, fc.integer({ min: -80, max: 80 }), fc.integer({ min: -80, max: 80 }), (list, x, y) => {
      const index = new RegionIndex(list);
      const found = index.find({ near: { x, y, count: 5 } });
      const distances = list.map((one) => distance(x, y, one)).sort((a, b) => a - b);
      assert.deepEqual(
        found.map((one) => distance(x, y, one)),
        distances.slice(0, 5),
      );
      const [first] = list;
      if (!first) return;
      const neighbours = index.neighbours(first, 4);
      assert.equal(neighbours.length, Math.min(4, list.length - 1));
      assert.ok(!neighbours.includes(first));
    }),
  );
});
