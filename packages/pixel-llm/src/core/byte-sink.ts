/**
 * Where bytes are written to. A sink is all or nothing: readers see the whole output after `commit`, and before it
 * (or after a crash or `abort`) the old file or none.
 */
import { PixelError } from './errors.ts';

export interface ByteSink {
  /** What to call it in messages. */
  readonly name: string;
  /**
   * Appends the chunks in order (gather write). The caller may reuse the chunks' memory once the promise resolves.
   */
  write(chunks: readonly Uint8Array[]): Promise<void>;
  /** Overwrites bytes already written: for a header whose numbers are known only at the end. */
  writeAt(offset: number, bytes: Uint8Array): Promise<void>;
  /** Makes what was written visible under its name, durably. */
  commit(): Promise<void>;
  /** Removes what was written; harmless after `commit` and twice. */
  abort(): Promise<void>;
}

/** A sink that keeps its bytes in memory: for the browser and for tests. */
export class MemoryByteSink implements ByteSink {
  readonly name: string;
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(1 << 16);
  #length = 0;
  #committed = false;

  constructor(name = 'memory') {
    this.name = name;
  }

  async write(chunks: readonly Uint8Array[]): Promise<void> {
    for (const chunk of chunks) {
      this.#reserve(this.#length + chunk.length);
      this.#bytes.set(chunk, this.#length);
      this.#length += chunk.length;
    }
  }

  async writeAt(offset: number, bytes: Uint8Array): Promise<void> {
    if (offset < 0 || offset + bytes.length > this.#length) {
      throw new PixelError(
        'bad-argument',
        `${this.name}: bytes ${offset} to ${offset + bytes.length} were never written.`,
      );
    }
    this.#bytes.set(bytes, offset);
  }

  async commit(): Promise<void> {
    this.#committed = true;
  }

  async abort(): Promise<void> {
    if (!this.#committed) this.#length = 0;
  }

  /** The bytes, after `commit`. */
  result(): Uint8Array<ArrayBuffer> {
    if (!this.#committed) throw new PixelError('bad-argument', `${this.name} was not committed.`);
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(length: number): void {
    if (length <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(length, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
