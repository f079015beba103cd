import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FloatTensor, floatSource, madeBytes } from '../../../test/render-source.ts';
import { MemoryByteSource } from '../../core/byte-source.ts';
import { isPixelError, type PixelErrorCode } from '../../core/errors.ts';
import { rowsOf } from '../../gguf/head.ts';
import type { Image } from '../../png/encode-image.ts';
import { openWeights } from '../open-weights.ts';
import { readRows } from '../read-rows.ts';
import type { WeightSource } from '../weight-source.ts';
import type { ChangeSummary } from './compare-tensor.ts';
import { diffModels, type ModelDiff } from './diff.ts';
import { drawDiff, renderDiff } from './render-diff.ts';

const open = (bytes: Uint8Array<ArrayBuffer>, name: string) => openWeights(new MemoryByteSource(bytes, name));

/** The same by whole tensors and the definition. */
async function checkAgainstAll(a: WeightSource, b: WeightSource, diff: ModelDiff): Promise<void> {
  const [counts, sums] = [{ weights: 0, changed: 0, notFinite: 0 }, { all: 0 }];
  for (const layer of diff.layers) {
    const inLayer = { weights: 0, changed: 0, notFinite: 0, sum: 0, largest: 0 };
    for (const tensor of layer.tensors) {
      const rows = { start: 0, end: rowsOf(a.head.tensors.get(tensor.name)!) };
      const [before, after] = [await readRows(a, tensor.name, rows), await readRows(b, tensor.name, rows)];
      const own = { weights: before.length, changed: 0, notFinite: 0, sum: 0, largest: 0 };
      before.forEach((value, at) => {
        const other = after[at]!;
        if (value === other || (Number.isNaN(value) && Number.isNaN(other))) return;
        own.changed++;
        if (Number.isFinite(other - value)) {
          own.sum += Math.abs(other - value);
          own.largest = Math.max(own.largest, Math.abs(other - value));
        } else own.notFinite++;
      });
      checkSummary(tensor, own, tensor.name);
      if (tensor.largestChange) {
        const { row, column, before: from, after: to, size } = tensor.largestChange;
        const at = row * (before.length / rows.end) + column;
        assert.deepEqual([from, to, size], [before[at], after[at], Math.abs(after[at]! - before[at]!)]);
      }
      inLayer.weights += own.weights;
      inLayer.changed += own.changed;
      inLayer.notFinite += own.notFinite;
      inLayer.sum += own.sum;
      inLayer.largest = Math.max(inLayer.largest, own.largest);
    }
    checkSummary(layer, inLayer, layer.id);
    counts.weights += inLayer.weights;
    counts.changed += inLayer.changed;
    counts.notFinite += inLayer.notFinite;
    sums.all += inLayer.sum;
  }
  const largest = Math.max(...diff.layers.map(({ largestChange }) => largestChange?.size ?? 0));
  checkSummary(diff, { ...counts, sum: sums.all, largest }, 'all');
}

function checkSummary(
  found: ChangeSummary,
  { sum, largest, ...counts }: { weights: number; changed: number; notFinite: number; sum: number; largest: number },
  what: string,
): void {
  const { weights, changed, notFinite } = found;
  assert.deepEqual({ weights, changed, notFinite }, counts, what);
  assert.equal(found.largestChange?.size ?? 0, largest, what);
  const mean = sum / counts.weights;
  assert.ok(Math.abs(found.meanChange - mean) <= 1e-9 * mean, `${what}: ${found.meanChange} is not ${mean}`);
}

function changedTensors({ layers }: ModelDiff): string[] {
  return layers.flatMap(({ tensors }) => tensors.filter(({ changed }) => changed > 0).map(({ name }) => name));
}

for (const type of ['F32', 'Q8_0', 'Q4_0'] as const) {
  test(`planted changes are counted as all weights looked at would have it, in ${type}`, async () => {
    const bytes = await madeBytes({ shape: 'toy', type, seed: 1 });
    const planted = bytes.slice();
    // In the last third there are weights only; some land in scales, and some make numbers that are none.
    for (let i = 0; i < 400; i++) planted[Math.floor(bytes.length * (0.67 + i / 2500))]! ^= 1 << (i % 8);
    const [a, b] = [await open(bytes, 'a'), await open(planted, 'b')];
    const diff = await diffModels(a, b);
    await checkAgainstAll(a, b, diff);
    assert.ok(diff.changed >= 300 && diff.changed < diff.weights / 10, `${diff.changed}`);
    assert.ok(changedTensors(diff).length > 1 && changedTensors(diff).length < 20);
    assert.doesNotMatch(JSON.stringify(diff), /null/);
  });
}

