/** GGUF files for tests: whole ones of the writer's, arbitrary metadata, and files put together byte by byte. */
import fc from 'fast-check';
import { ByteWriter } from './byte-writer.ts';
import type { MetadataArray, MetadataValue, ScalarType, TensorInfo } from './head.ts';
import { type TensorType, tensorTypeByName } from './tensor-types.ts';
import { encodeGgufHead } from './writer.ts';

/** A type that the table must have. */
export function typeNamed(name: string): TensorType {
  const type = tensorTypeByName(name);
  if (!type) throw new Error(`no type ${name}`);
  return type;
}

/** A tensor of that shape, its byteLength worked out. */
export function tensorOf(name: string, typeName: string, ...dimensions: number[]): TensorInfo {
  const type = typeNamed(typeName);
  const weights = dimensions.reduce((product, size) => product * size, 1);
  return { name, type, dimensions, byteLength: (weights / type.blockElements) * type.blockBytes };
}

/** Bytes that look random and are the same each time. */
export function noise(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** A whole file of the writer's head and `noise` as data. */
export function gguf(metadata: Record<string, MetadataValue>, tensors: readonly TensorInfo[]): Uint8Array<ArrayBuffer> {
  const head = encodeGgufHead({ metadata: new Map(Object.entries(metadata)), tensors });
  const file = new Uint8Array(head.fileBytes);
  file.set(head.bytes);
  for (const [i, tensor] of head.tensors.entries()) file.set(noise(tensor.byteLength, i + 1), tensor.offset);
  return file;
}

/** Bytes put together piece by piece: numbers are uint32, bigints uint64, strings ASCII without a length. */
export function pieces(...parts: readonly (number | bigint | string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter();
  for (const part of parts) {
    if (typeof part === 'number') writer.uint32(part);
    else if (typeof part === 'bigint') writer.uint64(part);
    else writer.bytes(typeof part === 'string' ? new TextEncoder().encode(part) : part);
  }
  return writer.result().slice();
}

function arbitraryText(): fc.Arbitrary<string> {
  return fc.string({ unit: 'grapheme', maxLength: 12 }).map((text) => text.toWellFormed());
}

const scalarValues: Record<ScalarType, fc.Arbitrary<number | bigint | boolean | string>> = {
  uint8: fc.integer({ min: 0, max: 255 }),
  int8: fc.integer({ min: -128, max: 127 }),
  uint16: fc.integer({ min: 0, max: 65_535 }),
  int16: fc.integer({ min: -32_768, max: 32_767 }),
  uint32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  int32: fc.integer(),
  float32: fc.float(),
  float64: fc.double(),
  bool: fc.boolean(),
  string: arbitraryText(),
  uint64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
};

const scalarTypes = Object.keys(scalarValues) as ScalarType[];

function arbitraryScalar(): fc.Arbitrary<MetadataValue> {
  return fc.constantFrom(...scalarTypes).chain((type) => scalarValues[type].map((value) => ({ type, value })));
}

function arbitraryArray(depth: number): fc.Arbitrary<MetadataArray> {
  if (depth > 1) {
    const items = fc.array(fc.integer({ min: 1, max: depth - 1 }).chain(arbitraryArray), { maxLength: 3 });
    return items.map((value) => ({ type: 'array', itemType: 'array', value }));
  }
  return fc.constantFrom(...scalarTypes).chain((itemType) =>
    fc.array(scalarValues[itemType], { maxLength: 6 }).map((value) => {
      const made: MetadataArray = { type: 'array', itemType, value: value as string[] };
      return made;
    }),
  );
}

/** Any scalar or array, arrays in arrays up to the limit, as the reader gives it back. */
const arbitraryMetadataValue: fc.Arbitrary<MetadataValue> = fc.oneof(
  arbitraryScalar(),
  fc.integer({ min: 1, max: 4 }).chain(arbitraryArray),
);

/** Any metadata; keys that the reader gives a meaning to are left out. */
export const arbitraryMetadata: fc.Arbitrary<Map<string, MetadataValue>> = fc
  .array(fc.tuple(arbitraryText(), arbitraryMetadataValue), { maxLength: 8 })
  .map((entries) => new Map(entries.filter(([key]) => key !== 'general.alignment')));
