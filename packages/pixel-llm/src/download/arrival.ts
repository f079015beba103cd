/**
 * What can be said of a model's file while it arrives: whether it is one at all, from its first bytes; and of a picture, that
 * every line is right. GGUF holds no checksums.
 */
import { MemoryByteSource } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import { ArrivingPicture } from '../png/arriving-picture.ts';
import { recognizeModel } from '../pxi/open-weights.ts';

/** Enough to recognize what people take for models. */
const OPENING_BYTES = 512;

export class Arrival {
  readonly #name: string;
  readonly #size: number;
  readonly #opening: Uint8Array<ArrayBuffer>;
  #arrived = 0;
  #picture: ArrivingPicture | undefined;

  /** `size`: bytes of the whole file. */
  constructor(name: string, size: number) {
    this.#name = name;
    this.#size = size;
    this.#opening = new Uint8Array(Math.min(size, OPENING_BYTES));
  }

  /** Takes the next bytes. Throws `unknown-format`, `damaged-picture`, `bad-png`. */
  async push(bytes: Uint8Array): Promise<void> {
    const missing = this.#opening.length - this.#arrived;
    this.#arrived += bytes.length;
    if (missing <= 0) return this.#picture?.push(bytes);
    this.#opening.set(bytes.subarray(0, missing), this.#opening.length - missing);
    if (bytes.length < missing) return;
    const format = await recognizeModel(new MemoryByteSource(this.#opening, this.#name));
    if (format === 'gguf') return;
    this.#picture = new ArrivingPicture(this.#name, this.#size);
    this.#picture.push(this.#opening);
    this.#picture.push(bytes.subarray(missing));
  }

  /** For when all has arrived. Throws `truncated`. */
  finish(): void {
    if (this.#picture && !this.#picture.isComplete) {
      throw new PixelError(
        'truncated',
        `${this.#name} ends in the middle of the picture: what the server has is incomplete.`,
      );
    }
  }

  /** True when its bytes carry checksums. */
  get isChecked(): boolean {
    return this.#picture !== undefined;
  }

  /** Drops what is not known to be right; gives how many bytes from the start are left. They need not be pushed again. */
  rewind(): number {
    this.#picture?.rewind();
    this.#arrived = this.#picture?.checkedBytes ?? 0;
    return this.#arrived;
  }
}
