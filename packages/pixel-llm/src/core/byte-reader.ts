/**
 * Checked little-endian reading of a file's head, whose length nobody knows before it is parsed: bytes are fetched from the
 * source in growing pieces as the parser asks for them, so one parser serves files, memory and HTTP.
 * Parsers are plain synchronous functions; `attempt` runs one, and runs it again from its start when bytes were missing.
 */
import type { ByteSource, ReadOptions } from './byte-source.ts';
import { PixelError, type PixelErrorCode } from './errors.ts';
import { textReader } from './text-decoding.ts';

export interface ByteReaderOptions extends ReadOptions {
  /** Bytes of the first piece; each next piece doubles what is held. */
  firstBytes?: number;
  /** At most this many bytes are held; more is `limit-exceeded`. */
  limitBytes: number;
}

/** Thrown inside `attempt` only: the parser needs the source's first `length` bytes. */
class MissingBytes {
  readonly length: number;

  constructor(length: number) {
    this.length = length;
  }
}

export class ByteReader {
  /** Byte offset of the next read. */
  position = 0;
  readonly #source: ByteSource;
  readonly #firstBytes: number;
  readonly #limitBytes: number;
  readonly #signal: AbortSignal | undefined;
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #view: DataView = new DataView(this.#bytes.buffer);
  #text = textReader(this.#bytes);

  constructor(source: ByteSource, { firstBytes = 1 << 20, limitBytes, signal }: ByteReaderOptions) {
    this.#source = source;
    this.#firstBytes = firstBytes;
    this.#limitBytes = limitBytes;
    this.#signal = signal;
  }

  /** Bytes between `position` and the source's end. */
  get remaining(): number {
    return this.#source.size - this.position;
  }

  /**
   * Runs a synchronous parser, from the same position again whenever it ran out of bytes: it must have no lasting effect
   * before its last read. Throws `truncated`, `limit-exceeded` and what the source and the parser throw.
   */
  async attempt<T>(parse: () => T): Promise<T> {
    const start = this.position;
    for (;;) {
      try {
        return parse();
      } catch (error) {
        if (!(error instanceof MissingBytes)) throw error;
        await this.#fetch(error.length);
        this.position = start;
      }
    }
  }

  /** Moves on by `length` bytes and answers where they begin in the bytes held. */
  #take(length: number): number {
    const start = this.position;
    const end = start + length;
    if (end > this.#bytes.length) this.#miss(end);
    this.position = end;
    return start;
  }

  #miss(end: number): never {
    if (end > this.#source.size) throw this.truncated(end - this.position);
    if (end > this.#limitBytes) {
      throw this.error('limit-exceeded', `the head needs more than ${this.#limitBytes} bytes, which is the limit`);
    }
    throw new MissingBytes(end);
  }

  async #fetch(length: number): Promise<void> {
    const wanted = Math.max(length, this.#bytes.length * 2, this.#firstBytes);
    const held = this.#bytes.length;
    // Moved, not copied: what was held is nobody's any more.
    const enough = Math.min(wanted, this.#source.size, Math.max(length, this.#limitBytes));
    const grown = new Uint8Array(this.#bytes.buffer.transfer(enough));
    this.#bytes = new Uint8Array(0);
    await this.#source.read(held, [grown.subarray(held)], { signal: this.#signal });
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
    this.#text = textReader(grown);
  }

  uint8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  int8(): number {
    return this.#view.getInt8(this.#take(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  int16(): number {
    return this.#view.getInt16(this.#take(2), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  float32(): number {
    return this.#view.getFloat32(this.#take(4), true);
  }

  float64(): number {
    return this.#view.getFloat64(this.#take(8), true);
  }

  uint64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  int64(): bigint {
    return this.#view.getBigInt64(this.#take(8), true);
  }

  /** A uint64 that counts or measures: at most `limit`, which is a safe integer. Throws `limit-exceeded`. */
  count64(limit: number, what: string): number {
    const at = this.#take(8);
    const value = this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 0x1_0000_0000;
    if (value <= limit) return value;
    this.position = at;
    throw this.tooMany(this.#view.getBigUint64(at, true), limit, what);
  }

  /** A uint32 that counts or measures. Throws `limit-exceeded`. */
  count32(limit: number, what: string): number {
    const at = this.#take(4);
    const value = this.#view.getUint32(at, true);
    if (value <= limit) return value;
    this.position = at;
    throw this.tooMany(value, limit, what);
  }

  /** The next bytes, not copied: they are the reader's own and must not be changed. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** The next bytes as UTF-8. */
  text(length: number): string {
    const start = this.#take(length);
    return this.#text(start, start + length);
  }

  /** The source's first bytes, however many of them were parsed; fetched if need be, not copied. */
  async prefix(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const position = this.position;
    this.position = 0;
    const bytes = await this.attempt(() => this.bytes(length));
    this.position = position;
    return bytes;
  }

  /** An error about what stands at `position`; the sentence goes on after "NAME, byte N: ". */
  error(code: PixelErrorCode, sentence: string): PixelError {
    return new PixelError(code, `${this.#source.name}, byte ${this.position}: ${sentence}.`, {
      details: { offset: this.position },
    });
  }

  /** The error for `length` bytes at `position` that the source does not have. */
  truncated(length: number, what = 'the next field'): PixelError {
    return this.error(
      'truncated',
      `${what} needs ${length} bytes, but the file ends after ${this.remaining}: it is incomplete or damaged`,
    );
  }

  tooMany(value: number | bigint, limit: number, what: string): PixelError {
    return this.error('limit-exceeded', `${what} is ${value}, above the limit of ${limit}`);
  }
}
