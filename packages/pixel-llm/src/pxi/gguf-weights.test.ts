import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ByteSource, MemoryByteSource } from '../core/byte-source.ts';
import { dequantize } from '../gguf/dequantize.ts';
import { openGgufModel } from '../gguf/split.ts';
import { gguf, pieces, tensorOf } from '../gguf/testing.ts';
import { createGgufWeights } from './gguf-weights.ts';
import { splitPlane } from './planes.ts';
import { readBlocks } from './read-blocks.ts';
import { readRows } from './read-rows.ts';
import type { WeightSource } from './weight-source.ts';

const tensors = [
  tensorOf('q', 'Q4_0', 64, 6),
  tensorOf('k', 'Q6_K', 256, 2, 2),
  tensorOf('f', 'F32', 8),
  tensorOf('m', 'MXFP4', 32, 40_000),
  tensorOf('i', 'I8', 4, 2),
];
const file = gguf({}, tensors);

interface Opened {
  weights: WeightSource;
  source: ByteSource;
  /** Lengths of the reads since opening. */
  reads: number[];
  blocksOf(name: string): Uint8Array;
}

async function open(bytes: Uint8Array = file): Promise<Opened> {
  const source = new MemoryByteSource(bytes, 'm.gguf');
  const model = await openGgufModel('m.gguf', async () => source);
  const reads: number[] = [];
  const read = source.read.bind(source);
  source.read = (offset, targets, options) => {
    reads.push(...targets.map(({ length }) => length));
    return read(offset, targets, options);
  };
  const blocksOf = (name: string): Uint8Array => {
    const tensor = model.tensors.get(name);
    assert.ok(tensor);
    return bytes.subarray(tensor.offset, tensor.offset + tensor.byteLength);
  };
  return { weights: createGgufWeights(model), source, reads, blocksOf };
}

test('each plane of some rows is that field of their blocks', async () => {
  const { weights, blocksOf } = await open();
  for (const { name, type } of tensors.slice(0, 2)) {
    const rowBytes = blocksOf(name).length / (name === 'q' ? 6 : 4);
    const blocks = blocksOf(name).subarray(rowBytes, 3 * rowBytes);
    for (const field of type.fields) {
      const length = (blocks.length / type.blockBytes) * field.bytes;
      const [expected, plane] = [new Uint8Array(length), new Uint8Array(length)];
      splitPlane(type, field.name, blocks, expected);
      await weights.readPlane(name, field.name, { start: 1, end: 3 }, plane);
      assert.deepEqual(plane, expected);
    }
  }
});

test('readBlocks gives the file back, readRows what the blocks stand for', async () => {
  const { weights, blocksOf } = await open();
  for (const { name, type, dimensions } of tensors) {
    const rows = { start: 0, end: dimensions.slice(1).reduce((a, b) => a * b, 1) };
    assert.deepEqual(await readBlocks(weights, name, rows), blocksOf(name).slice());
    if (name === 'i') continue;
    const expected = new Float32Array((blocksOf(name).length / type.blockBytes) * type.blockElements);
    dequantize(type, blocksOf(name), expected);
    assert.deepEqual(await readRows(weights, name, rows), expected);
  }
  const last = await readRows(weights, 'q', { start: 5, end: 6 });
  assert.deepEqual(last, (await readRows(weights, 'q', { start: 0, end: 6 })).slice(5 * 64));
  await assert.rejects(readRows(weights, 'i', { start: 0, end: 1 }), { code: 'unsupported-type', message: /I8/ });
});

test('large planes are read in bounded pieces, and the second plane of the same rows without reading again', async () => {
  const { weights, reads } = await open();
  await weights.readPlane('m', 'qs', { start: 0, end: 40_000 }, new Uint8Array(40_000 * 16));
  assert.equal(reads.length, 1);
  await weights.readPlane('m', 'e', { start: 0, end: 40_000 }, new Uint8Array(40_000));
  assert.equal(reads.length, 1);
  const large = await open(gguf({}, [tensorOf('large', 'Q4_0', 32, 200_000)]));
  await large.weights.readPlane('large', 'd', { start: 0, end: 200_000 }, new Uint8Array(400_000));
  assert.equal(large.reads.length, 4);
  assert.ok(large.reads.every((length) => length <= 1 << 20));
});

test('a tensor is never answered with the bytes of the one read before', async () => {
  const { weights, blocksOf } = await open();
  await readBlocks(weights, 'q', { start: 0, end: 6 });
  const row = await readBlocks(weights, 'k', { start: 0, end: 1 });
  assert.deepEqual(row, blocksOf('k').slice(0, row.length));
});

