/** PixelFS, writing: any bytes become a picture, in constant memory. */
import type { ByteSink } from '../core/byte-sink.ts';
import { throwIfAborted } from '../core/errors.ts';
import { createSha256 } from '../core/hashing.ts';
import { type WorkOptions, writingToDisk } from '../core/progress.ts';
import { type BytesManifest, CREATED_BY, encodeManifest } from './manifest.ts';
import type { PictureWriter, Superblock } from './picture.ts';
import { joinBytes } from './picture-frame.ts';
import { createPictureWriter } from './picture-writer.ts';
import { FORMAT_VERSION, LEAST_WIDTH, MOST_WIDTH } from './superblock.ts';

export interface WritePixelFsOptions extends WorkOptions {
  /** The file's name, kept in the manifest. */
  readonly name?: string;
  /** Pixels a line, a power of two from 64 to 8192. Default: what makes the picture roughly square. */
  readonly width?: number | undefined;
  /** How many bytes a stream will give, if known: for the picture's shape and the progress, not believed otherwise. */
  readonly byteLength?: number | undefined;
  /** Deflates: smaller, but written and read far slower. */
  readonly compress?: boolean;
  /** Where the SHA-256 is computed. Default: here; it takes longer than all else, so large files want a thread for it. */
  readonly hasher?: StepHasher | undefined;
}

/** A SHA-256 whose steps may run elsewhere. */
export interface StepHasher {
  /** The memory may be reused once the promise resolves. */
  update(bytes: Uint8Array): Promise<void>;
  digestHex(): Promise<string>;
}

export interface WrittenPixelFs {
  readonly manifest: BytesManifest;
  readonly superblock: Superblock;
}

/** Bytes are written in steps of this size, so that an abort is noticed and progress shown. */
const STEP_BYTES = 4 * 1024 * 1024;
/** A stream of unknown length is held back up to here: if it ends sooner, its length is known. */
const HELD_BYTES = 4 * 1024 * 1024;

/**
 * Writes the bytes as a picture and commits the sink; when it throws, the sink is aborted.
 * Throws `bad-argument` (a width that cannot be), `limit-exceeded`, `aborted`, and what the sink and the input throw.
 */
export async function writePixelFs(
  sink: ByteSink,
  input: Uint8Array | AsyncIterable<Uint8Array>,
  {
    name = '',
    width,
    byteLength,
    compress = false,
    hasher = createInlineHasher(),
    signal,
    onProgress,
  }: WritePixelFsOptions = {},
): Promise<WrittenPixelFs> {
  let writer: PictureWriter | undefined;
  try {
    const { bytes, length } = await knownLength(input, byteLength);
    writer = await createPictureWriter(sink, { width: width ?? squareWidth(length), kind: 'bytes', compress });
    const start = writer.offset;
    for await (const chunk of bytes) {
      for (let at = 0; at < chunk.length; at += STEP_BYTES) {
        throwIfAborted(signal);
        const step = chunk.subarray(at, at + STEP_BYTES);
        await Promise.all([writer.append([step]), hasher.update(step)]);
        const done = writer.offset - start;
        onProgress?.({ phase: 'writing', done, unit: 'bytes', ...(length === undefined ? {} : { total: length }) });
      }
    }
    const manifest: BytesManifest = {
      formatVersion: FORMAT_VERSION,
      kind: 'bytes',
      createdBy: CREATED_BY,
      name,
      sha256: await hasher.digestHex(),
      data: { offset: start, byteLength: writer.offset - start },
    };
    onProgress?.(writingToDisk(manifest.data.byteLength));
    return { manifest, superblock: await writer.finish(encodeManifest(manifest)) };
  } catch (error) {
    await (writer ?? sink).abort();
    throw error;
  }
}

/** The width that makes a picture of so many bytes roughly square; the greatest if nobody knows. */
export function squareWidth(byteLength: number | undefined): number {
  if (byteLength === undefined) return MOST_WIDTH;
  const side = Math.sqrt(byteLength / 4);
  return Math.min(MOST_WIDTH, Math.max(LEAST_WIDTH, 2 ** Math.round(Math.log2(Math.max(1, side)))));
}

function createInlineHasher(): StepHasher {
  const hash = createSha256();
  return {
    update: async (bytes) => hash.update(bytes),
    digestHex: async () => hash.digestHex(),
  };
}

interface KnownInput {
  readonly bytes: AsyncIterable<Uint8Array> | readonly Uint8Array[];
  readonly length: number | undefined;
}

async function knownLength(
  input: Uint8Array | AsyncIterable<Uint8Array>,
  byteLength: number | undefined,
): Promise<KnownInput> {
  if (input instanceof Uint8Array) return { bytes: [input], length: input.length };
  if (byteLength !== undefined) return { bytes: input, length: byteLength };
  const stream = input[Symbol.asyncIterator]();
  const held: Uint8Array[] = [];
  for (let length = 0; length <= HELD_BYTES; ) {
    const { done, value } = await stream.next();
    if (done) return { bytes: held, length };
    // The giver may reuse its memory once it is asked for more.
    held.push(value.slice());
    length += value.length;
  }
  return { bytes: continued(joinBytes(held), stream), length: undefined };
}

async function* continued(held: Uint8Array, stream: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield held;
    for (let next = await stream.next(); !next.done; next = await stream.next()) yield next.value;
  } finally {
    await stream.return?.();
  }
}
