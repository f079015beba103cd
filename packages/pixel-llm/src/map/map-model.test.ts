import assert from 'node:assert/strict';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isPixelError, type PixelErrorCode } from '../core/errors.ts';
import type { Metadata } from '../gguf/head.ts';
import { canQuantize, quantize } from '../gguf/quantize.ts';
import { TENSOR_TYPES, tensorTypeByName } from '../gguf/tensor-types.ts';
import { encodeGgufHead } from '../gguf/writer.ts';
import { openWeightsFile } from '../pxi/node.ts';
import { readBlocks } from '../pxi/read-blocks.ts';
import { readRows } from '../pxi/read-rows.ts';
import { toPictures } from '../pxi/testing.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import { intersection } from './coordinates.ts';
import { editWeights } from './edit-weights.ts';
import { openMapModel } from './map-weights.ts';
import { createMapFile, openMap, parseMapAddress } from './node.ts';
import { placeNear } from './placement.ts';
import { patternBytes, temporaryFolder } from './testing.ts';

const hasCode = (code: PixelErrorCode) => (error: unknown) => isPixelError(error, code);

/** A GGUF file with one tensor of each type that can be written, of weights as models have them. */
function modelFile(seed: number): Uint8Array {
  const values = Float32Array.from(patternBytes(256 * 300, seed), (byte) => (byte - 128) / 500);
  const types = TENSOR_TYPES.filter(canQuantize);
  const tensors = types.map((type) => {
    const blocks = quantize(type, values);
    const info = {
      name: `blk.0.${type.name.toLowerCase()}.weight`,
      type,
      dimensions: [256, 300],
      byteLength: blocks.length,
    };
    return { info, blocks };
  });
  const metadata: Metadata = new Map([['general.architecture', { type: 'string', value: 'llama' }]]);
  const head = encodeGgufHead({ metadata, tensors: tensors.map(({ info }) => info) });
  const file = new Uint8Array(head.fileBytes);
  file.set(head.bytes);
  for (const [index, { blocks }] of tensors.entries()) file.set(blocks, head.tensors[index]!.offset);
  return file;
}

/** A folder with a map and a model beside it: as one picture, and as a set. */
async function mapWithModels() {
  const folder = temporaryFolder();
  const gguf = modelFile(1);
  const one = await toPictures(gguf);
  const set = await toPictures(gguf, { shardSize: 200_000 });
  for (const files of [one, set]) for (const [name, bytes] of files) writeFileSync(folder.file(name), bytes);
  createMapFile(folder.file('a.pxmap'), { tileSize: 16 });
  const map = openMap(folder.file('a.pxmap'));
  const names = [[...one.keys()][0]!, [...set.keys()][0]!] as const;
  return {
    folder,
    map,
    names,
    async [Symbol.asyncDispose]() {
      await map.dispose();
      folder[Symbol.dispose]();
    },
  };
}

async function allBlocks(weights: WeightSource): Promise<Map<string, Uint8Array>> {
  const blocks = new Map<string, Uint8Array>();
  for (const { name, type, byteLength } of weights.head.tensors.values()) {
    const rows = type.fields.length === 0 ? 0 : byteLength / type.blockBytes;
    if (rows > 0) blocks.set(name, await readBlocks(weights, name, { start: 0, end: 1 }));
  }
  return blocks;
}

