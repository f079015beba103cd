import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MemoryByteSource } from '../core/byte-source.ts';
import type { MetadataValue, TensorInfo } from './head.ts';
import { readGgufHead } from './reader.ts';
import { TENSOR_TYPES, unknownTensorType } from './tensor-types.ts';
import { arbitraryMetadata, pieces, tensorOf } from './testing.ts';
import { encodeGgufHead } from './writer.ts';

/** Typed arrays as plain ones, so that what was written compares with what was read. */
function plain(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return Array.from(value as Uint8Array);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

const arbitraryTensors: fc.Arbitrary<TensorInfo[]> = fc
  .uniqueArray(
    fc.tuple(
      fc.string({ maxLength: 8 }),
      fc.constantFrom(...TENSOR_TYPES),
      fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
      fc.integer({ min: 0, max: 2 }),
    ),
    { maxLength: 6, selector: ([name]) => name },
  )
  .map((list) =>
    list.map(([name, type, rest, blocks]) => tensorOf(name, type.name, blocks * type.blockElements, ...rest)),
  );

test('what was written reads back the same: any metadata, any tensors, any alignment', async () => {
  const alignments = fc.constantFrom(undefined, 1, 8, 64, 4096);
  await fc.assert(
    fc.asyncProperty(arbitraryMetadata, arbitraryTensors, alignments, async (metadata, tensors, alignment) => {
      const entries = new Map<string, MetadataValue>(metadata);
      if (alignment) entries.set('general.alignment', { type: 'uint32', value: alignment });
      const written = encodeGgufHead({ metadata: entries, tensors });
      const file = new Uint8Array(written.fileBytes);
      file.set(written.bytes);
      const head = await readGgufHead(new MemoryByteSource(file), { firstBytes: 32 });
      assert.deepEqual(plain([...head.metadata]), plain([...entries]));
      assert.deepEqual(head.tensors, written.tensors);
      assert.equal(head.alignment, alignment ?? 32);
      assert.deepEqual(head.headBytes, written.bytes.slice());
      assert.deepEqual(encodeGgufHead(head).bytes.slice(), written.bytes.slice());
    }),
    { numRuns: process.env.PIXEL_FULL === '1' ? 5000 : 200 },
  );
});

test('the bytes are those of the specification', () => {
  const metadata = new Map<string, MetadataValue>([
    ['a', { type: 'uint16', value: 0x0201 }],
    ['list', { type: 'array', itemType: 'string', value: ['x', 'é'] }],
  ]);
  const { bytes } = encodeGgufHead({ metadata, tensors: [tensorOf('t', 'F16', 2, 3)] });
  const expected = pieces(
    ...['GGUF', 3, 1n, 2n],
    ...[1n, 'a', 2, Uint8Array.of(1, 2)],
    ...[4n, 'list', 9, 8, 2n, 1n, 'x', 2n, 'é'],
    ...[1n, 't', 2, 2n, 3n, 1, 0n],
  );
  assert.deepEqual(bytes.slice(0, expected.length), expected);
  assert.equal(bytes.length % 32, 0);
  assert.ok(bytes.subarray(expected.length).every((byte) => byte === 0));
});

test('64-bit integers may be given as numbers or bigints', () => {
  const bytesOf = (value: number | bigint): Uint8Array =>
    encodeGgufHead({ metadata: new Map([['k', { type: 'int64', value }]]), tensors: [] }).bytes.slice();
  assert.deepEqual(bytesOf(-5), bytesOf(-5n));
});

const misfits: readonly MetadataValue[] = [
  { type: 'uint8', value: 256 },
  { type: 'uint8', value: -1 },
  { type: 'int8', value: 128 },
  { type: 'int16', value: -32_769 },
  { type: 'uint32', value: 2 ** 32 },
  { type: 'int32', value: 1.5 },
  { type: 'uint64', value: -1n },
  { type: 'int64', value: 2n ** 63n },
  { type: 'float32', value: '1' },
  { type: 'float64', value: 1n },
  { type: 'bool', value: 1 },
  { type: 'string', value: true },
  { type: 'array', itemType: 'int8', value: [1, 200] },
];

for (const value of misfits) {
  const type = value.type === 'array' ? `array of ${value.itemType}` : value.type;
  test(`a value that ${type} cannot hold is refused by its key: ${value.value}`, () => {
    assert.throws(() => encodeGgufHead({ metadata: new Map([['some.key', value]]), tensors: [] }), {
      code: 'bad-argument',
      message: /"some\.key"/,
    });
  });
}

test('tensors that contradict themselves or each other are refused', () => {
  const encode = (...tensors: TensorInfo[]): unknown => encodeGgufHead({ metadata: new Map(), tensors });
  const good = tensorOf('t', 'Q4_K', 256, 2);
  const code = 'bad-argument';
  assert.throws(() => encode(good, good), { code, message: /two tensors named "t"/ });
  assert.throws(() => encode({ ...good, byteLength: 287 }), { code, message: /256 x 2 Q4_K does not have 287 bytes/ });
  assert.throws(() => encode({ ...good, dimensions: [128, 4] }), { code });
  assert.throws(() => encode({ ...good, dimensions: [256, 2, 1, 1, 1] }), { code });
  assert.throws(() => encode({ ...good, dimensions: [-256, -2] }), { code });
  encode({ ...good, type: unknownTensorType(999), byteLength: 7 });
});

test('an alignment that is no power of two, or no uint32, is refused', () => {
  for (const value of [24, 0, 2 ** 30]) {
    const metadata = new Map<string, MetadataValue>([['general.alignment', { type: 'uint32', value }]]);
    assert.throws(() => encodeGgufHead({ metadata, tensors: [] }), { code: 'bad-argument', message: /alignment/ });
  }
});
