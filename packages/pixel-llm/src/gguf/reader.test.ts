import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryByteSource } from '../core/byte-source.ts';
import type { PixelErrorCode } from '../core/errors.ts';
import type { MetadataArray } from './head.ts';
import { type GgufHead, type ReadGgufHeadOptions, readGgufHead } from './reader.ts';
import { gguf, noise, pieces, tensorOf } from './testing.ts';

function read(bytes: Uint8Array, options?: ReadGgufHeadOptions): Promise<GgufHead> {
  return readGgufHead(new MemoryByteSource(bytes, 'm.gguf'), options);
}

const metadata = {
  'general.architecture': { type: 'string', value: 'llama' },
  'llama.block_count': { type: 'uint32', value: 2 },
  tokens: { type: 'array', itemType: 'string', value: ['<s>', 'é', ''] },
  scores: { type: 'array', itemType: 'float32', value: Float32Array.of(0, -1.5) },
} as const;

const tensors = [tensorOf('a', 'Q8_0', 64, 3), tensorOf('b', 'F32', 5), tensorOf('scalar', 'F32')];

test('a head is read whole: metadata, tensors, where the data begin', async () => {
  const file = gguf(metadata, tensors);
  const head = await read(file);
  assert.equal(head.version, 3);
  assert.equal(head.alignment, 32);
  assert.deepEqual([...head.metadata], Object.entries(metadata));
  assert.equal(head.dataOffset % 32, 0);
  assert.deepEqual(head.headBytes, file.slice(0, head.dataOffset));
  assert.deepEqual(
    head.tensors.map(({ name, dimensions, byteLength, offset }) => [name, dimensions, byteLength, offset]),
    [
      ['a', [64, 3], 204, head.dataOffset],
      ['b', [5], 20, head.dataOffset + 224],
      ['scalar', [], 4, head.dataOffset + 256],
    ],
  );
});

test('a head read in pieces of one byte and up is the same', async () => {
  const file = gguf(metadata, tensors);
  assert.deepEqual(await read(file, { firstBytes: 1 }), await read(file));
});

test('only the head is read, whatever the size of the data', async () => {
  const file = gguf({}, [tensorOf('big', 'F32', 1_000_000)]);
  let end = 0;
  const source = new MemoryByteSource(file);
  const readAll = source.read.bind(source);
  source.read = (offset, targets, options) => {
    end = Math.max(end, offset + (targets[0]?.length ?? 0));
    return readAll(offset, targets, options);
  };
  await readGgufHead(source, { firstBytes: 64 });
  assert.ok(end <= 256, `read up to ${end}`);
});

test('version 2 is read as version 3, version 1 with 32-bit counts and lengths', async () => {
  const file = gguf(metadata, tensors);
  file[4] = 2;
  assert.equal((await read(file)).version, 2);
  const one = pieces(
    ...['GGUF', 1, 1, 2],
    ...[3, 'key', 8, 4, 'text'],
    ...[4, 'list', 9, 4, 2, 7, 8],
    ...[1, 't', 2, 2, 3, 0, 0n],
    noise(64),
  );
  const head = await read(one);
  assert.deepEqual(
    [...head.metadata],
    [
      ['key', { type: 'string', value: 'text' }],
      ['list', { type: 'array', itemType: 'uint32', value: Uint32Array.of(7, 8) }],
    ],
  );
  assert.deepEqual(head.tensors[0]?.dimensions, [2, 3]);
  assert.equal(head.tensors[0]?.offset, 96);
});

test('general.alignment moves the data', async () => {
  const file = gguf({ 'general.alignment': { type: 'uint32', value: 256 } }, tensors);
  const head = await read(file);
  assert.equal(head.alignment, 256);
  assert.deepEqual(
    head.tensors.map(({ offset }) => offset),
    [256, 512, 768],
  );
});

test('a tensor of an unknown type reaches to the next tensor or to the end of the file', async () => {
  const head = await read(
    pieces(
      ...['GGUF', 3, 3n, 0n],
      ...[1n, 'x', 1, 100n, 999, 32n],
      ...[1n, 'y', 1, 4n, 0, 0n],
      ...[1n, 'z', 1, 1n, 998, 64n],
      noise(192),
    ),
  );
  assert.deepEqual(
    head.tensors.map(({ name, type, byteLength }) => [name, type.name, byteLength]),
    [
      ['x', 'type-999', 32],
      ['y', 'F32', 16],
      ['z', 'type-998', 24 + 3 * 33 + 192 - 128 - 64],
    ],
  );
});

