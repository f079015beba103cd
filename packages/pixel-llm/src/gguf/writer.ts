/**
 * Writes the head of a GGUF file, version 3, and says where each tensor's data go; the caller streams them after it. The same
 * input gives the same bytes. For requantized and made models; a model that is only carried keeps its own head bytes.
 * Source: the GGUF specification (ggml repository, docs/gguf.md).
 */
import { PixelError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { ByteWriter } from './byte-writer.ts';
import type { Metadata, TensorInfo } from './head.ts';
import { writeMetadataValue } from './metadata-writer.ts';
import { DEFAULT_ALIGNMENT, GGUF_MAGIC } from './reader.ts';
import type { GgufTensor } from './tensor-directory.ts';
import { tensorTypeById } from './tensor-types.ts';

export interface EncodedGgufHead {
  /** The head, padded: the first tensor's data follow at once. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Each tensor's data begin at a multiple of this; zeros lie between them and after the last. */
  readonly alignment: number;
  /** In the order given, with absolute offsets. */
  readonly tensors: readonly GgufTensor[];
  /** Size of the whole file, with the padding after the last tensor. */
  readonly fileBytes: number;
}

/**
 * Encodes the head for these tensors, whose data will stand in the order given. Alignment: what `general.alignment` in the
 * metadata says, else 32. Throws `bad-argument` for a value that its type cannot hold, a name twice, or dimensions, type and byteLength that do not fit.
 */
export function encodeGgufHead(head: { metadata: Metadata; tensors: Iterable<TensorInfo> }): EncodedGgufHead {
  const tensors = [...head.tensors];
  const alignment = alignmentOf(head.metadata);
  const writer = new ByteWriter();
  writer.uint32(GGUF_MAGIC);
  writer.uint32(3);
  writer.uint64(tensors.length);
  writer.uint64(head.metadata.size);
  for (const [key, value] of head.metadata) {
    writer.text(key);
    writeMetadataValue(writer, value, key);
  }
  const names = new Set<string>();
  const starts: number[] = [];
  let end = 0;
  for (const tensor of tensors) {
    if (names.has(tensor.name)) throw new PixelError('bad-argument', `There are two tensors named "${tensor.name}".`);
    names.add(tensor.name);
    checkTensor(tensor);
    starts.push(end);
    writeTensorEntry(writer, tensor, end);
    end = padded(end + tensor.byteLength, alignment);
  }
  writer.align(alignment);
  const dataOffset = writer.length;
  return {
    bytes: writer.result(),
    alignment,
    tensors: tensors.map((tensor, i) => ({ ...tensor, offset: dataOffset + starts[i]! })),
    fileBytes: dataOffset + end,
  };
}

function alignmentOf(metadata: Metadata): number {
  const entry = metadata.get('general.alignment');
  if (!entry) return DEFAULT_ALIGNMENT;
  const { type, value } = entry;
  const isPower = typeof value === 'number' && value > 0 && Number.isInteger(Math.log2(value));
  if (type === 'uint32' && isPower && value <= LIMITS.alignment) return value;
  throw new PixelError('bad-argument', 'general.alignment must be a uint32 and a power of two.');
}

function checkTensor({ name, type, dimensions, byteLength }: TensorInfo): void {
  const columns = dimensions[0] ?? 1;
  const isShape = dimensions.length <= 4 && dimensions.every((size) => Number.isSafeInteger(size) && size >= 0);
  const blocks = dimensions.slice(1).reduce((product, size) => product * size, columns / type.blockElements);
  const fits = columns % type.blockElements === 0 && blocks * type.blockBytes === byteLength;
  if (isShape && (fits || !tensorTypeById(type.id))) return;
  const shape = dimensions.join(' x ');
  throw new PixelError('bad-argument', `Tensor "${name}" of ${shape} ${type.name} does not have ${byteLength} bytes.`);
}

function writeTensorEntry(writer: ByteWriter, tensor: TensorInfo, start: number): void {
  writer.text(tensor.name);
  writer.uint32(tensor.dimensions.length);
  for (const size of tensor.dimensions) writer.uint64(size);
  writer.uint32(tensor.type.id);
  writer.uint64(start);
}

function padded(length: number, alignment: number): number {
  return Math.ceil(length / alignment) * alignment;
}