describe('A mounted model', () => {
  test('lies on the plane as its pixels are, and is read like its file', async () => {
    await using made = await mapWithModels();
    for (const name of made.names) {
      const region = await made.map.mount(name, { name });
      const file = await openWeightsFile(made.folder.file(name));
      const { weights } = await openMapModel(made.map, name);
      assert.deepEqual(await allBlocks(weights), await allBlocks(file));
      const pictures = await made.map.openMount(region);
      const picture = pictures[0]!;
      for (const [x, y, width, height] of [
        [3, 1, 7, 9],
        [0, 0, picture.width, 5],
        [1, 2, picture.width - 1, 3],
      ] as const) {
        const expected = new Uint8Array(width * height * 4);
        for (let row = 0; row < height; row++) {
          const line = expected.subarray(row * width * 4, (row + 1) * width * 4);
          await picture.readPixels(((y + row) * picture.width + x) * 4, [line]);
        }
        const area = { x: region.x + x, y: region.y + y, width, height };
        assert.deepEqual(await made.map.read(area), expected);
      }
      for (const one of pictures) await one.dispose();
      await weights.dispose();
      await file.dispose();
    }
  });

  test('is placed where nothing is, and never over another mount', async () => {
    await using made = await mapWithModels();
    const [name] = made.names;
    const first = await made.map.mount(name, { name: 'first' });
    assert.deepEqual([first.x, first.y], [0, 0]);
    const second = await made.map.mount(name, { name: 'second' });
    assert.equal(intersection(first, second), undefined);
    await assert.rejects(made.map.mount(name, { name: 'third', at: { x: 5, y: 5 } }), hasCode('bad-argument'));
    const far = await made.map.mount(name, { name: 'far', at: { x: -5_000_000_000_003, y: 7 } });
    assert.equal(far.x, -5_000_000_000_003);
  });

  test('that moved or changed is noticed, and can be told where it is', async () => {
    await using made = await mapWithModels();
    const { folder, map, names } = made;
    const [name, first] = names;
    // A set of that name would be found in the picture's place.
    rmSync(folder.file(first));
    await map.mount(name, { name: 'm' });
    renameSync(folder.file(name), folder.file('moved.pxi.png'));
    await assert.rejects(
      openMapModel(map, 'm'),
      (error) => hasCode('file-not-found')(error) && /map move/.test(String(error)),
    );
    writeFileSync(
      folder.file(name),
      new Uint8Array([...(await import('node:fs')).readFileSync(folder.file('moved.pxi.png'))]),
    );
    renameSync(folder.file(name), folder.file('copy.pxi.png'));
    await map.moveMount('m', 'copy.pxi.png');
    await (await openMapModel(map, 'm')).weights.dispose();
    const changed = await toPictures(modelFile(2));
    writeFileSync(folder.file('copy.pxi.png'), [...changed.values()][0]!);
    await assert.rejects(openMapModel(map, 'm'), hasCode('mount-changed'));
    await assert.rejects(map.moveMount('m', 'copy.pxi.png'), hasCode('mount-changed'));
  });
});