test('a head without tensors ends where the file ends', async () => {
  const file = pieces('GGUF', 3, 0n, 1n, 1n, 'k', 0, Uint8Array.of(7));
  const head = await read(file);
  assert.equal(head.dataOffset, file.length);
  assert.deepEqual(head.headBytes, file);
});

test('strings that are not UTF-8 are shown with replacement characters and kept in headBytes', async () => {
  const file = pieces('GGUF', 3, 0n, 1n, 1n, 'k', 8, 3n, Uint8Array.of(0x41, 0xff, 0xfe));
  const head = await read(file);
  assert.equal(head.metadata.get('k')?.value, 'A\ufffd\ufffd');
  assert.deepEqual(head.headBytes, file);
});

test('a vocabulary of 150,000 strings takes well below a second', async () => {
  const words = Array.from({ length: 150_000 }, (_, i) => (i % 50 === 0 ? `wörd${i}` : `word${i}`));
  const file = gguf({ tokens: { type: 'array', itemType: 'string', value: words } }, []);
  const start = performance.now();
  const head = await read(file);
  const elapsed = performance.now() - start;
  assert.deepEqual(head.metadata.get('tokens')?.value, words);
  assert.ok(elapsed < 2000, `took ${elapsed.toFixed(0)} ms`);
});

test('arrays nest to the limit and no deeper', async () => {
  const nested = (depth: number): Uint8Array => {
    const levels = Array.from({ length: depth - 1 }, () => pieces(9, 1n));
    return pieces('GGUF', 3, 0n, 1n, 1n, 'k', 9, ...levels, 4, 1n, 7);
  };
  let value = (await read(nested(4))).metadata.get('k');
  for (let depth = 1; depth < 4; depth++) value = (value as MetadataArray).value[0] as MetadataArray;
  assert.deepEqual(value?.value, Uint32Array.of(7));
  await assert.rejects(read(nested(5)), { code: 'limit-exceeded', message: /depth of arrays/ });
});

test('a head of very many small items is refused before they fill the memory', async () => {
  const flags = (key: string, count: number): (number | bigint | string | Uint8Array)[] => {
    return [1n, key, 9, 7, BigInt(count), new Uint8Array(count)];
  };
  const within = await read(pieces('GGUF', 3, 0n, 2n, ...flags('a', 4_000_000), ...flags('b', 194_304)));
  assert.equal(within.metadata.size, 2);
  const beyond = pieces('GGUF', 3, 0n, 2n, ...flags('a', 4_000_000), ...flags('b', 194_305));
  await assert.rejects(read(beyond), {
    code: 'limit-exceeded',
    message: /"b".* is 4194305, above the limit of 4194304/,
  });
});

const head = (...rest: (number | bigint | string | Uint8Array)[]): Uint8Array => pieces('GGUF', 3, ...rest);
const oneTensor = (...entry: (number | bigint | string)[]): Uint8Array => head(1n, 0n, 1n, 't', ...entry, noise(64));
const twoTensors = (name: string, start: bigint): Uint8Array =>
  head(2n, 0n, 1n, 'a', 1, 16n, 0, 0n, 1n, name, 1, 4n, 0, start, noise(128));
const huge = 2n ** 64n - 1n;

