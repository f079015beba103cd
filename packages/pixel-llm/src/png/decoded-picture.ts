/**
 * A picture that another program wrote again (or this one, compressed): its pixels are inflated before they can be read.
 * A small one is kept in memory once decoded; a large one is decoded in passes from top to bottom, in constant memory,
 * so that reading it in order costs one pass.
 */
import { type ByteSource, type ReadOptions, totalLength } from '../core/byte-source.ts';
import { isPixelError, PixelError, throwIfAborted } from '../core/errors.ts';
import type { WorkOptions } from '../core/progress.ts';
import { checkDecodedBytes, decodeLines } from './decode-lines.ts';
import { checkRaster } from './mappable-picture.ts';
import type { LineDamage, Picture, Superblock } from './picture.ts';
import type { PngLayout } from './png-layout.ts';

/** Lines between two looks at the progress. */
const PROGRESS_LINES = 64;

export class DecodedPicture implements Picture {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly access = 'decoded';
  readonly superblock: Superblock;
  readonly #source: ByteSource;
  readonly #layout: PngLayout;
  readonly #memoryBytes: number;
  #pixels: Uint8Array | undefined;
  #pass: DecodingPass | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(source: ByteSource, layout: PngLayout, superblock: Superblock, memoryBytes: number) {
    this.#source = source;
    this.#layout = layout;
    this.name = source.name;
    this.width = superblock.width;
    this.height = superblock.height;
    this.superblock = superblock;
    this.#memoryBytes = memoryBytes;
  }

  async readPixels(offset: number, targets: readonly Uint8Array[], options: ReadOptions = {}): Promise<void> {
    checkRaster(this, offset, totalLength(targets));
    // One reader at a time: they share the pass, or the one decoding into memory.
    const turn = this.#queue.then(() => this.#read(offset, targets, options));
    this.#queue = turn.catch(() => {});
    return turn;
  }

  async verify({ signal, onProgress }: WorkOptions = {}): Promise<readonly LineDamage[]> {
    let line = 0;
    try {
      for await (const _ of decodeLines(this.#source, this.#layout, { signal })) {
        line++;
        if (line % PROGRESS_LINES === 0 || line === this.height) {
          onProgress?.({ phase: 'verifying', done: line, total: this.height, unit: 'lines' });
        }
      }
      return [];
    } catch (error) {
      if (!isPixelError(error) || error.code === 'aborted') throw error;
      return [{ line, message: `From line ${line} on: ${error.message}` }];
    }
  }

  async dispose(): Promise<void> {
    await this.#pass?.dispose();
    this.#pass = undefined;
    this.#pixels = undefined;
    await this.#source.dispose();
  }

  async #read(offset: number, targets: readonly Uint8Array[], { signal }: ReadOptions): Promise<void> {
    throwIfAborted(signal);
    if (4 * this.width * this.height <= this.#memoryBytes) {
      this.#pixels ??= await this.#decodeAll(signal);
      let at = offset;
      for (const target of targets) {
        target.set(this.#pixels.subarray(at, at + target.length));
        at += target.length;
      }
      return;
    }
    if (!this.#pass || this.#pass.offset > offset) {
      await this.#pass?.dispose();
      this.#pass = new DecodingPass(decodeLines(this.#source, this.#layout));
    }
    try {
      await this.#pass.skipTo(offset, signal);
      for (const target of targets) await this.#pass.fill(target, signal);
    } catch (error) {
      await this.#pass.dispose();
      this.#pass = undefined;
      throw error;
    }
  }

  async #decodeAll(signal: AbortSignal | undefined): Promise<Uint8Array> {
    checkDecodedBytes(this.name, this.width, this.height);
    const pixels = new Uint8Array(4 * this.width * this.height);
    let at = 0;
    for await (const line of decodeLines(this.#source, this.#layout, { signal })) {
      pixels.set(line, at);
      at += line.length;
    }
    return pixels;
  }
}

/** One decoding from top to bottom, and how far it has come. */
class DecodingPass {
  readonly #lines: AsyncGenerator<Uint8Array, void, void>;
  #line: Uint8Array = new Uint8Array(0);
  offset = 0;

  constructor(lines: AsyncGenerator<Uint8Array, void, void>) {
    this.#lines = lines;
  }

  async skipTo(offset: number, signal: AbortSignal | undefined): Promise<void> {
    while (this.offset < offset) this.#take((await this.#current(signal)).subarray(0, offset - this.offset).length);
  }

  async fill(target: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    for (let at = 0; at < target.length; ) {
      const part = (await this.#current(signal)).subarray(0, target.length - at);
      target.set(part, at);
      at += part.length;
      this.#take(part.length);
    }
  }

  async dispose(): Promise<void> {
    await this.#lines.return();
  }

  /** What is left of the current line; the next line if nothing is. */
  async #current(signal: AbortSignal | undefined): Promise<Uint8Array> {
    if (this.#line.length > 0) return this.#line;
    throwIfAborted(signal);
    const { done, value } = await this.#lines.next();
    if (done) throw new PixelError('damaged-picture', 'The picture ends before the pixels asked for: fetch it again.');
    this.#line = value;
    return value;
  }

  #take(count: number): void {
    this.#line = this.#line.subarray(count);
    this.offset += count;
  }
}
