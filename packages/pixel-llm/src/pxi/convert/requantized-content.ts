/**
 * A model with its weight matrices in another type, made while they are read. Norms, biases and other vectors keep their type:
 * they are small, and models are sensitive to them.
 */
import type { ReadOptions } from '../../core/byte-source.ts';
import { PixelError } from '../../core/errors.ts';
import { createSha256, type Hasher } from '../../core/hashing.ts';
import { canDequantize, dequantize } from '../../gguf/dequantize.ts';
import { columnsOf, type Metadata, type MetadataValue, rowsOf } from '../../gguf/head.ts';
import { canQuantize, quantize } from '../../gguf/quantize.ts';
import { TENSOR_TYPES, type TensorType, tensorTypeByName } from '../../gguf/tensor-types.ts';
import { type ContentTensor, checkHash, type ModelContent } from './model-content.ts';
import { type RewrittenTensor, rewriteContent } from './rewritten-content.ts';

export interface RequantizedModel {
  /** Owns the content it was made of. */
  readonly content: ModelContent;
  /** Sentences on what was done otherwise than asked. */
  readonly notes: readonly string[];
}

/** `general.file_type` of a file whose matrices are all of one type (llama.cpp's llama_ftype). */
const FILE_TYPES: Readonly<Record<string, number>> = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q8_0: 7,
  Q4_K: 14,
  Q6_K: 18,
  BF16: 32,
};

/** Where a row is no whole number of blocks: a type of the smallest blocks that loses no more than the one asked for. */
const FALLBACKS: Readonly<Record<string, string>> = { Q4_K: 'Q8_0', Q6_K: 'Q8_0', Q8_0: 'F16', Q4_0: 'F16' };

/** The types a model can be requantized to. */
export function requantizableTypes(): string[] {
  return TENSOR_TYPES.filter((type) => canQuantize(type)).map(({ name }) => name);
}

/**
 * Changes the type of every weight matrix. Throws `bad-argument` for a type nobody can quantize to, `unsupported-type` for a
 * model with matrices that cannot be read as numbers; reading throws `bad-argument` for weights the type cannot hold.
 */
export function requantizeContent(content: ModelContent, typeName: string): RequantizedModel {
  const wanted = tensorTypeByName(typeName);
  if (!wanted || !canQuantize(wanted)) {
    throw new PixelError(
      'bad-argument',
      `Weights cannot be quantized to "${typeName}"; the types are ${requantizableTypes().join(', ')}.`,
    );
  }
  const fallbacks = new Map<string, number>();
  const tensors = content.tensors.map((tensor): RewrittenTensor => {
    const type = isWeightMatrix(tensor) ? fittingType(wanted, columnsOf(tensor)) : tensor.type;
    if (isWeightMatrix(tensor) && type !== wanted) fallbacks.set(type.name, (fallbacks.get(type.name) ?? 0) + 1);
    return requantizedTensor(content, tensor, type);
  });
  const notes = [...fallbacks].map(
    ([fallback, count]) =>
      `${count} ${count === 1 ? 'matrix is' : 'matrices are'} ${fallback}: their rows are no whole number of ${wanted.name} blocks of ${wanted.blockElements}.`,
  );
  const metadata = describeType(content.metadata, wanted);
  return { content: rewriteContent(content.name, metadata, tensors, () => content.dispose()), notes };
}

/** What llama.cpp's quantizer takes for one: named a weight, of two dimensions or more, and not what routes to experts. */
function isWeightMatrix(tensor: ContentTensor): boolean {
  const { name, dimensions } = tensor;
  return name.endsWith('.weight') && dimensions.length >= 2 && rowsOf(tensor) > 1 && !name.includes('ffn_gate_inp');
}

function fittingType(wanted: TensorType, columns: number): TensorType {
  let type = wanted;
  while (columns % type.blockElements !== 0) type = tensorTypeByName(FALLBACKS[type.name] ?? 'F16') ?? type;
  return type;
}

function requantizedTensor(content: ModelContent, tensor: ContentTensor, type: TensorType): RewrittenTensor {
  if (type === tensor.type) {
    return { tensor, read: (firstBlock, target, options) => content.readBlocks(tensor, firstBlock, target, options) };
  }
  if (!canDequantize(tensor.type)) {
    throw new PixelError(
      'unsupported-type',
      `Tensor "${tensor.name}" is of type ${tensor.type.name}, which cannot be read as numbers: convert without --type.`,
    );
  }
  const byteLength = (columnsOf(tensor) / type.blockElements) * rowsOf(tensor) * type.blockBytes;
  const source = new CheckedTensor(content, tensor);
  return {
    tensor: { name: tensor.name, type, dimensions: tensor.dimensions, byteLength },
    read: (firstBlock, target, options) => requantize(source, type, firstBlock, target, options),
  };
}

/** What is read of a tensor, held to its SHA-256: the new bytes would get a hash of their own, damaged or not. */
class CheckedTensor {
  readonly tensor: ContentTensor;
  readonly #content: ModelContent;
  #hash: Hasher | undefined;
  /** The first block not hashed yet. */
  #next = 0;

  constructor(content: ModelContent, tensor: ContentTensor) {
    this.#content = content;
    this.tensor = tensor;
  }

  /** Reads as ModelContent.readBlocks. Throws `damaged-picture` at the end of a reading from the first block to the last. */
  async read(firstBlock: number, target: Uint8Array, options: ReadOptions | undefined): Promise<void> {
    await this.#content.readBlocks(this.tensor, firstBlock, target, options);
    if (this.tensor.sha256 === undefined) return;
    if (firstBlock === 0) {
      this.#hash = createSha256();
      this.#next = 0;
    }
    if (firstBlock !== this.#next) return;
    this.#hash?.update(target);
    this.#next += target.length / this.tensor.type.blockBytes;
    if (this.#next * this.tensor.type.blockBytes < this.tensor.byteLength) return;
    const digest = this.#hash?.digestHex();
    this.#hash = undefined;
    if (digest !== undefined) checkHash(this.#content, this.tensor, digest);
  }
}

async function requantize(
  source: CheckedTensor,
  type: TensorType,
  firstBlock: number,
  target: Uint8Array,
  options: ReadOptions | undefined,
): Promise<void> {
  const { tensor } = source;
  const { blockElements, blockBytes } = tensor.type;
  const weights = (target.length / type.blockBytes) * type.blockElements;
  const blocks = new Uint8Array((weights / blockElements) * blockBytes);
  await source.read((firstBlock * type.blockElements) / blockElements, blocks, options);
  const values = new Float32Array(weights);
  dequantize(tensor.type, blocks, values);
  try {
    target.set(quantize(type, values));
  } catch (cause) {
    if (!(cause instanceof PixelError)) throw cause;
    throw new PixelError(cause.code, `Tensor "${tensor.name}": ${cause.message}`, { cause });
  }
}

function describeType(metadata: Metadata, type: TensorType): Metadata {
  const changed = new Map<string, MetadataValue>(metadata);
  changed.set('general.file_type', { type: 'uint32', value: FILE_TYPES[type.name] ?? 0 });
  if (type.blockElements > 1) changed.set('general.quantization_version', { type: 'uint32', value: 2 });
  return changed;
}