test('types may differ: their values are compared', async () => {
  const [a, b] = [
    await open(await madeBytes({ shape: 'toy', type: 'F16', seed: 1 }), 'a'),
    await open(await madeBytes({ shape: 'toy', type: 'Q8_0', seed: 1 }), 'b'),
  ];
  const diff = await diffModels(a, b);
  await checkAgainstAll(a, b, diff);
  assert.deepEqual(diff.layers[0]?.tensors[0]?.types, ['F16', 'Q8_0']);
  assert.equal(diff.layers.at(-1)?.changed, 0, 'norms are F32 in both');
});

test('a model that differs in scales only, its quants untouched, differs', async () => {
  const a = await open(await madeBytes({ shape: 'toy', type: 'Q8_0', seed: 1 }), 'a');
  const changed = 'blk.1.attn_k.weight';
  const b: WeightSource = {
    name: 'b',
    head: a.head,
    async readPlane(tensor, plane, rows, target, options) {
      await a.readPlane(tensor, plane, rows, target, options);
      // The lowest bit of the exponent of the first block's scale.
      if (tensor === changed && plane === 'd') target[1]! ^= 4;
    },
    dispose: () => a.dispose(),
  };
  const diff = await diffModels(a, b);
  await checkAgainstAll(a, b, diff);
  assert.deepEqual(changedTensors(diff), [changed]);
  assert.ok(diff.changed > 24 && diff.changed <= 32, `${diff.changed}`);
});

for (const [early, late] of [
  [0.25, -0.5],
  [-0.5, 0.25],
  [0.5, -0.5],
] as const) {
  test(`a tensor read in pieces has its changes at their rows and columns: ${early}, later ${late}`, async () => {
    const tensor = (change: (row: number, column: number) => number): FloatTensor => {
      return { name: 'w', columns: 2048, rows: 700, value: (row, column) => 1 + change(row, column) };
    };
    const changes = new Map([
      [3 * 2048 + 17, early],
      [650 * 2048 + 2000, late],
    ]);
    const b = await floatSource([tensor((row, column) => changes.get(row * 2048 + column) ?? 0)]);
    const seen: number[] = [];
    const diff = await diffModels(await floatSource([tensor(() => 0)]), b, {
      onProgress: ({ done, total }) => void seen.push(done / (total ?? 1)),
    });
    const mean = (Math.abs(early) + Math.abs(late)) / (2048 * 700);
    assert.deepEqual([diff.weights, diff.changed, diff.meanChange], [2048 * 700, 2, mean]);
    const isEarly = Math.abs(early) >= Math.abs(late);
    const place = isEarly ? { row: 3, column: 17 } : { row: 650, column: 2000 };
    const expected = { tensor: 'w', ...place, before: 1, after: 1 + (isEarly ? early : late), size: 0.5 };
    assert.deepEqual(diff.largestChange, expected);
    assert.ok(seen.length > 1 && Math.abs((seen.at(-1) ?? 0) - 1) < 1e-9);
  });
}

/** A model of one row. */
function row(values: readonly number[], name = 'output_norm.weight'): Promise<WeightSource> {
  return floatSource([{ name, columns: values.length, rows: 1, value: (_, column) => values[column] ?? 0 }]);
}

test('a weight that stays no number, and a zero that turns its sign, did not change; others without a size are told apart', async () => {
  const { NaN: none, POSITIVE_INFINITY: infinite } = Number;
  const before = await row([none, 0, infinite, none, 1, 2]);
  const after = await row([none, -0, infinite, 1, infinite, 2.5]);
  const { changed, notFinite, meanChange, largestChange } = await diffModels(before, after);
  assert.deepEqual([changed, notFinite, meanChange], [3, 2, 0.5 / 6]);
  assert.deepEqual([largestChange?.column, largestChange?.size], [5, 0.5]);
});

test('models of other shapes are refused, with the first tensor that differs', async () => {
  const tensor = (name: string, columns = 4): FloatTensor => ({ name, columns, rows: 2, value: () => 1 });
  const source = (...tensors: FloatTensor[]) => floatSource(tensors);
  const both = await source(tensor('one'), tensor('two'));
  for (const [a, b, message] of [
    [both, await source(tensor('one'), tensor('two', 8)), /"two": it is 2 x 4 in .* and 2 x 8 in/],
    [both, await source(tensor('two')), /"one": .* has no such tensor/],
    [await source(tensor('two')), both, /"one": .* has no such tensor/],
  ] as const) {
    await assert.rejects(
      diffModels(a, b),
      (error) => isPixelError(error, 'other-model') && message.test(error.message),
    );
    await assert.rejects(renderDiff(a, b), (error) => isPixelError(error, 'other-model'));
  }
});

