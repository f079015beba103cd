/**
 * Reads tensors as a stream of bounded pieces: while one is worked on, the next is read and the one before is hashed.
 * Conversion and verification both stand on it; its few buffers are all the memory they need, however large the model.
 */
import type { ReadOptions } from '../../core/byte-source.ts';
import { throwIfAborted } from '../../core/errors.ts';
import type { StreamHasher } from '../stream-hasher.ts';
import type { ContentTensor, ModelContent } from './model-content.ts';

/** Weights that every piece but the last is a multiple of: the largest block. */
const PIECE_WEIGHTS = 256;
const PIECE_BYTES = 2 * 1024 * 1024;
/** One is read, one is worked on, the others wait for the hasher. */
const BUFFERS = 5;

export interface TensorPiece {
  /** Counted from the tensor's first block. */
  readonly firstBlock: number;
  /** ggml bytes; the memory is taken back when the next piece is asked for. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Blocks of a tensor in pieces: [firstBlock, endBlock). */
export interface BlockRange {
  readonly firstBlock: number;
  readonly endBlock: number;
}

export interface PieceOptions extends ReadOptions {
  /** Adds the bytes to the hasher's stream of the tensor's name. */
  hash: boolean;
}

export class TensorPieceReader {
  readonly #content: ModelContent;
  readonly #hasher: StreamHasher;
  readonly #free: ArrayBuffer[] = Array.from({ length: BUFFERS }, () => new ArrayBuffer(0));
  readonly #waiting: PromiseWithResolvers<ArrayBuffer>[] = [];
  #failure: { readonly error: unknown } | undefined;

  constructor(content: ModelContent, hasher: StreamHasher) {
    this.#content = content;
    this.#hasher = hasher;
  }

  async *read(
    tensor: ContentTensor,
    { firstBlock, endBlock }: BlockRange,
    { hash, signal }: PieceOptions,
  ): AsyncGenerator<TensorPiece> {
    const { blockBytes, blockElements } = tensor.type;
    const step = Math.max(1, PIECE_WEIGHTS / blockElements);
    const pieceBlocks = Math.max(step, Math.floor(PIECE_BYTES / blockBytes / step) * step);
    const start = (from: number) => {
      if (from >= endBlock) return undefined;
      const piece = this.#fetch(tensor, from, Math.min(pieceBlocks, endBlock - from) * blockBytes, signal);
      // A failure while the piece before is worked on is met when this one is awaited.
      piece.catch(() => {});
      return piece;
    };
    let next = start(firstBlock);
    try {
      while (next) {
        throwIfAborted(signal);
        const piece: TensorPiece = await next;
        next = start(piece.firstBlock + piece.bytes.length / blockBytes);
        let finished = false;
        try {
          yield piece;
          finished = true;
        } finally {
          if (finished && hash) this.#hash(tensor.name, piece.bytes);
          else this.#give(piece.bytes.buffer);
        }
      }
    } finally {
      await next?.then(
        ({ bytes }) => this.#give(bytes.buffer),
        () => {},
      );
    }
  }

  async #fetch(
    tensor: ContentTensor,
    firstBlock: number,
    length: number,
    signal: AbortSignal | undefined,
  ): Promise<TensorPiece> {
    let buffer = await this.#take();
    try {
      if (buffer.byteLength < length) buffer = new ArrayBuffer(PIECE_BYTES);
      const bytes = new Uint8Array(buffer, 0, length);
      await this.#content.readBlocks(tensor, firstBlock, bytes, { signal });
      return { firstBlock, bytes };
    } catch (error) {
      this.#give(buffer);
      throw error;
    }
  }

  #hash(stream: string, bytes: Uint8Array<ArrayBuffer>): void {
    this.#hasher.update(stream, bytes).then(
      (buffer) => this.#give(buffer),
      (error: unknown) => {
        this.#failure = { error };
        for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
      },
    );
  }

  async #take(): Promise<ArrayBuffer> {
    if (this.#failure) throw this.#failure.error;
    const buffer = this.#free.pop();
    if (buffer) return buffer;
    const waiting = Promise.withResolvers<ArrayBuffer>();
    this.#waiting.push(waiting);
    return waiting.promise;
  }

  #give(buffer: ArrayBuffer): void {
    const waiting = this.#waiting.shift();
    if (waiting) waiting.resolve(buffer);
    else this.#free.push(buffer);
  }
}