describe('An edit of weights', () => {
  test('changes what it names and nothing else, in every type that can be stored, and dropping its overlay undoes it', async () => {
    await using made = await mapWithModels();
    const { map, names } = made;
    for (const name of names) {
      await map.mount(name, { name });
      const original = await openMapModel(map, name);
      const tensors = [...original.weights.head.tensors.values()].filter(({ type, dimensions }) => {
        return canQuantize(type) && (dimensions[0] ?? 0) > 0;
      });
      assert.ok(tensors.length > 3);
      for (const tensor of tensors) {
        const columns = tensor.dimensions[0]!;
        const rows = tensor.byteLength === 0 ? 0 : tensor.dimensions.slice(1).reduce((a, b) => a * b, 1);
        const before = await readRows(original.weights, tensor.name, { start: 0, end: rows });
        const overlay = `${name} ${tensor.name}`;
        const edited = { start: Math.floor(columns / 3), end: Math.max(1, Math.floor(columns / 2)) };
        const report = await editWeights(map, {
          region: name,
          overlay,
          tensor: tensor.name,
          rows: { start: rows - 1, end: rows },
          columns: edited,
          change: { scale: -2 },
        });
        assert.equal(report.weights, edited.end - edited.start);
        const changed = await openMapModel(map, name, { overlays: [overlay] });
        const after = await readRows(changed.weights, tensor.name, { start: 0, end: rows });
        const [first, end] = [(rows - 1) * columns + edited.start, (rows - 1) * columns + edited.end];
        for (const [i, value] of after.entries()) {
          if (i >= first && i < end)
            assert.ok(Math.abs(value + 2 * before[i]!) <= report.largestError, `${tensor.type.name} ${i}`);
          else if (i < (rows - 1) * columns) assert.ok(Object.is(value, before[i]));
          else assert.ok(Math.abs(value - before[i]!) <= report.largestNeighbourChange || Number.isNaN(before[i]!));
        }
        if (tensor.type === tensorTypeByName('F32')) assert.equal(report.largestError, 0);
        for (const other of tensors) {
          if (other === tensor) continue;
          assert.deepEqual(
            await readBlocks(changed.weights, other.name, { start: 0, end: 1 }),
            await readBlocks(original.weights, other.name, { start: 0, end: 1 }),
          );
        }
        await changed.weights.dispose();
        await map.dropOverlay(overlay);
      }
      assert.deepEqual(await map.overlays(), []);
      const again = await openMapModel(map, name);
      assert.deepEqual(await allBlocks(again.weights), await allBlocks(original.weights));
      await again.weights.dispose();
      await original.weights.dispose();
    }
  });

  test('that changes no value leaves every byte as it is', async () => {
    await using made = await mapWithModels();
    const { map, names } = made;
    await map.mount(names[0], { name: 'm' });
    const { weights } = await openMapModel(map, 'm');
    for (const { name: tensor } of weights.head.tensors.values()) {
      const report = await editWeights(map, { region: 'm', overlay: tensor, tensor, change: { scale: 1 } });
      assert.deepEqual([report.largestError, report.meanError], [0, 0]);
      const through = await openMapModel(map, 'm', { overlays: [tensor] });
      const rows = { start: 0, end: 300 };
      assert.deepEqual(await readBlocks(through.weights, tensor, rows), await readBlocks(weights, tensor, rows));
      await through.weights.dispose();
    }
    await weights.dispose();
  });

  test('loses nothing when many edit the same blocks at once', async () => {
    await using made = await mapWithModels();
    const { map, names, folder } = made;
    await map.mount(names[0], { name: 'm' });
    await using other = openMap(folder.file('a.pxmap'));
    const tensor = 'blk.0.f32.weight';
    const edits = Array.from({ length: 24 }, (_, i) => {
      const columns = { start: i, end: i + 1 };
      const edit = {
        region: 'm',
        overlay: 'all',
        tensor,
        rows: { start: 7, end: 8 },
        columns,
        change: { set: 1000 + i },
      };
      return editWeights(i % 2 ? other : map, edit);
    });
    await Promise.all(edits);
    const { weights } = await openMapModel(map, 'm', { overlays: ['all'] });
    const row = await readRows(weights, tensor, { start: 7, end: 8 });
    assert.deepEqual(
      [...row.subarray(0, 24)],
      Array.from({ length: 24 }, (_, i) => 1000 + i),
    );
    const quantized = edits.map((_, i) => {
      const columns = { start: i, end: i + 1 };
      const place = { region: 'm', overlay: 'all', tensor: 'blk.0.q8_0.weight', rows: { start: 7, end: 8 }, columns };
      return editWeights(i % 2 ? other : map, { ...place, change: { set: 0.2 } });
    });
    await Promise.all(quantized);
    const after = await openMapModel(map, 'm', { overlays: ['all'] });
    const values = await readRows(after.weights, 'blk.0.q8_0.weight', { start: 7, end: 8 });
    for (const value of values.subarray(0, 24)) assert.ok(Math.abs(value - 0.2) < 0.01, `${value}`);
    for (const opened of [weights, after.weights]) await opened.dispose();
  });

  test('refuses rows, columns, tensors and regions that are not there', async () => {
    await using made = await mapWithModels();
    const { map, names } = made;
    await map.mount(names[0], { name: 'm' });
    const { weights } = await openMapModel(map, 'm');
    const tensor = [...weights.head.tensors.values()].find(({ type }) => type.name === 'F32')!.name;
    await weights.dispose();
    const edit = { region: 'm', overlay: 'o', tensor, change: { set: 0 } };
    await assert.rejects(editWeights(map, { ...edit, region: 'n' }), hasCode('unknown-region'));
    await assert.rejects(editWeights(map, { ...edit, tensor: 'n' }), hasCode('unknown-tensor'));
    for (const rows of [
      { start: 0, end: 1e6 },
      { start: 1, end: 1 },
      { start: -1, end: 1 },
    ]) {
      await assert.rejects(editWeights(map, { ...edit, rows }), hasCode('bad-argument'));
    }
    assert.deepEqual(await map.overlays(), []);
    await assert.rejects(openMapModel(map, 'm', { overlays: ['o'] }), hasCode('unknown-overlay'));
  });
});

test('A place near the origin overlaps nothing', () => {
  const rectangle = fc.record({
    x: fc.integer({ min: -300, max: 300 }),
    y: fc.integer({ min: -300, max: 300 }),
    width: fc.integer({ min: 1, max: 200 }),
    height: fc.integer({ min: 1, max: 200 }),
  });
  fc.assert(
    fc.property(fc.array(rectangle, { maxLength: 12 }), rectangle, (taken, size) => {
      const place = placeNear(size, taken, 16);
      assert.ok(place.x % 16 === 0 && place.y % 16 === 0);
      for (const other of taken) assert.equal(intersection(place, other), undefined);
    }),
  );
});

test('An address names map, region and overlays', () => {
  assert.deepEqual(parseMapAddress('a/b.pxmap#m+x+y'), { map: 'a/b.pxmap', region: 'm', overlays: ['x', 'y'] });
  assert.deepEqual(parseMapAddress('b.pxmap#m'), { map: 'b.pxmap', region: 'm', overlays: [] });
  for (const text of ['b.pxmap', 'b.pxmap#', 'm.pxi.png', 'x#y']) assert.equal(parseMapAddress(text), undefined);
});
