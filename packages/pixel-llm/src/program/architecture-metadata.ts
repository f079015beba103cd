/**
 * The metadata of one architecture (`llama.block_count`, ...), each number read with its check, so that nothing unchecked reaches
 * the functions that build a Program.
 */
import { PixelError } from '../core/errors.ts';
import { type Metadata, metadataNumber, metadataString } from '../gguf/head.ts';

/** Reads numbers under one architecture's prefix, each with its check. */
export class ArchitectureMetadata {
  readonly #metadata: Metadata;
  readonly #architecture: string;

  constructor(metadata: Metadata, architecture: string) {
    this.#metadata = metadata;
    this.#architecture = architecture;
  }

  key(name: string): string {
    return `${this.#architecture}.${name}`;
  }

  text(name: string): string | undefined {
    return metadataString(this.#metadata, this.key(name));
  }

  /** A finite number, or the fallback where the key is missing. */
  number(name: string, fallback?: number): number {
    const value = metadataNumber(this.#metadata, this.key(name)) ?? fallback;
    if (value === undefined) throw new PixelError('bad-metadata', `The model's metadata lack "${this.key(name)}".`);
    this.require(Number.isFinite(value), name, 'be a finite number');
    return value;
  }

  positive(name: string, fallback?: number): number {
    const value = this.number(name, fallback);
    this.require(value > 0, name, 'be above 0');
    return value;
  }

  /** A whole number from 1 to `most`. */
  count(name: string, most: number, fallback?: number): number {
    const value = this.number(name, fallback);
    if (value > most) {
      throw new PixelError('limit-exceeded', `The model's "${this.key(name)}" is ${value}; the limit is ${most}.`);
    }
    this.require(Number.isInteger(value) && value >= 1, name, 'be a whole number of at least 1');
    return value;
  }

  /** The sliding window, where it hides anything within the context. 0 stands for none. */
  window(contextLength: number): number | undefined {
    const value = this.number('attention.sliding_window', 0);
    if (value === 0 || value >= contextLength) return undefined;
    return this.count('attention.sliding_window', contextLength);
  }

  /** Refuses a model with a feature that nobody here computes, rather than computing it wrongly. */
  refuse(name: string, what: string): void {
    if (this.number(name, 0) === 0) return;
    throw new PixelError(
      'unknown-architecture',
      `This ${this.#architecture} model ${what} ("${this.key(name)}"), which is not supported.`,
    );
  }

  require(holds: boolean, name: string, what: string): void {
    if (holds) return;
    const value = metadataNumber(this.#metadata, this.key(name)) ?? 'missing, and what stands for it does not fit';
    throw new PixelError('bad-metadata', `The model's "${this.key(name)}" must ${what}, but is ${value}.`);
  }
}