const hostile: readonly (readonly [title: string, bytes: Uint8Array, code: PixelErrorCode, message: RegExp])[] = [
  ['nothing', new Uint8Array(0), 'truncated', /byte 0/],
  ['another format', pieces('\x89PNG', 3, 0n, 0n), 'bad-gguf', /byte 0: this is not a GGUF file/],
  ['big-endian', pieces('GGUF', 0x03000000, 0n, 0n), 'bad-gguf', /byte 4: .*big-endian/],
  ['a later version', pieces('GGUF', 4, 0n, 0n), 'bad-gguf', /byte 4: GGUF version 4/],
  ['version 0', pieces('GGUF', 0, 0n, 0n), 'bad-gguf', /byte 4: GGUF version 0/],
  ['too many tensors', head(huge, 0n), 'limit-exceeded', /byte 8: the number of tensors/],
  ['too many entries', head(0n, 2n ** 53n), 'limit-exceeded', /byte 16: the number of metadata entries/],
  ['counts beyond the file', head(10_000n, 10_000n), 'truncated', /byte 24: a head of 10000 tensors/],
  ['a long key', head(0n, 1n, huge, noise(32)), 'limit-exceeded', /byte 24: the length of a metadata entry's key/],
  ['a key beyond the file', head(0n, 1n, 1000n, noise(32)), 'truncated', /byte 32: .*1000 bytes/],
  ['an unknown value type', head(0n, 1n, 1n, 'k', 13, 0n), 'bad-gguf', /byte 33: .*"k" has the value type 13/],
  ['a bool of 2', head(0n, 1n, 1n, 'k', 7, Uint8Array.of(2)), 'bad-gguf', /byte 37: .*neither 0 nor 1/],
  ['a long string', head(0n, 1n, 1n, 'k', 8, 2n ** 40n), 'limit-exceeded', /byte 37: the length of a string/],
  ['a long array', head(0n, 1n, 1n, 'k', 9, 0, huge), 'limit-exceeded', /byte 41: the number of items/],
  ['an array beyond the file', head(0n, 1n, 1n, 'k', 9, 12, 1000n), 'truncated', /byte 49: the array "k" of 1000/],
  ['strings beyond the file', head(0n, 1n, 1n, 'k', 9, 8, 1000n), 'truncated', /8000 bytes/],
  ['a key twice', head(0n, 2n, 1n, 'k', 4, 1, 1n, 'k', 4, 1), 'bad-gguf', /byte 41: .*"k" occurs twice/],
  ['an alignment of 24', head(0n, 1n, 17n, 'general.alignment', 4, 24), 'bad-gguf', /power of two/],
  ['an alignment of 0', head(0n, 1n, 17n, 'general.alignment', 4, 0), 'bad-gguf', /power of two/],
  ['an alignment in words', head(0n, 1n, 17n, 'general.alignment', 8, 2n, '32'), 'bad-gguf', /power of two/],
  ['a huge alignment', head(0n, 1n, 17n, 'general.alignment', 4, 2 ** 30), 'limit-exceeded', /general.alignment/],
  ['five dimensions', oneTensor(5, 1n, 1n, 1n, 1n, 1n, 0, 0n), 'limit-exceeded', /byte 33: the number of dimensions/],
  ['a huge dimension', oneTensor(1, huge, 0, 0n), 'limit-exceeded', /a dimension of tensor "t"/],
  [
    'a product that overflows',
    oneTensor(4, ...Array<bigint>(4).fill(2n ** 40n), 0, 0n),
    'limit-exceeded',
    /"t" has more/,
  ],
  ['a row of no whole blocks', oneTensor(1, 33n, 8, 0n), 'bad-gguf', /rows of 33 weights, no multiple of Q8_0's 32/],
  ['an offset beyond 2^53', oneTensor(1, 4n, 0, 2n ** 60n), 'limit-exceeded', /the offset of tensor "t"/],
  ['a misaligned offset', oneTensor(1, 4n, 0, 4n), 'bad-gguf', /begins at 4, no multiple of 32/],
  ['data beyond the file', oneTensor(1, 64n, 0, 0n), 'truncated', /byte 24: tensor "t" ends at byte 320/],
  ['a far offset', oneTensor(1, 4n, 0, 2n ** 52n), 'truncated', /tensor "t" ends at byte/],
  ['a far offset of an unknown type', oneTensor(1, 4n, 77, 2n ** 52n), 'truncated', /tensor "t" ends at byte/],
  ['tensors that overlap', twoTensors('b', 32n), 'bad-gguf', /tensor "a" overlaps/],
  ['tensors in one place', twoTensors('b', 0n), 'bad-gguf', /tensor "a" overlaps/],
  ['a name twice', twoTensors('a', 64n), 'bad-gguf', /tensor "a" occurs twice/],
];

for (const [title, bytes, code, message] of hostile) {
  test(`${title}: refused, saying what and where`, async () => {
    await assert.rejects(read(bytes), { name: 'PixelError', code, message: new RegExp(`m.gguf, .*${message.source}`) });
  });
}
