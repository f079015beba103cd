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

/**
 * Reads the type number and the value that follows; `key` is for messages.
 * Throws `bad-gguf`, `limit-exceeded`, `truncated`.
 */
export function readMetadataValue(reader: ByteReader, version: number, key: string): MetadataValue {
  const type = readValueType(reader, key);
  if (type === 'array') return readArray(reader, version, key, 1);
  return { type, value: readScalar(reader, version, type, key) };
}

function readValueType(reader: ByteReader, key: string): ScalarType | 'array' {
  const number = reader.uint32();
  const type = VALUE_TYPES[number];
  if (type) return type;
  reader.position -= 4;
  throw reader.error('bad-gguf', `the metadata entry "${key}" has the value type ${number}, which does not exist`);
}

function readScalar(
  reader: ByteReader,
  version: number,
  type: ScalarType,
  key: string,
): number | bigint | boolean | string {
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
      return readBool(reader, key);
    case 'string':
      return readString(reader, version, key);
  }
}

function readBool(reader: ByteReader, key: string): boolean {
  const byte = reader.uint8();
  if (byte <= 1) return byte === 1;
  reader.position -= 1;
  throw reader.error('bad-gguf', `the metadata entry "${key}" holds a bool that is neither 0 nor 1 but ${byte}`);
}

function readString(reader: ByteReader, version: number, key: string): string {
  const what = `the length of a string in the metadata entry "${key}"`;
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

function readArray(reader: ByteReader, version: number, key: string, depth: number): MetadataArray {
  if (depth > LIMITS.arrayNesting) {
    throw reader.tooMany(depth, LIMITS.arrayNesting, `the depth of arrays in arrays in the metadata entry "${key}"`);
  }
  const itemType = readValueType(reader, key);
  const what = `the number of items in the metadata entry "${key}"`;
  const count = version === 1 ? reader.count32(LIMITS.arrayElements, what) : reader.count64(LIMITS.arrayElements, what);
  const least = count * leastItemBytes(itemType, version);
  if (least > reader.remaining) throw reader.truncated(least, `the array "${key}" of ${count} x ${itemType}`);
  if (itemType === 'array') {
    const value: MetadataArray[] = [];
    for (let i = 0; i < count; i++) value.push(readArray(reader, version, key, depth + 1));
    return { type: 'array', itemType, value };
  }
  if (itemType === 'string') {
    const value: string[] = [];
    for (let i = 0; i < count; i++) value.push(readString(reader, version, key));
    return { type: 'array', itemType, value };
  }
  if (itemType === 'bool') {
    const value: boolean[] = [];
    for (let i = 0; i < count; i++) value.push(readBool(reader, key));
    return { type: 'array', itemType, value };
  }
  const NumericArray = NUMBERS[itemType];
  const bytes = reader.bytes(least).slice();
  return { type: 'array', itemType, value: new NumericArray!(bytes.buffer) };
}