test('planes read at the same time do not mix', async () => {
  const { weights, blocksOf } = await open();
  const [q, k, m] = await Promise.all([
    readBlocks(weights, 'q', { start: 0, end: 6 }),
    readBlocks(weights, 'k', { start: 0, end: 4 }),
    readBlocks(weights, 'm', { start: 7, end: 9 }),
  ]);
  assert.deepEqual(q, blocksOf('q').slice());
  assert.deepEqual(k, blocksOf('k').slice());
  assert.deepEqual(m, blocksOf('m').slice(7 * 17, 9 * 17));
});

test('a tensor of an unknown type is rows of one byte', async () => {
  const bytes = pieces('GGUF', 3, 1n, 0n, 1n, 'x', 2, 64n, 64n, 999, 0n, new Uint8Array(60).fill(5));
  const { weights, blocksOf } = await open(bytes);
  const { length } = blocksOf('x');
  assert.ok(length > 9);
  assert.deepEqual(await readBlocks(weights, 'x', { start: 0, end: length }), blocksOf('x').slice());
  assert.deepEqual(await readBlocks(weights, 'x', { start: 2, end: 9 }), blocksOf('x').slice(2, 9));
  await assert.rejects(readRows(weights, 'x', { start: 0, end: 1 }), { code: 'unsupported-type' });
});

test('what does not exist or fit is refused by name', async () => {
  const { weights } = await open();
  const bytes = new Uint8Array(64);
  const range = { start: 0, end: 2 };
  await assert.rejects(weights.readPlane('none', 'qs', range, bytes), { code: 'unknown-tensor', message: /"none"/ });
  await assert.rejects(readRows(weights, 'none', range), { code: 'unknown-tensor' });
  await assert.rejects(weights.readPlane('q', 'qh', range, bytes), { code: 'bad-argument', message: /no plane "qh"/ });
  await assert.rejects(weights.readPlane('q', 'qs', range, bytes.subarray(1)), { code: 'bad-argument' });
  for (const [start, end] of [
    [0, 7],
    [-1, 2],
    [3, 2],
    [0.5, 1],
  ] as const) {
    const message = /"q" has rows 0 to 6/;
    await assert.rejects(weights.readPlane('q', 'qs', { start, end }, bytes), { code: 'bad-argument', message });
    await assert.rejects(readBlocks(weights, 'q', { start, end }), { code: 'bad-argument', message });
  }
});

test('a signal stops the reading, and disposing closes the file', async () => {
  const { weights, source } = await open();
  const signal = AbortSignal.abort();
  await assert.rejects(readBlocks(weights, 'k', { start: 0, end: 1 }, { signal }), { code: 'aborted' });
  let closed = 0;
  source.dispose = async () => void closed++;
  await weights.dispose();
  assert.equal(closed, 1);
});

test('readers of many pieces at once, of several planes, get their own rows', async () => {
  const { weights, blocksOf } = await open();
  const { type } = tensors[3]!;
  const blocks = blocksOf('m');
  const rows = 40_000;
  const step = 1009;
  const readers = Array.from({ length: 40 }, async (_, reader) => {
    const start = (reader * step) % (rows - 5000);
    const end = start + 4000 + reader;
    for (const field of type.fields) {
      const expected = new Uint8Array((end - start) * field.bytes);
      splitPlane(type, field.name, blocks.subarray(start * type.blockBytes, end * type.blockBytes), expected);
      const plane = new Uint8Array(expected.length);
      await weights.readPlane('m', field.name, { start, end }, plane);
      assert.ok(Buffer.from(plane).equals(expected), `reader ${reader}, plane ${field.name}`);
    }
  });
  await Promise.all(readers);
});

test('a read that fails leaves nothing behind that later reads would take for blocks', async () => {
  const { weights, source, blocksOf } = await open();
  const { type } = tensors[3]!;
  const [field] = type.fields;
  const read = source.read;
  source.read = async () => {
    throw new Error('no disk');
  };
  const plane = new Uint8Array(10 * field!.bytes);
  await assert.rejects(weights.readPlane('m', field!.name, { start: 0, end: 10 }, plane), /no disk/);
  source.read = read;
  await weights.readPlane('m', field!.name, { start: 0, end: 10 }, plane);
  const expected = new Uint8Array(plane.length);
  splitPlane(type, field!.name, blocksOf('m').subarray(0, 10 * type.blockBytes), expected);
  assert.deepEqual(plane, expected);
});
