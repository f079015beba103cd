/**
 * The inflated contents of a PNG's IDAT chunks, as a stream in constant memory: the runtime's DecompressionStream, fed a
 * little at a time, so that a chunk that inflates a thousandfold stays within what back-pressure lets through.
 */
import type { ByteSource, ReadOptions } from '../core/byte-source.ts';
import { isPixelError, PixelError, throwIfAborted } from '../core/errors.ts';
import { crc32 } from '../core/hashing.ts';
import { CHUNK_FRAME, type Chunk, readChunk } from './chunks.ts';
import { createWindowSource } from './window-source.ts';

/** Bytes fed at once. Deflate grows at most 1032-fold, so one feed inflates to at most 34 MB. */
const FEED_BYTES = 32_768;
/** Bytes read at once: many programs write IDAT chunks of only 8 KiB. */
const READ_BYTES = 1_048_576;
/** Above this ratio no deflate stream is honest. */
const MOST_DEFLATE_RATIO = 1040;

/**
 * Yields inflated bytes until the zlib stream ends, and checks the IDAT chunks' CRCs and the stream's Adler-32 on the way.
 * `expected` is how many bytes the header promises: a file too short to hold them is refused before any work, and
 * reading stops beyond them. Throws `damaged-picture`, `truncated`, `aborted`.
 */
export async function* inflateData(
  source: ByteSource,
  firstData: Chunk,
  expected: number,
  { signal }: ReadOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  if (expected > (source.size - firstData.offset) * MOST_DEFLATE_RATIO) {
    throw new PixelError(
      'truncated',
      `${source.name} is far too short for the size its header declares: fetch it again.`,
    );
  }
  const stream = new DecompressionStream('deflate');
  const reader = stream.readable.getReader();
  const feeding = feed(createWindowSource(source, READ_BYTES), firstData, stream.writable.getWriter(), signal);
  let total = 0;
  try {
    for (;;) {
      throwIfAborted(signal);
      const { done, value } = await reader.read();
      if (done) break;
      total += value.length;
      if (total > expected) throw tooMuch(source.name);
      yield value;
    }
    await feeding;
  } catch (error) {
    throw await firstCause(error, feeding, source.name);
  } finally {
    feeding.catch(() => {});
    await reader.cancel().catch(() => {});
  }
  if (total < expected) {
    throw new PixelError(
      'damaged-picture',
      `${source.name}: its image data end after ${total} of ${expected} bytes: the file was cut or badly written; get the original.`,
    );
  }
}

/** Hands the IDAT chunks' data to the inflater. Chunks of any length, also none, may follow each other. */
async function feed(
  source: ByteSource,
  firstData: Chunk,
  input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    for (let chunk = firstData; chunk.type === 'IDAT'; ) {
      await feedChunk(source, chunk, input, signal);
      chunk = await readChunk(source, chunk.offset + CHUNK_FRAME + chunk.length, { signal });
    }
    await input.close();
  } catch (error) {
    // The reader's side fails too, and asks this promise for the cause.
    input.abort(error).catch(() => {});
    throw error;
  }
}

async function feedChunk(
  source: ByteSource,
  chunk: Chunk,
  input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>,
  signal: AbortSignal | undefined,
): Promise<void> {
  let crc = crc32(Uint8Array.of(0x49, 0x44, 0x41, 0x54));
  for (let at = 0; at < chunk.length; at += FEED_BYTES) {
    const bytes = new Uint8Array(Math.min(FEED_BYTES, chunk.length - at));
    await source.read(chunk.dataOffset + at, [bytes], { signal });
    crc = crc32(bytes, crc);
    await input.write(bytes);
  }
  const stored = new Uint8Array(4);
  await source.read(chunk.dataOffset + chunk.length, [stored], { signal });
  if (new DataView(stored.buffer).getUint32(0) !== crc) {
    throw new PixelError(
      'damaged-picture',
      `${source.name}: the image data at byte ${chunk.offset} are damaged (a CRC does not match): fetch the file again.`,
      { details: { offset: chunk.offset } },
    );
  }
}

/** What went wrong first: an error of ours on either side, else the inflater's. */
async function firstCause(error: unknown, feeding: Promise<void>, name: string): Promise<unknown> {
  if (isPixelError(error)) return error;
  const fed = await feeding.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  if (isPixelError(fed)) return fed;
  return new PixelError(
    'damaged-picture',
    `${name}: its image data cannot be inflated: bits were changed, or the file was cut; fetch it again.`,
    { cause: error },
  );
}

function tooMuch(name: string): PixelError {
  return new PixelError(
    'damaged-picture',
    `${name}: its image data are longer than its header declares: the header was changed, or the file is hostile; get the original file.`,
  );
}
