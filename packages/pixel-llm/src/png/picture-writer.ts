/**
 * Writes a picture from top to bottom, in constant memory: line 0 kept free for the superblock, the caller's bytes from
 * line 1 on, the manifest on a line of its own; then the superblock, the height and the checksums go to their places.
 */
import type { ByteSink } from '../core/byte-sink.ts';
import { PixelError } from '../core/errors.ts';
import { adler32, combineAdler32 } from '../core/hashing.ts';
import { LIMITS } from '../core/limits.ts';
import { createDeflatedLines } from './deflated-lines.ts';
import type { LineBody } from './line-body.ts';
import { ADLER_OF_FILTER_BYTE, RECORD_HEAD, recordHead, recordStride, sealRecord } from './line-record.ts';
import type { PictureKind, PictureWriter, Superblock } from './picture.ts';
import { encodeFront, encodeTail } from './picture-frame.ts';
import { createStoredLines } from './stored-lines.ts';
import { encodeSuperblockLine, FORMAT_VERSION, isPictureWidth } from './superblock.ts';

export interface PictureWriterOptions {
  /** Pixels a line: a power of two from 64 to 8192. */
  readonly width: number;
  readonly kind: PictureKind;
  /** Deflates the lines: a smaller file that is read by the slow path. */
  readonly compress?: boolean;
}

const ZEROS = new Uint8Array(65_536);

/** Starts a picture. Throws `bad-argument` for a width it cannot have; when it throws, the sink is untouched. */
export async function createPictureWriter(
  sink: ByteSink,
  { width, kind, compress = false }: PictureWriterOptions,
): Promise<PictureWriter> {
  if (!isPictureWidth(width)) {
    throw new PixelError(
      'bad-argument',
      `A picture cannot be ${width} pixels wide: it takes a power of two, 64 to 8192.`,
    );
  }
  const front = encodeFront(width, 1, kind);
  await sink.write([front, encodeRecord(width, ZEROS.subarray(0, 4 * width))]);
  const body = compress ? createDeflatedLines(sink, width) : createStoredLines(sink, width);
  return new BodyWriter(sink, body, width, kind, front.length);
}

class BodyWriter implements PictureWriter {
  readonly width: number;
  readonly #sink: ByteSink;
  readonly #body: LineBody;
  readonly #kind: PictureKind;
  readonly #frontBytes: number;
  readonly #lineBytes: number;
  #offset: number;
  #ended = false;

  constructor(sink: ByteSink, body: LineBody, width: number, kind: PictureKind, frontBytes: number) {
    this.#sink = sink;
    this.#body = body;
    this.width = width;
    this.#kind = kind;
    this.#frontBytes = frontBytes;
    this.#lineBytes = 4 * width;
    this.#offset = this.#lineBytes;
  }

  get offset(): number {
    return this.#offset;
  }

  async append(chunks: readonly Uint8Array[]): Promise<void> {
    if (this.#ended) throw new PixelError('disposed', `${this.#sink.name}: the picture is already complete.`);
    for (const chunk of chunks) {
      if (this.#offset + chunk.length > LIMITS.pictureSide * this.#lineBytes) {
        throw new PixelError(
          'limit-exceeded',
          `${this.#sink.name}: more than ${LIMITS.pictureSide} lines of ${this.width} pixels; use a greater width.`,
        );
      }
      await this.#body.append(chunk);
      this.#offset += chunk.length;
    }
  }

  async align(bytes: number): Promise<void> {
    let missing = (bytes - (this.#offset % bytes)) % bytes;
    while (missing > 0) {
      const part = ZEROS.subarray(0, missing);
      await this.append([part]);
      missing -= part.length;
    }
  }

  async finish(manifest: Uint8Array): Promise<Superblock> {
    await this.align(this.#lineBytes);
    const run = { offset: this.#offset, byteLength: manifest.length };
    await this.append([manifest]);
    await this.align(this.#lineBytes);
    this.#ended = true;
    const height = this.#offset / this.#lineBytes;
    const superblock: Superblock = {
      formatVersion: FORMAT_VERSION,
      kind: this.#kind,
      width: this.width,
      height,
      manifest: run,
    };
    const line = encodeSuperblockLine(superblock);
    const others = await this.#body.finish();
    const adler = combineAdler32(adler32(line, ADLER_OF_FILTER_BYTE), others, (height - 1) * (this.#lineBytes + 1));
    await this.#sink.write([encodeTail(adler, { ended: this.#body.endsStream })]);
    await this.#sink.writeAt(this.#frontBytes, encodeRecord(this.width, line));
    await this.#sink.writeAt(0, encodeFront(this.width, height, this.#kind));
    await this.#sink.commit();
    return superblock;
  }

  async abort(): Promise<void> {
    this.#ended = true;
    await this.#body.abort();
    await this.#sink.abort();
  }
}

/** One line record of the mappable profile. */
function encodeRecord(width: number, line: Uint8Array): Uint8Array<ArrayBuffer> {
  const record = new Uint8Array(recordStride(width));
  record.set(recordHead(width));
  record.set(line, RECORD_HEAD);
  sealRecord(record, 0, width);
  return record;
}
