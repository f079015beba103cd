/** Little-endian writing into memory that grows: the writer of GGUF heads builds its bytes with it. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(4096);
  #view: DataView = new DataView(this.#bytes.buffer);
  #length = 0;
  readonly #encoder: TextEncoder = new TextEncoder();

  get length(): number {
    return this.#length;
  }

  /** The bytes written so far, not copied. */
  result(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  uint32(value: number): void {
    this.write(4, (view, at) => view.setUint32(at, value, true));
  }

  uint64(value: number | bigint): void {
    this.write(8, (view, at) => view.setBigUint64(at, BigInt(value), true));
  }

  /** Reserves `length` bytes and lets `put` set them. */
  write(length: number, put: (view: DataView, at: number) => void): void {
    this.#reserve(length);
    put(this.#view, this.#length);
    this.#length += length;
  }

  bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Length as uint64, then UTF-8. A lone surrogate becomes U+FFFD. */
  text(text: string): void {
    this.#reserve(8 + 3 * text.length);
    const { written } = this.#encoder.encodeInto(text, this.#bytes.subarray(this.#length + 8));
    this.uint64(written);
    this.#length += written;
  }

  /** Zeros up to a multiple of `alignment`. */
  align(alignment: number): void {
    const padding = -this.#length & (alignment - 1);
    this.#reserve(padding);
    this.#length += padding;
  }

  #reserve(length: number): void {
    const needed = this.#length + length;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}
