/** PixelFS, reading: the file whose bytes are a picture's pixels. */
import type { ByteSource, ReadOptions } from '../core/byte-source.ts';
import { isPixelError, PixelError, throwIfAborted } from '../core/errors.ts';
import { createSha256 } from '../core/hashing.ts';
import type { WorkOptions } from '../core/progress.ts';
import { type BytesManifest, bytesManifestSchema, readManifest } from './manifest.ts';
import { openPicture } from './open-picture.ts';
import type { LineDamage, Picture } from './picture.ts';

/** Bytes a step of `stream`; two steps are in memory at once. */
const STEP_BYTES = 4 * 1024 * 1024;
/** A picture that has to be inflated is kept in memory up to this size. */
const DECODED_MEMORY = 67_108_864;
/** Lines a viewer can be expected to show at 8192 pixels a line: what still fits 256 MiB as a texture. */
const MOST_VIEWED_LINES = 8176;

/** What `info` says of a picture. */
export interface PixelFileInfo {
  readonly name: string;
  readonly byteLength: number;
  readonly sha256: string;
  readonly createdBy: string;
  readonly formatVersion: number;
  readonly width: number;
  readonly height: number;
  readonly access: Picture['access'];
  /** Bytes of the PNG itself. */
  readonly pictureBytes: number;
  /** What a person should know before opening it in a viewer. */
  readonly note?: string;
}

/**
 * Opens a picture that holds a file. It owns the source from then on; when this throws, the source is closed.
 * Throws what openPicture throws, `unknown-format` for a picture of another kind, `bad-manifest`.
 */
export async function openPixelFs(source: ByteSource, { signal }: ReadOptions = {}): Promise<PixelFile> {
  const picture = await openPicture(source, { signal, decodedMemory: DECODED_MEMORY });
  try {
    return await fileOf(picture, source.size, signal);
  } catch (error) {
    await picture.dispose();
    throw error;
  }
}

/**
 * Checks a picture that holds a file as PixelFile.verify does, and also one whose manifest is damaged: its lines are named.
 * Closes the source. Throws what openPicture throws when line 0 itself cannot be read, and `unknown-format`.
 */
export async function verifyPixelFs(source: ByteSource, options: WorkOptions = {}): Promise<readonly LineDamage[]> {
  const picture = await openPicture(source, { signal: options.signal, decodedMemory: DECODED_MEMORY });
  try {
    const file = await fileOf(picture, source.size, options.signal);
    return await file.verify(options);
  } catch (error) {
    if (!isPixelError(error, 'bad-manifest') && !isPixelError(error, 'damaged-picture')) throw error;
    return [...(await picture.verify(options)), { line: -1, message: error.message }];
  } finally {
    await picture.dispose();
  }
}

async function fileOf(picture: Picture, pictureBytes: number, signal: AbortSignal | undefined): Promise<PixelFile> {
  if (picture.superblock.kind !== 'bytes') throw otherKind(picture);
  const manifest = await readManifest(picture, bytesManifestSchema, { signal });
  const { data } = manifest;
  if (data.offset < 4 * picture.width || data.offset + data.byteLength > picture.superblock.manifest.offset) {
    throw new PixelError(
      'bad-manifest',
      `${picture.name}: its manifest places the data outside the picture: get the original file.`,
    );
  }
  return new PixelFile(picture, manifest, pictureBytes);
}

export class PixelFile {
  readonly #picture: Picture;
  readonly #manifest: BytesManifest;
  readonly #pictureBytes: number;

  /** For openPixelFs. */
  constructor(picture: Picture, manifest: BytesManifest, pictureBytes: number) {
    this.#picture = picture;
    this.#manifest = manifest;
    this.#pictureBytes = pictureBytes;
  }

  /** The name it was written with; may be empty. Not fit as a path without a check. */
  get name(): string {
    return this.#manifest.name;
  }

  /** Bytes of the file. */
  get size(): number {
    return this.#manifest.data.byteLength;
  }

