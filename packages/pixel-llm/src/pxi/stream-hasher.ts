/**
 * SHA-256 of several streams of bytes at once, possibly on another thread (pxi/node.ts has the one that uses a worker).
 * Memory goes in with the bytes and comes back when it may be used again, so that nothing is copied between threads.
 */
import { createSha256, type Hasher } from '../core/hashing.ts';

export interface StreamHasher {
  /** Adds bytes to a stream. The memory belongs to the hasher until the promise gives it back. */
  update(stream: string, bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>;
  /** Ends a stream: its SHA-256 as lower-case hexadecimal. A stream that got no bytes is the empty one. */
  digest(stream: string): Promise<string>;
  /** Stops the thread, if there is one; harmless twice. */
  dispose(): Promise<void>;
}

export type CreateStreamHasher = () => StreamHasher;

/** The hashers of all streams: what the inline hasher and the worker's end have in common. */
export class HasherTable {
  readonly #hashers = new Map<string, Hasher>();

  update(stream: string, bytes: Uint8Array): void {
    const hasher = this.#hashers.get(stream) ?? createSha256();
    this.#hashers.set(stream, hasher);
    hasher.update(bytes);
  }

  digest(stream: string): string {
    const hasher = this.#hashers.get(stream) ?? createSha256();
    this.#hashers.delete(stream);
    return hasher.digestHex();
  }
}

/** Hashes where it is called: for a browser's main thread, and for work too small for a thread. */
export function createInlineHasher(): StreamHasher {
  const table = new HasherTable();
  return {
    async update(stream, bytes) {
      table.update(stream, bytes);
      return bytes.buffer;
    },
    digest: async (stream) => table.digest(stream),
    dispose: async () => {},
  };
}