test('weights that nobody can compute with may stay, but not change; an abort stops', async () => {
  const whole = (value: number): Promise<WeightSource> =>
    floatSource([{ name: 'w', columns: 64, rows: 4, value: () => value, type: 'I32' }]);
  const rejects = (b: WeightSource, code: PixelErrorCode, signal?: AbortSignal) =>
    assert.rejects(
      async () => diffModels(await whole(1), b, { signal }),
      (error) => isPixelError(error, code),
    );
  assert.equal((await diffModels(await whole(1), await whole(1))).changed, 0);
  await rejects(await whole(2), 'unsupported-type');
  await rejects(await whole(1), 'aborted', AbortSignal.abort());
});

/** Where two pictures of one size differ: the bounds, and the colour of the middle in each. */
function differenceOf(one: Image, other: Image) {
  let [left, top, right, bottom, count] = [one.width, one.height, -1, -1, 0];
  for (let at = 0; at < one.pixels.length; at += 4) {
    if ([0, 1, 2].every((channel) => one.pixels[at + channel] === other.pixels[at + channel])) continue;
    const [x, y] = [(at / 4) % one.width, Math.floor(at / 4 / one.width)];
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
    count++;
  }
  const middle = ((top + bottom) >> 1) * one.width + ((left + right) >> 1);
  const colors = [one, other].map(({ pixels }) => [...pixels.subarray(middle * 4, middle * 4 + 3)]);
  const corner = ((top - 4) * one.width + left - 4) * 4;
  const frame = [...one.pixels.subarray(corner, corner + 3)];
  return { frame, left, top, width: right - left + 1, height: bottom - top + 1, count, colors };
}

for (const [columns, rows, side] of [
  [48, 40, 'a square'],
  [4000, 300, 'a pixel'],
] as const) {
  test(`one weight that changed is ${side} at its place, blue or amber by its sign: ${columns} columns`, async () => {
    const changedAt = (at: { row: number; column: number }, value: number) =>
      floatSource([
        { name: 'w', columns, rows, value: (r, c) => (r === at.row && c === at.column ? 1 + value : 1) },
        { name: 'output_norm.weight', columns, rows: 1, value: () => 1 },
      ]);
    const base = await changedAt({ row: 0, column: 0 }, 0);
    const squareOf = async (at: { row: number; column: number }) => {
      const down = await renderDiff(base, await changedAt(at, -0.5));
      return differenceOf(down, await renderDiff(base, await changedAt(at, 0.5)));
    };
    const [first, last] = [
      await squareOf({ row: 0, column: 0 }),
      await squareOf({ row: rows - 1, column: columns - 1 }),
    ];
    for (const { width, height, count, colors, frame } of [first, last]) {
      // What is large enough to be seen has no frame of its own.
      assert.equal(Math.min(...frame) > 150, width === 1, `${frame}`);
      assert.deepEqual([width, count], [height, width * height]);
      const [[red = 0, , blue = 0] = [], [otherRed = 0, , otherBlue = 0] = []] = colors;
      assert.ok(blue > red + 50 && otherRed > otherBlue + 50, `${colors}`);
    }
    const cell = first.width === 1 ? Math.ceil(columns / (last.left - first.left + 1)) : 1;
    assert.equal(first.width > 1, columns < 100);
    assert.equal(last.left - first.left, Math.floor((columns - 1) / cell) * first.width);
    assert.equal(last.top - first.top, Math.floor((rows - 1) / cell) * first.width);
  });
}

test('the drawing tells the numbers of the same pass; a model without tensors is refused', async () => {
  const [a, b] = [await row([1, 2, 3]), await row([1, 2, 4])];
  assert.deepEqual((await drawDiff(a, b)).diff, await diffModels(a, b));
  const [same, other] = [await renderDiff(a, a), await renderDiff(a, b)];
  assert.deepEqual([same.width, same.height], [other.width, other.height]);
  await assert.rejects(renderDiff(await floatSource([]), await floatSource([])), (error) =>
    isPixelError(error, 'bad-metadata'),
  );
});
