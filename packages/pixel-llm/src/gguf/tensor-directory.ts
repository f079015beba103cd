/**
 * The directory of tensors in a GGUF head: reads its entries, and checks that the data they announce fit the type, the file
 * and each other. The reader of heads calls both.
 */
import type { ByteReader } from '../core/byte-reader.ts';
import { PixelError, type PixelErrorCode } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import type { TensorInfo } from './head.ts';
import { type TensorType, tensorTypeById, unknownTensorType } from './tensor-types.ts';

/** A tensor and where its data begin in its file. */
export interface GgufTensor extends TensorInfo {
  /** Absolute byte offset in the file. */
  readonly offset: number;
}

/** ggml's GGML_MAX_DIMS. */
const MAX_DIMENSIONS = 4;

/** What an entry says, before it is known where the data begin. */
export interface DeclaredTensor {
  readonly name: string;
  readonly type: TensorType;
  readonly known: boolean;
  readonly dimensions: readonly number[];
  /** Relative to the start of the data. */
  readonly dataStart: number;
  /** Byte offset of the entry itself, for messages. */
  readonly entryOffset: number;
}

/** Reads one entry. Throws `bad-gguf`, `limit-exceeded`, `truncated`. */
export function readDeclaredTensor(reader: ByteReader, version: number): DeclaredTensor {
  const entryOffset = reader.position;
  const what = "the length of a tensor's name";
  const nameBytes = version === 1 ? reader.count32(LIMITS.nameBytes, what) : reader.count64(LIMITS.nameBytes, what);
  const name = reader.text(nameBytes);
  const dimensionCount = reader.count32(MAX_DIMENSIONS, `the number of dimensions of tensor "${name}"`);
  const dimensions: number[] = [];
  for (let i = 0; i < dimensionCount; i++) {
    const size = `a dimension of tensor "${name}"`;
    dimensions.push(version === 1 ? reader.uint32() : reader.count64(LIMITS.tensorBytes, size));
  }
  const id = reader.uint32();
  const known = tensorTypeById(id);
  const dataStart = reader.count64(Number.MAX_SAFE_INTEGER, `the offset of tensor "${name}"`);
  return { name, type: known ?? unknownTensorType(id), known: known !== undefined, dimensions, dataStart, entryOffset };
}

interface FileFacts {
  readonly name: string;
  readonly size: number;
  readonly alignment: number;
  readonly dataOffset: number;
}

/**
 * Gives each tensor its place in the file. Throws `bad-gguf` (a name twice, columns that are no whole number of blocks, a
 * misaligned offset, tensors that overlap), `limit-exceeded`, `truncated` (data beyond the file's end).
 */
export function placeTensors(declared: readonly DeclaredTensor[], file: FileFacts): GgufTensor[] {
  const names = new Set<string>();
  for (const tensor of declared) {
    if (names.has(tensor.name)) throw fault(file, tensor, 'bad-gguf', 'occurs twice');
    names.add(tensor.name);
    if (tensor.dataStart % file.alignment !== 0) {
      throw fault(file, tensor, 'bad-gguf', `begins at ${tensor.dataStart}, no multiple of ${file.alignment}`);
    }
  }
  const byStart = [...declared].sort((a, b) => a.dataStart - b.dataStart);
  const lengths = new Map<DeclaredTensor, number>();
  const dataBytes = file.size - file.dataOffset;
  for (const [index, tensor] of byStart.entries()) {
    const end = byStart[index + 1]?.dataStart ?? dataBytes;
    const byteLength = tensor.known ? byteLengthOf(file, tensor) : Math.max(0, end - tensor.dataStart);
    lengths.set(tensor, byteLength);
    if (tensor.dataStart + byteLength > dataBytes) {
      const message = `ends at byte ${file.dataOffset + tensor.dataStart + byteLength}, but the file has ${file.size}: it is incomplete`;
      throw fault(file, tensor, 'truncated', message);
    }
    if (tensor.dataStart + byteLength > end) throw fault(file, tensor, 'bad-gguf', 'overlaps the tensor after it');
  }
  return declared.map((tensor) => ({
    name: tensor.name,
    type: tensor.type,
    dimensions: tensor.dimensions,
    byteLength: lengths.get(tensor) ?? 0,
    offset: file.dataOffset + tensor.dataStart,
  }));
}

function byteLengthOf(file: FileFacts, tensor: DeclaredTensor): number {
  const { blockElements, blockBytes, name: typeName } = tensor.type;
  const columns = tensor.dimensions[0] ?? 1;
  if (columns % blockElements !== 0) {
    throw fault(
      file,
      tensor,
      'bad-gguf',
      `has rows of ${columns} weights, no multiple of ${typeName}'s ${blockElements}`,
    );
  }
  let byteLength = (columns / blockElements) * blockBytes;
  for (const size of tensor.dimensions.slice(1)) byteLength *= size;
  if (byteLength <= LIMITS.tensorBytes) return byteLength;
  throw fault(file, tensor, 'limit-exceeded', `has more than ${LIMITS.tensorBytes} bytes, which is the limit`);
}

function fault(file: FileFacts, tensor: DeclaredTensor, code: PixelErrorCode, what: string): PixelError {
  return new PixelError(code, `${file.name}, byte ${tensor.entryOffset}: tensor "${tensor.name}" ${what}.`, {
    details: { offset: tensor.entryOffset, tensor: tensor.name },
  });
}
