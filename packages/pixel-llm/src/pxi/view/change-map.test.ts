import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ChangeMap, changeScale } from './change-map.ts';

test('a cell holds its change of largest size with its sign, for any shape, cell, part and pieces', () => {
  const shape = fc.record({
    columns: fc.integer({ min: 1, max: 40 }),
    rows: fc.integer({ min: 1, max: 40 }),
    cell: fc.integer({ min: 1, max: 12 }),
    start: fc.nat(20),
    piece: fc.integer({ min: 1, max: 15 }),
    seed: fc.nat(1000),
  });
  fc.assert(
    fc.property(shape, ({ columns, rows, cell, start: wanted, piece, seed }) => {
      const start = Math.min(wanted, rows - 1);
      const before = Float32Array.from({ length: rows * columns }, (_, at) => Math.sin(seed + at));
      const after = before.map((value, at) => ((at * 7 + seed) % 5 === 0 ? value + Math.cos(at * 3) : value));
      const map = new ChangeMap({ start, end: rows }, columns, cell);
      for (let row = 0; row < rows; row += piece) {
        const [from, to] = [row * columns, Math.min(rows, row + piece) * columns];
        map.add({ tensor: 'w', row, columns, before: before.subarray(from, to), after: after.subarray(from, to) });
      }
      const expected = new Float32Array(map.width * map.height);
      for (let row = start; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          const at = Math.floor((row - start) / cell) * map.width + Math.floor(column / cell);
          const change = after[row * columns + column]! - before[row * columns + column]!;
          if (Math.abs(Math.fround(change)) > Math.abs(expected[at]!)) expected[at] = change;
        }
      }
      assert.deepEqual(map.changes, expected);
      assert.equal(map.countChanged(), expected.filter((change) => change !== 0).length);
    }),
  );
});

test('a change that is not finite stays in its cell, whatever comes after', () => {
  const map = new ChangeMap({ start: 0, end: 1 }, 3, 3);
  map.add({
    tensor: 'w',
    row: 0,
    columns: 3,
    before: Float32Array.of(1, 2, 3),
    after: Float32Array.of(5, Number.NaN, 900),
  });
  assert.deepEqual([...map.changes], [Number.NaN]);
  assert.equal(changeScale([map]), 0);
});

test('one change far off does not set the scale of a thousand', () => {
  const map = new ChangeMap({ start: 0, end: 1 }, 1000, 1);
  const after = new Float32Array(1000).fill(0.5);
  after[700] = 1e6;
  map.add({ tensor: 'w', row: 0, columns: 1000, before: new Float32Array(1000), after });
  assert.equal(changeScale([map]), 0.5);
  assert.equal(changeScale([]), 0);
});
