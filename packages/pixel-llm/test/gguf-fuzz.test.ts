/**
 * Hostile GGUF files: a valid one is changed at random and read. Whatever comes, it is read or refused by a PixelError, in
 * little time, fetching no byte twice, and what was read keeps its promises.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ByteSource, MemoryByteSource } from '../src/core/byte-source.ts';
import { PixelError } from '../src/core/errors.ts';
import type { MetadataValue } from '../src/gguf/head.ts';
import { type GgufModel, openGgufModel } from '../src/gguf/split.ts';
import { gguf, noise, pieces, tensorOf } from '../src/gguf/testing.ts';
import { createGgufWeights } from '../src/pxi/gguf-weights.ts';
import { readBlocks } from '../src/pxi/read-blocks.ts';
import { storedRows } from '../src/pxi/stored-rows.ts';

const runs = process.env.PIXEL_FULL === '1' ? 30_000 : 3000;

const metadata: Record<string, MetadataValue> = {
  'general.architecture': { type: 'string', value: 'llama' },
  'general.alignment': { type: 'uint32', value: 32 },
  'split.count': { type: 'uint16', value: 1 },
  tokens: { type: 'array', itemType: 'string', value: ['<s>', 'hello', 'wörld', ''] },
  scores: { type: 'array', itemType: 'float32', value: [0, 1, -2.5] },
  types: { type: 'array', itemType: 'int32', value: [1, 2, 3] },
  flags: { type: 'array', itemType: 'bool', value: [true, false] },
  deep: {
    type: 'array',
    itemType: 'array',
    value: [{ type: 'array', itemType: 'uint64', value: [1n, 2n] }],
  },
  exact: { type: 'float64', value: Math.PI },
  signed: { type: 'int64', value: -1n },
};
const valid = gguf(metadata, [
  tensorOf('token_embd.weight', 'Q8_0', 64, 4),
  tensorOf('norm.weight', 'F32', 64),
  tensorOf('k.weight', 'Q4_K', 256, 2),
]);
const headBytes = valid.length - 272 - 256 - 288 - (32 - (272 % 32));

/** Numbers that break careless arithmetic, as 8 little-endian bytes. */
const hostileNumbers = [0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n, 2n ** 62n, 2n ** 63n, 2n ** 64n - 1n];

type Change = (bytes: Uint8Array) => Uint8Array;

const place = fc.nat(headBytes + 16);

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(place, fc.nat(7)).map(([at, bit]) => (bytes: Uint8Array) => {
    const changed = bytes.slice();
    if (at < changed.length) changed[at]! ^= 1 << bit;
    return changed;
  }),
  fc.tuple(place, fc.nat(255)).map(([at, value]) => (bytes: Uint8Array) => {
    const changed = bytes.slice();
    if (at < changed.length) changed[at] = value;
    return changed;
  }),
  fc
    .tuple(place, fc.constantFrom(...hostileNumbers), fc.constantFrom(4, 8))
    .map(([at, number, width]) => (bytes: Uint8Array) => {
      const changed = bytes.slice();
      if (at + width <= changed.length) changed.set(pieces(number).subarray(0, width), at);
      return changed;
    }),
  fc.tuple(place, fc.uint8Array({ maxLength: 12 })).map(([at, inserted]) => (bytes: Uint8Array) => {
    return Uint8Array.of(...bytes.subarray(0, at), ...inserted, ...bytes.subarray(at));
  }),
  fc.tuple(place, fc.nat(40)).map(([at, length]) => (bytes: Uint8Array) => {
    return Uint8Array.of(...bytes.subarray(0, at), ...bytes.subarray(at + length));
  }),
  fc.tuple(place, place, fc.nat(60)).map(([at, from, length]) => (bytes: Uint8Array) => {
    const copied = bytes.subarray(from, from + length);
    return Uint8Array.of(...bytes.subarray(0, at), ...copied, ...bytes.subarray(at));
  }),
  fc.nat(valid.length).map((length) => (bytes: Uint8Array) => bytes.slice(0, length)),
);

