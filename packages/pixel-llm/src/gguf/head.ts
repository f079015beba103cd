/**
 * What the head of a GGUF file says, as data: metadata and the directory of tensors. Reader, writer, pictures and the
 * runtime all speak in these types. Source: the GGUF specification (ggml repository, docs/gguf.md).
 */
import { PixelError } from '../core/errors.ts';
import type { TensorType } from './tensor-types.ts';

export type ScalarType =
  | 'uint8'
  | 'int8'
  | 'uint16'
  | 'int16'
  | 'uint32'
  | 'int32'
  | 'float32'
  | 'bool'
  | 'string'
  | 'uint64'
  | 'int64'
  | 'float64';

/** A typed metadata value; the type is kept so that writing gives back the same bytes. 64-bit integers are bigint. */
export type MetadataValue =
  | { readonly type: ScalarType; readonly value: number | bigint | boolean | string }
  | MetadataArray;

/**
 * An array. Numbers of up to 32 bits and float64 are held in the typed array of their type, 64-bit integers in BigInt64Array /
 * BigUint64Array, bools, strings and nested arrays in plain arrays.
 */
export interface MetadataArray {
  readonly type: 'array';
  readonly itemType: ScalarType | 'array';
  readonly value:
    | ArrayLike<number>
    | ArrayLike<bigint>
    | readonly boolean[]
    | readonly string[]
    | readonly MetadataArray[];
}

/** Keys in file order. */
export type Metadata = ReadonlyMap<string, MetadataValue>;

export interface TensorInfo {
  readonly name: string;
  readonly type: TensorType;
  /** ggml order: the contiguous dimension (columns of the matrix) first. Up to 4; none is a single weight. */
  readonly dimensions: readonly number[];
  /** Bytes of the tensor's blocks. For an unknown type: up to the next tensor or the file's end. */
  readonly byteLength: number;
}

/** Columns: weights that a dot product runs over. */
export function columnsOf(tensor: TensorInfo): number {
  return tensor.dimensions[0] ?? 1;
}

/** Rows: the product of all other dimensions. */
export function rowsOf(tensor: TensorInfo): number {
  return tensor.dimensions.slice(1).reduce((product, size) => product * size, 1);
}

/** A number from the metadata, or the fallback when the key is missing. Throws `bad-metadata` for another type. */
export function metadataNumber(metadata: Metadata, key: string): number | undefined {
  const entry = metadata.get(key);
  if (!entry) return undefined;
  const { value } = entry;
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint' && value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER)
    return Number(value);
  throw wrongType(key, 'a number', entry);
}

export function metadataString(metadata: Metadata, key: string): string | undefined {
  const entry = metadata.get(key);
  if (!entry) return undefined;
  if (typeof entry.value === 'string') return entry.value;
  throw wrongType(key, 'a string', entry);
}

export function metadataBoolean(metadata: Metadata, key: string): boolean | undefined {
  const entry = metadata.get(key);
  if (!entry) return undefined;
  if (typeof entry.value === 'boolean') return entry.value;
  throw wrongType(key, 'true or false', entry);
}

export function metadataStrings(metadata: Metadata, key: string): readonly string[] | undefined {
  const entry = metadata.get(key);
  if (!entry) return undefined;
  if (entry.type === 'array' && entry.itemType === 'string') return entry.value as readonly string[];
  throw wrongType(key, 'an array of strings', entry);
}

export function metadataNumbers(metadata: Metadata, key: string): ArrayLike<number> | undefined {
  const entry = metadata.get(key);
  if (!entry) return undefined;
  const numeric = entry.type === 'array' && !['string', 'array', 'bool', 'uint64', 'int64'].includes(entry.itemType);
  if (numeric) return entry.value as ArrayLike<number>;
  throw wrongType(key, 'an array of numbers', entry);
}

function wrongType(key: string, expected: string, entry: MetadataValue): PixelError {
  const found = entry.type === 'array' ? `an array of ${entry.itemType}` : entry.type;
  return new PixelError('bad-metadata', `The model's metadata "${key}" should be ${expected}, but is ${found}.`);
}
