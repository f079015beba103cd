/**
 * A picture whose pixels are read where they lie: line records at a constant stride. What a file declares is never trusted:
 * the frame of every line that a read passes over is compared, and a line that is none is named.
 */
import { type ByteSource, type ReadOptions, totalLength } from '../core/byte-source.ts';
import { PixelError, throwIfAborted } from '../core/errors.ts';
import { combineAdler32 } from '../core/hashing.ts';
import type { WorkOptions } from '../core/progress.ts';
import { type AdlerMemory, createAdlerMemory } from './adler-memory.ts';
import {
  ADLER_OF_FILTER_BYTE,
  RECORD_FRAME,
  RECORD_HEAD,
  RECORD_REMAINDER,
  recordCrc,
  recordHead,
  recordStride,
} from './line-record.ts';
import type { LineDamage, Picture, Superblock } from './picture.ts';
import { TAIL_BYTES } from './picture-frame.ts';
import { verifyFrame, verifyStreamEnd } from './verify-frame.ts';

/** Lines a scatter read takes: two buffers each, below the 1024 that one system call takes. */
const LINES_A_READ = 256;
/** Bytes of each of the two buffers of `verify`. */
const VERIFY_BYTES = 4 * 1024 * 1024;
/** `verify` names this many damaged lines one by one. */
const MOST_NAMED_LINES = 1000;

export interface MappablePlace {
  /** Where line 0's record starts. */
  readonly start: number;
  readonly width: number;
  readonly height: number;
}

export class MappablePicture implements Picture {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly access = 'mappable';
  readonly superblock: Superblock;
  readonly #source: ByteSource;
  readonly #start: number;
  readonly #stride: number;
  readonly #head: Uint32Array;

  constructor(source: ByteSource, { start, width, height }: MappablePlace, superblock: Superblock) {
    this.#source = source;
    this.#start = start;
    this.name = source.name;
    this.width = width;
    this.height = height;
    this.superblock = superblock;
    this.#stride = recordStride(width);
    this.#head = new Uint32Array(recordHead(width).buffer);
  }

  async readPixels(offset: number, targets: readonly Uint8Array[], options?: ReadOptions): Promise<void> {
    checkRaster(this, offset, totalLength(targets));
    const lineBytes = 4 * this.width;
    const end = offset + totalLength(targets);
    const mostLines = Math.min(LINES_A_READ, Math.ceil((end - offset) / lineBytes) + 1);
    const gaps = new Uint32Array((mostLines * RECORD_FRAME) / 4);
    const cursor = { index: 0, skip: 0 };
    for (let at = offset; at < end; ) {
      const line = Math.floor(at / lineBytes);
      const stop = Math.min(end, (line + LINES_A_READ) * lineBytes);
      const buffers = this.#scatter(targets, cursor, at, stop, gaps);
      await this.#source.read(this.#start + line * this.#stride + RECORD_HEAD + (at % lineBytes), buffers, options);
      this.#checkGaps(gaps, line, Math.ceil(stop / lineBytes) - line - 1);
      at = stop;
    }
  }

