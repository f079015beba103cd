/**
 * Where bytes are read from: one small interface over a file, memory, a Blob or HTTP ranges.
 * Every reader of the project takes a ByteSource, so each format works over each of them.
 */
import { PixelError, throwIfAborted } from './errors.ts';

export interface ReadOptions {
  signal?: AbortSignal | undefined;
}

export interface ByteSource {
  /** What to call it in messages: a path, a URL, "memory". */
  readonly name: string;
  /** Length in bytes. */
  readonly size: number;
  /**
   * Fills the targets, one after the other, with the bytes that start at `offset` (scatter read).
   * Throws `truncated` when the source ends first, `aborted`, `io` or `http`.
   */
  read(offset: number, targets: readonly Uint8Array[], options?: ReadOptions): Promise<void>;
  /** Closes what was opened; harmless twice. */
  dispose(): Promise<void>;
}

/** Reads `length` bytes into a new array; the caller has checked `length` against a limit. */
export async function readBytes(
  source: ByteSource,
  offset: number,
  length: number,
  options?: ReadOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  checkRange(source, offset, length);
  const bytes = new Uint8Array(length);
  await source.read(offset, [bytes], options);
  return bytes;
}

/** Throws `truncated` unless [offset, offset + length) lies inside the source. */
export function checkRange(source: { name: string; size: number }, offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) {
    throw new PixelError('bad-argument', `${source.name}: a read of ${length} bytes at ${offset} makes no sense.`);
  }
  if (offset + length > source.size) {
    throw new PixelError(
      'truncated',
      `${source.name} ends at byte ${source.size}, but bytes ${offset} to ${offset + length} are needed: the file is incomplete.`,
      { details: { offset, length, size: source.size } },
    );
  }
}

/** Total length of scatter-read targets. */
export function totalLength(targets: readonly Uint8Array[]): number {
  let length = 0;
  for (const target of targets) length += target.length;
  return length;
}

/** A ByteSource over bytes that are already in memory. */
export class MemoryByteSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, name = 'memory') {
    this.#bytes = bytes;
    this.size = bytes.length;
    this.name = name;
  }

  async read(offset: number, targets: readonly Uint8Array[], { signal }: ReadOptions = {}): Promise<void> {
    throwIfAborted(signal);
    checkRange(this, offset, totalLength(targets));
    let at = offset;
    for (const target of targets) {
      target.set(this.#bytes.subarray(at, at + target.length));
      at += target.length;
    }
  }

  async dispose(): Promise<void> {}
}

/** A ByteSource over a Blob or File: what a browser's file picker gives. */
export class BlobByteSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #blob: Blob;

  constructor(blob: Blob & { readonly name?: string }) {
    this.#blob = blob;
    this.size = blob.size;
    this.name = blob.name ?? 'blob';
  }

  async read(offset: number, targets: readonly Uint8Array[], { signal }: ReadOptions = {}): Promise<void> {
    throwIfAborted(signal);
    const length = totalLength(targets);
    checkRange(this, offset, length);
    const bytes = new Uint8Array(await this.#blob.slice(offset, offset + length).arrayBuffer());
    await new MemoryByteSource(bytes, this.name).read(0, targets);
  }

  async dispose(): Promise<void> {}
}