/** A source that fails the test when a byte is fetched again before the whole head was given. */
function watched(bytes: Uint8Array): { source: ByteSource; fetched(): number } {
  const source = new MemoryByteSource(bytes, 'm.gguf');
  const read = source.read.bind(source);
  let fetched = 0;
  source.read = (offset, targets, options) => {
    for (const { length } of targets) fetched += length;
    return read(offset, targets, options);
  };
  return { source, fetched: () => fetched };
}

/** True when the file was read. */
async function readOrRefuse(bytes: Uint8Array): Promise<boolean> {
  const { source, fetched } = watched(bytes);
  const start = performance.now();
  let model: GgufModel | undefined;
  try {
    model = await openGgufModel('m.gguf', async () => source, undefined);
  } catch (error) {
    assert.ok(error instanceof PixelError, `not a PixelError: ${error instanceof Error ? error.stack : error}`);
    assert.ok(error.message.startsWith('m.gguf') || error.message.includes('metadata "split.'), error.message);
  }
  assert.ok(fetched() <= bytes.length, `fetched ${fetched()} of ${bytes.length} bytes`);
  if (model) await checkPromises(model, bytes);
  const elapsed = performance.now() - start;
  assert.ok(elapsed < 2000, `took ${elapsed.toFixed(0)} ms`);
  return model !== undefined;
}

async function checkPromises(model: GgufModel, bytes: Uint8Array): Promise<void> {
  const weights = createGgufWeights(model);
  const { headBytes: kept, dataOffset } = model.parts[0]!.head;
  assert.deepEqual(kept, bytes.slice(0, kept.length));
  let end = dataOffset;
  for (const tensor of [...model.tensors.values()].sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength)) {
    assert.ok(tensor.offset >= end && tensor.offset + tensor.byteLength <= bytes.length);
    end = tensor.offset + tensor.byteLength;
    const { rows } = storedRows(tensor);
    if (tensor.byteLength === 0) continue;
    const blocks = await readBlocks(weights, tensor.name, { start: 0, end: rows });
    assert.deepEqual(blocks, bytes.slice(tensor.offset, end));
  }
}

test('the file that is changed is itself valid', async () => {
  assert.ok(await readOrRefuse(valid));
});

test('a changed file is read or refused, never worse', async () => {
  let read = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
      if (await readOrRefuse(changes.reduce<Uint8Array>((bytes, apply) => apply(bytes), valid))) read++;
    }),
    { numRuns: runs, seed: process.env.PIXEL_FULL === '1' ? Date.now() : 20_260_101 },
  );
  assert.ok(read > runs / 100 && read < runs, `${read} of ${runs} were read: the changes are too wild or too tame`);
});

test('every truncation of the head is refused', async () => {
  for (let length = 0; length < headBytes; length++) assert.equal(await readOrRefuse(valid.slice(0, length)), false);
});

test('noise after the magic is refused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(1, 2, 3), async (rest, version) => {
      await readOrRefuse(pieces('GGUF', version, rest));
    }),
    { numRuns: runs / 3 },
  );
});

test('a small file cannot make the reader allocate much', async () => {
  const claims: Uint8Array[] = [
    pieces('GGUF', 3, 131_072n, 65_536n, noise(64)),
    pieces('GGUF', 3, 0n, 1n, 1n, 'k', 9, 8, 16_777_216n, noise(64)),
    pieces('GGUF', 3, 0n, 1n, 1n, 'k', 9, 12, 16_777_216n, noise(64)),
    pieces('GGUF', 3, 0n, 1n, 1n, 'k', 8, 67_108_864n, noise(64)),
    pieces('GGUF', 3, 0n, 1n, 65_536n, noise(64)),
    pieces('GGUF', 3, 1n, 0n, 1n, 't', 4, 2n ** 20n, 2n ** 20n, 64n, 1n, 0, 0n, noise(64)),
  ];
  for (const bytes of claims) {
    const before = process.memoryUsage();
    await readOrRefuse(bytes);
    const after = process.memoryUsage();
    assert.ok(after.arrayBuffers - before.arrayBuffers < 4_000_000);
    assert.ok(after.heapUsed - before.heapUsed < 16_000_000);
  }
});
