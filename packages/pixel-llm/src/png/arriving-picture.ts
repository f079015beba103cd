/**
 * Checks a PNG while it arrives, a piece at a time and in constant memory: each chunk's CRC as soon as the chunk is whole. In a
 * mappable picture a chunk is a line of pixels, so a fault is known, and named, at its line.
 */
import { PixelError } from '../core/errors.ts';
import { crc32 } from '../core/hashing.ts';
import { CHUNK_FRAME, decodeHeader, PNG_SIGNATURE } from './chunks.ts';
import { recordStride } from './line-record.ts';
import { recordedBytes } from './mappable-picture.ts';

/** Bytes of a chunk's length and type, and of the CRC after its data. */
const HEAD_BYTES = 8;
const CRC_BYTES = 4;
/** Data bytes of an IHDR chunk. */
const HEADER_BYTES = 13;

export class ArrivingPicture {
  readonly #name: string;
  readonly #size: number;
  /** What of the signature, a chunk's head, the IHDR's data or a CRC has arrived. */
  readonly #small = new Uint8Array(16);
  #filled = 0;
  #part: 'signature' | 'head' | 'data' | 'crc' | 'end' = 'signature';
  #type = '';
  #length = 0;
  #left = 0;
  #crc = 0;
  #checked = 0;
  #width = 0;
  #height = 0;
  /** Lines of a mappable picture, 0 until the first IDAT tells that it is one; and how many of them have arrived. */
  #lines = 0;
  #line = 0;

  /** `size`: bytes of the whole file. */
  constructor(name: string, size: number) {
    this.#name = name;
    this.#size = size;
  }

  /** Bytes from the start that are known to be right: up to the end of the last whole chunk. */
  get checkedBytes(): number {
    return this.#checked;
  }

  /** True once the PNG's end has arrived. */
  get isComplete(): boolean {
    return this.#part === 'end';
  }

  /** Takes the next bytes. Throws `damaged-picture`, `bad-png`; after that only `rewind` makes sense. */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#part === 'end') throw this.#damage('bytes follow the end of the picture');
      at += this.#part === 'data' ? this.#takeData(bytes, at) : this.#takeSmall(bytes, at);
    }
  }

  /** Goes back to `checkedBytes`: the bytes after it will be pushed again. */
  rewind(): void {
    this.#part = this.#checked === 0 ? 'signature' : 'head';
    this.#filled = 0;
  }

  #takeData(bytes: Uint8Array, at: number): number {
    const count = Math.min(this.#left, bytes.length - at);
    const data = bytes.subarray(at, at + count);
    this.#crc = crc32(data, this.#crc);
    if (this.#type === 'IHDR') this.#keep(data);
    this.#left -= count;
    if (this.#left === 0) this.#endData();
    return count;
  }

  #endData(): void {
    if (this.#type === 'IHDR') {
      const { width, height } = decodeHeader(this.#small.slice(0, HEADER_BYTES), this.#name);
      this.#width = width;
      this.#height = height;
    }
    this.#part = 'crc';
    this.#filled = 0;
  }

  #takeSmall(bytes: Uint8Array, at: number): number {
    const needed = this.#part === 'crc' ? CRC_BYTES : HEAD_BYTES;
    const count = Math.min(needed - this.#filled, bytes.length - at);
    this.#keep(bytes.subarray(at, at + count));
    if (this.#filled < needed) return count;
    this.#filled = 0;
    if (this.#part === 'signature') this.#endSignature();
    else if (this.#part === 'head') this.#endHead();
    else this.#endChunk();
    return count;
  }

  #keep(bytes: Uint8Array): void {
    this.#small.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  #endSignature(): void {
    if (!PNG_SIGNATURE.every((byte, index) => this.#small[index] === byte)) {
      throw new PixelError('bad-png', `${this.#name} does not begin like a PNG: bytes were changed on the way.`);
    }
    this.#checked = PNG_SIGNATURE.length;
    this.#part = 'head';
  }

  #endHead(): void {
    this.#length = new DataView(this.#small.buffer).getUint32(0);
    this.#type = String.fromCharCode(...this.#small.subarray(4, HEAD_BYTES));
    const isFirst = this.#checked === PNG_SIGNATURE.length;
    const isChunk = /^[A-Za-z]{4}$/.test(this.#type) && this.#checked + CHUNK_FRAME + this.#length <= this.#size;
    const isHeader = this.#type === 'IHDR' && this.#length === HEADER_BYTES;
    const isLine = this.#type === 'IDAT' && this.#length === recordStride(this.#width) - CHUNK_FRAME;
    if (!isChunk || isFirst !== isHeader) throw this.#damage('no chunk stands where one has to');
    if (this.#isInLines && !isLine) throw this.#damage('the bytes that frame it are others');
    this.#crc = crc32(this.#small.subarray(4, HEAD_BYTES));
    this.#left = this.#length;
    this.#part = 'data';
    if (this.#left === 0) this.#endData();
  }

  #endChunk(): void {
    if (new DataView(this.#small.buffer).getUint32(0) !== this.#crc) throw this.#damage('its CRC does not match');
    this.#checked += CHUNK_FRAME + this.#length;
    if (this.#isInLines) this.#line++;
    else if (this.#type === 'IDAT' && this.#length === 2 && this.#lines === 0) this.#beginLines();
    this.#part = this.#type === 'IEND' ? 'end' : 'head';
  }

  /** The file's size tells whether records follow, or what another program or a compressing writer made. */
  #beginLines(): void {
    const isMappable = this.#checked + recordedBytes(this.#width, this.#height) === this.#size;
    if (isMappable) this.#lines = this.#height;
  }

  get #isInLines(): boolean {
    return this.#line < this.#lines;
  }

  #damage(what: string): PixelError {
    const where = this.#isInLines ? `line ${this.#line}` : `byte ${this.#checked}`;
    return new PixelError('damaged-picture', `${this.#name}, ${where}: ${what}: bytes were changed on the way.`, {
      details: { offset: this.#checked, ...(this.#isInLines && { line: this.#line }) },
    });
  }
}