  async verify({ signal, onProgress }: WorkOptions = {}): Promise<readonly LineDamage[]> {
    const damages = new DamageList(await verifyFrame(this.#source, this.#tailOffset, { signal }));
    const linesABlock = Math.min(this.height, Math.max(1, Math.floor(VERIFY_BYTES / this.#stride)));
    const blocks = [0, 1].map(() => createAdlerMemory(RECORD_REMAINDER + linesABlock * this.#stride));
    const read = (line: number, { bytes }: AdlerMemory) => {
      const length = Math.min(linesABlock, this.height - line) * this.#stride;
      const records = bytes.subarray(RECORD_REMAINDER, RECORD_REMAINDER + length);
      return this.#source.read(this.#start + line * this.#stride, [records], { signal });
    };
    let adler = 1;
    let underway = read(0, blocks[0]!);
    for (let line = 0, turn = 0; line < this.height; line += linesABlock, turn ^= 1) {
      await underway;
      throwIfAborted(signal);
      if (line + linesABlock < this.height) underway = read(line + linesABlock, blocks[turn ^ 1]!);
      // A failure is thrown where `underway` is awaited next.
      underway.catch(() => {});
      const lines = Math.min(linesABlock, this.height - line);
      for (let i = 0; i < lines; i++) {
        const at = RECORD_REMAINDER + i * this.#stride;
        damages.add(this.#lineDamage(blocks[turn]!.bytes, at, line + i));
        const ofLine = blocks[turn]!.adler32(at + RECORD_HEAD, 4 * this.width, ADLER_OF_FILTER_BYTE);
        adler = combineAdler32(adler, ofLine, 4 * this.width + 1);
      }
      onProgress?.({ phase: 'verifying', done: line + lines, total: this.height, unit: 'lines' });
    }
    if (damages.isEmpty) damages.add(await verifyStreamEnd(this.#source, this.#tailOffset, adler, { signal }));
    return damages.finish();
  }

  dispose(): Promise<void> {
    return this.#source.dispose();
  }

  get #tailOffset(): number {
    return this.#start + this.height * this.#stride;
  }

  /** The targets' next bytes up to raster offset `stop`, with the 48 bytes between two lines going to `gaps`. */
  #scatter(
    targets: readonly Uint8Array[],
    cursor: { index: number; skip: number },
    offset: number,
    stop: number,
    gaps: Uint32Array,
  ): Uint8Array[] {
    const lineBytes = 4 * this.width;
    const buffers: Uint8Array[] = [];
    let gap = 0;
    for (let at = offset; at < stop; ) {
      const target = targets[cursor.index]!;
      const count = Math.min(target.length - cursor.skip, stop - at, lineBytes - (at % lineBytes));
      if (count > 0) buffers.push(target.subarray(cursor.skip, cursor.skip + count));
      at += count;
      cursor.skip += count;
      if (cursor.skip === target.length) {
        cursor.index++;
        cursor.skip = 0;
      }
      if (count > 0 && at % lineBytes === 0 && at < stop) {
        buffers.push(new Uint8Array(gaps.buffer, gap++ * RECORD_FRAME, RECORD_FRAME));
      }
    }
    return buffers;
  }

  #checkGaps(gaps: Uint32Array, line: number, count: number): void {
    const head = this.#head;
    for (let gap = 0; gap < count; gap++) {
      const at = (gap * RECORD_FRAME) / 4 + 1;
      for (let word = 0; word < head.length; word++) {
        if (gaps[at + word] !== head[word]) throw this.#brokenFrame(line + gap + 1);
      }
    }
  }

  #brokenFrame(line: number): PixelError {
    return new PixelError(
      'damaged-picture',
      `${this.name}: line ${line} does not start where it has to: bytes were changed, lost or added; get the file again.`,
      { details: { line } },
    );
  }

  /** What is wrong with the line whose record stands at `at` in the block. */
  #lineDamage(block: Uint8Array, at: number, line: number): LineDamage | undefined {
    const record = new DataView(block.buffer, block.byteOffset + at, this.#stride);
    for (let word = 0; word < this.#head.length; word++) {
      if (record.getUint32(word * 4, true) !== this.#head[word]) {
        return { line, message: `Line ${line}: the bytes that frame the line were changed.` };
      }
    }
    if (record.getUint32(this.#stride - 4) === recordCrc(block, at, this.width)) return undefined;
    return { line, message: `Line ${line}: its CRC does not match its pixels.` };
  }
}

/** What `verify` found; of very many damaged lines only the first are named, so that memory stays bounded. */
class DamageList {
  readonly #damages: LineDamage[];
  #unnamed = 0;

  constructor(damages: readonly LineDamage[]) {
    this.#damages = [...damages];
  }

  get isEmpty(): boolean {
    return this.#damages.length === 0;
  }

  add(damage: LineDamage | undefined): void {
    if (!damage) return;
    if (this.#damages.length < MOST_NAMED_LINES) this.#damages.push(damage);
    else this.#unnamed++;
  }

  finish(): readonly LineDamage[] {
    if (this.#unnamed === 0) return this.#damages;
    return [...this.#damages, { line: -1, message: `${this.#unnamed} more lines are damaged.` }];
  }
}

/** Throws `bad-argument` unless the bytes lie inside the raster. */
export function checkRaster(
  { name, width, height }: { name: string; width: number; height: number },
  offset: number,
  length: number,
): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset + length > 4 * width * height) {
    throw new PixelError(
      'bad-argument',
      `${name}: pixel bytes ${offset} to ${offset + length} lie outside its ${width} x ${height} pixels.`,
    );
  }
}

/** Bytes a mappable picture of this size takes from its first record on. */
export function recordedBytes(width: number, height: number): number {
  return height * recordStride(width) + TAIL_BYTES;
}
