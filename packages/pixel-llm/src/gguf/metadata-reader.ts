/**
 * Reads one typed metadata value of a GGUF head: numbers, strings, arrays, arrays in arrays. The reader of heads calls it
 * for each entry. Numeric arrays become typed arrays at one stroke; a vocabulary of 150,000 strings takes tens of milliseconds.
 */
import type { ByteReader } from '../core/byte-reader.ts';
import { LIMITS } from '../core/limits.ts';
import type { MetadataArray, MetadataValue, ScalarType } from './head.ts';

/** The value types by their number in the file. */
export const VALUE_TYPES: readonly (ScalarType | 'array')[] = [
  'uint8',
  'int8',
  'uint16',
  'int16',
  'uint32',
  'int32',
  'float32',
  'bool',
  'string',
  'array',
  'uint64',
  'int64',
  'float64',
];

/** The entry that is being read. */
export interface EntryContext {
  /** Of the file: version 1 has 32-bit counts. */
  readonly version: number;
  /** For messages. */
  readonly key: string;
  /** Strings, bools and arrays that the arrays of the head may still hold; reading counts it down. */
  itemsLeft: number;
}

/**
 * Reads the type number and the value that follows.
 * Throws `bad-gguf`, `limit-exceeded`, `truncated`.
 */
export function readMetadataValue(reader: ByteReader, entry: EntryContext): MetadataValue {
  const type = readValueType(reader, entry);
  if (type === 'array') return readArray(reader, entry, 1);
  return { type, value: readScalar(reader, type, entry) };
}

function readValueType(reader: ByteReader, { key }: EntryContext): ScalarType | 'array' {
  const number = reader.uint32();
  const type = VALUE_TYPES[number];
  if (type) return type;
  reader.position -= 4;
  throw reader.error('bad-gguf', `the metadata entry "${key}" has the value type ${number}, which does not exist`);
}

function readScalar(reader: ByteReader, type: ScalarType, entry: EntryContext): number | bigint | boolean | string {
  switch (type) {
    case 'uint8':
      return reader.uint8();
    case 'int8':
      return reader.int8();
    case 'uint16':
      return reader.uint16();
    case 'int16':
      return reader.int16();
    case 'uint32':
      return reader.uint32();
    case 'int32':
      return reader.int32();
    case 'float32':
      return reader.float32();
    case 'float64':
      return reader.float64();
    case 'uint64':
      return reader.uint64();
    case 'int64':
      return reader.int64();
    case 'bool':
      return readBool(reader, entry);
    case 'string':
      return readString(reader, entry);
  }
}

function readBool(reader: ByteReader, { key }: EntryContext): boolean {
  const byte = reader.uint8();
  if (byte <= 1) return byte === 1;
  reader.position -= 1;
  throw reader.error('bad-gguf', `the metadata entry "${key}" holds a bool that is neither 0 nor 1 but ${byte}`);
}

function readString(reader: ByteReader, entry: EntryContext): string {
  return readStrings(reader, entry, 1)[0]!;
}

/** Grows as strings are read: a declared count alone allocates nothing. */
function readStrings(reader: ByteReader, { version, key }: EntryContext, count: number): string[] {
  const what = `the length of a string in the metadata entry "${key}"`;
  const strings: string[] = [];
  for (let i = 0; i < count; i++) strings.push(readText(reader, version, what));
  return strings;
}

function readText(reader: ByteReader, version: number, what: string): string {
  const length = version === 1 ? reader.count32(LIMITS.stringBytes, what) : reader.count64(LIMITS.stringBytes, what);
  return reader.text(length);
}

/** Least bytes of one item in the file: what a declared count is checked against before anything is allocated. */
function leastItemBytes(type: ScalarType | 'array', version: number): number {
  const countBytes = version === 1 ? 4 : 8;
  if (type === 'array') return 4 + countBytes;
  if (type === 'string') return countBytes;
  return NUMBERS[type]?.BYTES_PER_ELEMENT ?? 1;
}

type NumericArrayType =
  | typeof Uint8Array
  | typeof Int8Array
  | typeof Uint16Array
  | typeof Int16Array
  | typeof Uint32Array
  | typeof Int32Array
  | typeof Float32Array
  | typeof Float64Array
  | typeof BigUint64Array
  | typeof BigInt64Array;

/** Arrays of these types are held in the typed array of the same form; the bytes are little-endian, as is every machine we run on. */
const NUMBERS: Partial<Record<ScalarType | 'array', NumericArrayType>> = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
  uint64: BigUint64Array,
  int64: BigInt64Array,
};

function readArray(reader: ByteReader, entry: EntryContext, depth: number): MetadataArray {
  const { version, key } = entry;
  if (depth > LIMITS.arrayNesting) {
    throw reader.tooMany(depth, LIMITS.arrayNesting, `the depth of arrays in arrays in the metadata entry "${key}"`);
  }
  const itemType = readValueType(reader, entry);
  const what = `the number of items in the metadata entry "${key}"`;
  const count = version === 1 ? reader.count32(LIMITS.arrayElements, what) : reader.count64(LIMITS.arrayElements, what);
  const least = count * leastItemBytes(itemType, version);
  if (least > reader.remaining) throw reader.truncated(least, `the array "${key}" of ${count} x ${itemType}`);
  const NumericArray = NUMBERS[itemType];
  if (NumericArray) {
    const bytes = reader.bytes(least).slice();
    return { type: 'array', itemType, value: new NumericArray(bytes.buffer) };
  }
  entry.itemsLeft -= count;
  if (entry.itemsLeft < 0)
    throw reader.tooMany(LIMITS.headItems - entry.itemsLeft, LIMITS.headItems, `${what}, with those before,`);
  if (itemType === 'array')
    return { type: 'array', itemType, value: items(count, () => readArray(reader, entry, depth + 1)) };
  if (itemType === 'string') return { type: 'array', itemType, value: readStrings(reader, entry, count) };
  return { type: 'array', itemType, value: items(count, () => readBool(reader, entry)) };
}

/** Grows as items are read: a declared count alone allocates nothing. */
function items<T>(count: number, read: () => T): T[] {
  const list: T[] = [];
  for (let i = 0; i < count; i++) list.push(read());
  return list;
}
