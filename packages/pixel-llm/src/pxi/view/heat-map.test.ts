import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { floatSource } from '../../../test/render-source.ts';
import { isPixelError } from '../../core/errors.ts';
import { brightnessScale, type HeatMap, heatMapOf } from './heat-map.ts';
import { heatColor } from './heat-map-colors.ts';

function source(columns: number, rows: number, value: (row: number, column: number) => number) {
  return floatSource([{ name: 'w', columns, rows, value }]);
}

test('a known matrix has the known cells', async () => {
  // Three rows of five: cells of 2 x 2, the last column of cells one wide, the last row one high.
  const matrix = [
    [1, -1, 2, 2, 0],
    [3, -3, 2, 2, 0],
    [-4, -2, 1, 3, -8],
  ];
  const weights = await source(5, 3, (row, column) => matrix[row]?.[column] ?? 0);
  assert.deepEqual(await heatMapOf(weights, 'w', { cell: 2 }), {
    width: 3,
    height: 2,
    mean: Float32Array.of(2, 2, 0, 3, 2, 8),
    balance: Float32Array.of(0, 1, 0, -1, 1, -1),
  } satisfies HeatMap);
});

test('cells of one weight are the weights', async () => {
  const weights = await source(4, 2, (row, column) => (row * 4 + column - 3) / 2);
  const map = await heatMapOf(weights, 'w', { cell: 1 });
  assert.deepEqual([...map.mean], [1.5, 1, 0.5, 0, 0.5, 1, 1.5, 2]);
  assert.deepEqual([...map.balance], [-1, -1, -1, 0, 1, 1, 1, 1]);
});

test('cells agree with a direct sum, for any shape, cell and range of rows', async () => {
  const shape = fc.record({
    columns: fc.integer({ min: 1, max: 90 }),
    rows: fc.integer({ min: 1, max: 90 }),
    cell: fc.integer({ min: 1, max: 40 }),
    skip: fc.nat(40),
    seed: fc.nat(1000),
  });
  await fc.assert(
    fc.asyncProperty(shape, async ({ columns, rows, cell, skip, seed }) => {
      const value = (row: number, column: number) => Math.fround(Math.sin(seed + row * 131 + column * 17));
      const start = Math.min(skip, rows - 1);
      const map = await heatMapOf(await source(columns, rows, value), 'w', { cell, rows: { start, end: rows } });
      assert.deepEqual([map.width, map.height], [Math.ceil(columns / cell), Math.ceil((rows - start) / cell)]);
      const [x, y] = [seed % map.width, seed % map.height];
      let [sum, magnitude, count] = [0, 0, 0];
      for (let row = start + y * cell; row < Math.min(rows, start + (y + 1) * cell); row++) {
        for (let column = x * cell; column < Math.min(columns, (x + 1) * cell); column++) {
          sum += value(row, column);
          magnitude += Math.abs(value(row, column));
          count++;
        }
      }
      const at = y * map.width + x;
      assert.ok(Math.abs((map.mean[at] ?? 0) - magnitude / count) < 1e-6);
      assert.ok(Math.abs((map.balance[at] ?? 0) - sum / magnitude) < 1e-6);
    }),
    { numRuns: 40 },
  );
});

test('a tensor of more weights than are read at once has the same cells throughout', async () => {
  const weights = await source(4096, 300, (row) => row + 1);
  let rowsSeen = 0;
  const onRows = (rows: number) => {
    rowsSeen += rows;
  };
  const map = await heatMapOf(weights, 'w', { cell: 100, onRows });
  assert.deepEqual([map.mean[0], map.mean[41], map.mean[82], rowsSeen], [50.5, 150.5, 250.5, 300]);
});

test('weights that are no numbers show as such, and only in their cell', async () => {
  for (const odd of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const map = await heatMapOf(await source(4, 4, (row, column) => (row === 3 && column === 0 ? odd : 1)), 'w', {
      cell: 2,
    });
    assert.deepEqual([...map.mean], [1, 1, Number.NaN, 1]);
    const brightness = brightnessScale([map]);
    assert.deepEqual(heatColor(brightness(Number.NaN), 0), [255, 0, 0]);
  }
});

test('an unknown tensor, an abort and far too many cells are errors with a code', async () => {
  const weights = await source(4, 4, () => 1);
  const signal = AbortSignal.abort();
  await assert.rejects(heatMapOf(weights, 'x'), (error) => isPixelError(error, 'unknown-tensor'));
  await assert.rejects(heatMapOf(weights, 'w', { signal }), (error) => isPixelError(error, 'aborted'));
});

test('brightness runs from the 1st to the 99th percentile of all maps together', () => {
  const mean = Float32Array.from({ length: 500 }, (_, i) => i);
  const maps = [mean, mean.map((value) => value + 500)].map((values) => {
    return { width: 500, height: 1, mean: values, balance: new Float32Array(500) };
  });
  const brightness = brightnessScale(maps);
  assert.deepEqual(
    [brightness(0), brightness(10), brightness(500), brightness(990), brightness(5000)],
    [0, 0, 0.5, 1, 1],
  );
});

test('where all cells are alike, zeros are dark and others bright', () => {
  for (const value of [0, 3]) {
    const map = { width: 2, height: 1, mean: Float32Array.of(value, value), balance: new Float32Array(2) };
    assert.equal(brightnessScale([map])(value), value === 0 ? 0 : 1);
  }
});

test('brighter is lighter at every balance, and all colours leave room in a palette of 256', () => {
  const colours = new Set<string>();
  const luminance = ([r = 0, g = 0, b = 0]: readonly number[]) =>
    0.2126 * r ** 2.2 + 0.7152 * g ** 2.2 + 0.0722 * b ** 2.2;
  for (let lean = -1; lean <= 1; lean += 0.05) {
    let previous = -1;
    for (let step = 0; step <= 19; step++) {
      const colour = heatColor(step / 19, lean);
      colours.add(colour.join());
      assert.ok(luminance(colour) > previous);
      previous = luminance(colour);
    }
  }
  assert.ok(colours.size <= 220, `${colours.size}`);
});

test('negative is blue and positive amber', () => {
  const [blue, amber] = [heatColor(0.6, -1), heatColor(0.6, 1)];
  assert.ok(blue[2] > blue[0] && amber[0] > amber[2]);
});
