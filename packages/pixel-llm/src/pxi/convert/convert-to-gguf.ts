/**
 * Writes a model as one GGUF file, in constant memory: the bytes its content stands for, each tensor checked against its
 * SHA-256 where that is known. From pictures the very bytes come back that went in.
 */
import type { ByteSink } from '../../core/byte-sink.ts';
import { throwIfAborted } from '../../core/errors.ts';
import { createSha256 } from '../../core/hashing.ts';
import { type WorkOptions, writingToDisk } from '../../core/progress.ts';
import { type CreateStreamHasher, createInlineHasher, type StreamHasher } from '../stream-hasher.ts';
import { type ContentGap, type ContentTensor, checkHash, type ModelContent } from './model-content.ts';
import { TensorPieceReader } from './tensor-pieces.ts';

export interface ConvertToGgufOptions extends WorkOptions {
  /** Where SHA-256 is computed; pxi/node.ts has one on a thread of its own. */
  createHasher?: CreateStreamHasher | undefined;
}

const COPY_BYTES = 1024 * 1024;

/**
 * Writes the file and commits the sink; when anything fails, the sink is aborted. Throws `damaged-picture` (a tensor that is
 * not what it was), `aborted`, and what reading and writing throw.
 */
export async function convertToGguf(
  content: ModelContent,
  sink: ByteSink,
  { createHasher = createInlineHasher, signal, onProgress }: ConvertToGgufOptions = {},
): Promise<void> {
  const hasher = createHasher();
  try {
    const writer = new GgufWriter(content, sink, hasher, { signal, onProgress });
    await writer.writeHead();
    for (const piece of inFileOrder(content)) {
      if ('type' in piece) await writer.writeTensor(piece);
      else await writer.writeGap(piece);
    }
    await writer.skipTo(content.byteLength);
    throwIfAborted(signal);
    onProgress?.(writingToDisk(content.byteLength));
    await sink.commit();
  } finally {
    await sink.abort();
    await hasher.dispose();
  }
}

function inFileOrder({ tensors, gaps }: ModelContent): (ContentTensor | ContentGap)[] {
  const position = (piece: ContentTensor | ContentGap) => ('type' in piece ? piece.offset : piece.position);
  return [...tensors.filter(({ byteLength }) => byteLength > 0), ...gaps].sort((a, b) => position(a) - position(b));
}

class GgufWriter {
  readonly #content: ModelContent;
  readonly #sink: ByteSink;
  readonly #hasher: StreamHasher;
  readonly #pieces: TensorPieceReader;
  readonly #options: WorkOptions;
  readonly #zeros = new Uint8Array(COPY_BYTES);
  #position = 0;

  constructor(content: ModelContent, sink: ByteSink, hasher: StreamHasher, options: WorkOptions) {
    this.#content = content;
    this.#sink = sink;
    this.#hasher = hasher;
    this.#pieces = new TensorPieceReader(content, hasher);
    this.#options = options;
  }

  writeHead(): Promise<void> {
    return this.#write(this.#content.headBytes);
  }

  /** Writes zeros up to a position in the file. */
  async skipTo(position: number): Promise<void> {
    while (this.#position < position) {
      throwIfAborted(this.#options.signal);
      await this.#write(this.#zeros.subarray(0, position - this.#position));
    }
  }

  async writeTensor(tensor: ContentTensor): Promise<void> {
    await this.skipTo(tensor.offset);
    const range = { firstBlock: 0, endBlock: tensor.byteLength / tensor.type.blockBytes };
    const hash = tensor.sha256 !== undefined;
    for await (const piece of this.#pieces.read(tensor, range, { hash, signal: this.#options.signal })) {
      await this.#write(piece.bytes);
    }
    if (hash) checkHash(this.#content, tensor, await this.#hasher.digest(tensor.name));
  }

  async writeGap(gap: ContentGap): Promise<void> {
    await this.skipTo(gap.position);
    const hash = createSha256();
    for (let at = 0; at < gap.byteLength; at += COPY_BYTES) {
      const bytes = new Uint8Array(Math.min(COPY_BYTES, gap.byteLength - at));
      await this.#content.readGap(gap, at, bytes, this.#options);
      hash.update(bytes);
      await this.#write(bytes);
    }
    checkHash(this.#content, gap, hash.digestHex());
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await this.#sink.write([bytes]);
    this.#position += bytes.length;
    const total = this.#content.byteLength;
    this.#options.onProgress?.({ phase: 'converting', done: this.#position, total, unit: 'bytes' });
  }
}