  /** Bytes [offset, offset + length) of the file; its hash is not checked. Throws `bad-argument` outside the file. */
  async read(offset: number, length: number, options?: ReadOptions): Promise<Uint8Array<ArrayBuffer>> {
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) {
      throw new PixelError('bad-argument', `${this.#picture.name}: ${length} bytes at ${offset} cannot be read.`);
    }
    if (offset + length > this.size) {
      throw new PixelError(
        'bad-argument',
        `${this.#picture.name}: bytes ${offset} to ${offset + length} lie outside the file of ${this.size} bytes.`,
      );
    }
    const bytes = new Uint8Array(length);
    await this.#picture.readPixels(this.#manifest.data.offset + offset, [bytes], options);
    return bytes;
  }

  /** The whole file, its SHA-256 checked. Throws `damaged-picture`. */
  async readAll(options: WorkOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await this.read(0, this.size, options);
    const hash = createSha256();
    hash.update(bytes);
    this.#checkHash(hash.digestHex());
    return bytes;
  }

  /**
   * The file in pieces, in constant memory. After the last one its SHA-256 is checked: only when the loop ends without
   * `damaged-picture` were the bytes those that were written.
   */
  async *stream({ signal, onProgress }: WorkOptions = {}): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
    const hash = createSha256();
    const step = (offset: number) => this.read(offset, Math.min(STEP_BYTES, this.size - offset), { signal });
    let ahead = step(0);
    for (let offset = 0; offset < this.size; offset += STEP_BYTES) {
      const bytes = await ahead;
      throwIfAborted(signal);
      if (offset + STEP_BYTES < this.size) ahead = step(offset + STEP_BYTES);
      // A failure is thrown where `ahead` is awaited next.
      ahead.catch(() => {});
      hash.update(bytes);
      yield bytes;
      onProgress?.({ phase: 'reading', done: offset + bytes.length, total: this.size, unit: 'bytes' });
    }
    await ahead;
    this.#checkHash(hash.digestHex());
  }

  /** Checks every line's CRC, the picture's frame and, if no line is damaged, the file's SHA-256. Empty means sound. */
  async verify(options: WorkOptions = {}): Promise<readonly LineDamage[]> {
    const damages = await this.#picture.verify(options);
    if (damages.some(({ line }) => line >= 0)) return damages;
    try {
      for await (const _ of this.stream(options));
      return damages;
    } catch (error) {
      if (!isPixelError(error, 'damaged-picture')) throw error;
      return [...damages, { line: -1, message: error.message }];
    }
  }

  info(): PixelFileInfo {
    const { width, height, access } = this.#picture;
    const { name, data, sha256, createdBy, formatVersion } = this.#manifest;
    const note = viewerNote(height);
    return {
      name,
      byteLength: data.byteLength,
      sha256,
      createdBy,
      formatVersion,
      width,
      height,
      access,
      pictureBytes: this.#pictureBytes,
      ...(note ? { note } : {}),
    };
  }

  /** Closes the source; harmless twice. */
  dispose(): Promise<void> {
    return this.#picture.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #checkHash(sha256: string): void {
    if (sha256 === this.#manifest.sha256) return;
    throw new PixelError(
      'damaged-picture',
      `${this.#picture.name}: its bytes are not those that were written (their SHA-256 differs): pixels were changed after line 0; get the original file.`,
    );
  }
}

/** A sentence for pictures that are taller than viewers can be expected to open. */
export function viewerNote(height: number): string | undefined {
  if (height <= MOST_VIEWED_LINES) return undefined;
  return `The picture has ${height} lines; many viewers open at most ${MOST_VIEWED_LINES}. Its data can be read all the same.`;
}

function otherKind(picture: Picture): PixelError {
  const { kind } = picture.superblock;
  const advice =
    kind === 'model' ? 'use `pixel-llm inspect`, `convert` or `run`' : 'it is not a file put by `pixel-llm fs put`';
  return new PixelError('unknown-format', `${picture.name} holds a picture of kind "${kind}": ${advice}.`);
}
