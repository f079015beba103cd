/**
 * Reads the head of a GGUF file: metadata and tensor directory, versions 1 to 3, little-endian, from any byte source and
 * without touching the tensors' data. Every number in the file is hostile until checked against core/limits.ts.
 * Source: the GGUF specification (ggml repository, docs/gguf.md).
 */
import { ByteReader } from '../core/byte-reader.ts';
import type { ByteSource, ReadOptions } from '../core/byte-source.ts';
import { LIMITS } from '../core/limits.ts';
import type { Metadata, MetadataValue } from './head.ts';
import { type EntryContext, readMetadataValue } from './metadata-reader.ts';
import { type DeclaredTensor, type GgufTensor, placeTensors, readDeclaredTensor } from './tensor-directory.ts';

export interface GgufHead {
  /** 1, 2 or 3. */
  readonly version: number;
  /** Tensors' data begin at multiples of this, counted from `dataOffset`. */
  readonly alignment: number;
  readonly metadata: Metadata;
  /** In the order of the file's directory, which need not be that of the data. */
  readonly tensors: readonly GgufTensor[];
  /** Where the tensors' data begin; without tensors, at most the file's size. */
  readonly dataOffset: number;
  /** The file's bytes before `dataOffset`, padding included: what gives the same head back, invalid UTF-8 and all. */
  readonly headBytes: Uint8Array<ArrayBuffer>;
}

export interface ReadGgufHeadOptions extends ReadOptions {
  /** Bytes fetched at first; a head that is longer is fetched in doubling pieces. */
  firstBytes?: number;
}

/** "GGUF" read as a little-endian uint32. */
export const GGUF_MAGIC = 0x46554747;
export const DEFAULT_ALIGNMENT = 32;

/** Smallest possible entries, by which a count is checked before anything is allocated: key, type and a byte of value. */
const LEAST_ENTRY_BYTES = 4 + 4 + 1;
/** Name, number of dimensions, type, offset. */
const LEAST_TENSOR_BYTES = 4 + 4 + 4 + 8;

/**
 * Reads a GGUF file's head. Throws `bad-gguf`, `limit-exceeded`, `truncated` (with the byte offset), and what the source throws.
 */
export async function readGgufHead(
  source: ByteSource,
  { firstBytes = 1 << 20, signal }: ReadGgufHeadOptions = {},
): Promise<GgufHead> {
  const reader = new ByteReader(source, { firstBytes, limitBytes: LIMITS.headBytes, signal });
  const { version, tensorCount, entryCount } = await reader.attempt(() => readPreamble(reader));
  const metadata = new Map<string, MetadataValue>();
  let itemsLeft: number = LIMITS.headItems;
  for (let i = 0; i < entryCount; i++) {
    const start = reader.position;
    const { entry, value } = await reader.attempt(() => readEntry(reader, version, itemsLeft));
    const { key } = entry;
    itemsLeft = entry.itemsLeft;
    if (metadata.has(key)) {
      reader.position = start;
      throw reader.error('bad-gguf', `the metadata key "${key}" occurs twice`);
    }
    metadata.set(key, value);
  }
  const declared: DeclaredTensor[] = [];
  for (let i = 0; i < tensorCount; i++) declared.push(await reader.attempt(() => readDeclaredTensor(reader, version)));
  const alignment = readAlignment(reader, metadata);
  const unpadded = reader.position;
  const aligned = Math.ceil(unpadded / alignment) * alignment;
  const dataOffset = tensorCount === 0 ? Math.min(aligned, source.size) : aligned;
  const tensors = placeTensors(declared, { name: source.name, size: source.size, alignment, dataOffset });
  const headBytes = await reader.prefix(Math.min(dataOffset, source.size));
  // A copy only where most of what the reader held is something else.
  const isMost = headBytes.length * 2 > headBytes.buffer.byteLength;
  return { version, alignment, metadata, tensors, dataOffset, headBytes: isMost ? headBytes : headBytes.slice() };
}

function readPreamble(reader: ByteReader): { version: number; tensorCount: number; entryCount: number } {
  const magic = reader.uint32();
  if (magic !== GGUF_MAGIC) {
    reader.position = 0;
    throw reader.error('bad-gguf', 'this is not a GGUF file: it does not begin with "GGUF"');
  }
  const version = reader.uint32();
  if (version < 1 || version > 3) {
    reader.position = 4;
    const swapped = version % 0x1000000 === 0 && version >>> 24 <= 3 && version !== 0;
    throw swapped
      ? reader.error(
          'bad-gguf',
          `this is a big-endian GGUF file (version ${version >>> 24}); only little-endian ones are read`,
        )
      : reader.error('bad-gguf', `GGUF version ${version} is not one of 1, 2, 3`);
  }
  const tensorCount = readCount(reader, version, LIMITS.tensors, 'the number of tensors');
  const entryCount = readCount(reader, version, LIMITS.metadataEntries, 'the number of metadata entries');
  const least = tensorCount * LEAST_TENSOR_BYTES + entryCount * LEAST_ENTRY_BYTES;
  if (least > reader.remaining) {
    throw reader.truncated(least, `a head of ${tensorCount} tensors and ${entryCount} metadata entries`);
  }
  return { version, tensorCount, entryCount };
}

function readCount(reader: ByteReader, version: number, limit: number, what: string): number {
  return version === 1 ? reader.count32(limit, what) : reader.count64(limit, what);
}

interface ReadEntry {
  readonly entry: EntryContext;
  readonly value: MetadataValue;
}

function readEntry(reader: ByteReader, version: number, itemsLeft: number): ReadEntry {
  const keyBytes = readCount(reader, version, LIMITS.nameBytes, "the length of a metadata entry's key");
  const entry = { version, key: reader.text(keyBytes), itemsLeft };
  return { entry, value: readMetadataValue(reader, entry) };
}

function readAlignment(reader: ByteReader, metadata: Metadata): number {
  const entry = metadata.get('general.alignment');
  if (!entry) return DEFAULT_ALIGNMENT;
  const { value } = entry;
  if (entry.type !== 'uint32' || typeof value !== 'number' || value === 0 || (value & (value - 1)) !== 0) {
    throw reader.error(
      'bad-gguf',
      `general.alignment must be a uint32 that is a power of two, but is ${entry.type} ${value}`,
    );
  }
  if (value > LIMITS.alignment) throw reader.tooMany(value, LIMITS.alignment, 'general.alignment');
  return value;
}
