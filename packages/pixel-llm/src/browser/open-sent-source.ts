/** The worker's side of where a model comes from: a URL (kept in the browser's storage or not), files, or an object of the page's. */
import { BlobByteSource, type ByteSource, checkRange, MemoryByteSource, totalLength } from '../core/byte-source.ts';
import { PixelError, throwIfAborted } from '../core/errors.ts';
import { openHttpByteSource } from '../core/http-byte-source.ts';
import type { WorkOptions } from '../core/progress.ts';
import { openWeights } from '../pxi/open-weights.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import { openKeptModel } from './open-kept-model.ts';
import { canKeepFiles } from './opfs-file.ts';
import type { SentSource, WantedBytes } from './protocol.ts';

/** Reads objects that the page holds. */
export interface ObjectReader {
  read(object: number, what: WantedBytes): Promise<Uint8Array<ArrayBuffer>>;
  close(object: number): void;
}

export interface OpenSourceOptions extends WorkOptions {
  /** Keep a model from a URL in the browser's storage. */
  readonly keep: boolean;
  /** Check every line of what is kept first. */
  readonly check?: boolean | undefined;
  /** Hears of what was in the way, a sentence each. */
  readonly onNote: (sentence: string) => void;
}

/** Throws as `openWeights`, and what reading throws. */
export async function openSentWeights(
  source: SentSource,
  objects: ObjectReader,
  options: OpenSourceOptions,
): Promise<WeightSource> {
  const { signal } = options;
  if (source.kind === 'url') return openUrl(source.href, options);
  if (source.kind === 'weights') return objectWeights(source, objects);
  if (source.kind === 'bytes') return openWeights(objectBytes(source, objects), { signal });
  const [first] = source.files;
  const openSibling = async (name: string): Promise<ByteSource> => {
    const file = source.files.find((candidate) => candidate.name === name);
    if (!file) throw new PixelError('file-not-found', `${name} is missing: give all files of the set.`);
    return new BlobByteSource(file);
  };
  if (!first) throw new PixelError('bad-argument', 'There is no file.');
  return openWeights(new BlobByteSource(first), { openSibling, signal });
}

/** Throws `bad-argument`. */
export function openSentBytes(
  source: Exclude<SentSource, { kind: 'url' | 'weights' }>,
  objects: ObjectReader,
): ByteSource {
  if (source.kind === 'bytes') return objectBytes(source, objects);
  const [file] = source.files;
  if (!file) throw new PixelError('bad-argument', 'There is no file.');
  return new BlobByteSource(file);
}

async function openUrl(
  href: string,
  { signal, onProgress, onNote, keep, check }: OpenSourceOptions,
): Promise<WeightSource> {
  if (keep && canKeepFiles()) return openKeptModel(href, { signal, onProgress, onNote, check });
  if (keep) onNote('This browser keeps no models for this page, so it reads the model from the server each time.');
  const open = (url: string): Promise<ByteSource> => openHttpByteSource(url, { signal });
  return openWeights(await open(href), { openSibling: open, signal });
}

function objectBytes(
  { object, name, size }: Extract<SentSource, { kind: 'bytes' }>,
  objects: ObjectReader,
): ByteSource {
  return {
    name,
    size,
    async read(offset, targets, { signal } = {}) {
      throwIfAborted(signal);
      const length = totalLength(targets);
      checkRange(this, offset, length);
      await new MemoryByteSource(await objects.read(object, { offset, length }), name).read(0, targets);
    },
    async dispose() {
      objects.close(object);
    },
  };
}

function objectWeights(
  { object, name, head }: Extract<SentSource, { kind: 'weights' }>,
  objects: ObjectReader,
): WeightSource {
  return {
    name,
    head,
    async readPlane(tensor, plane, rows, target, { signal } = {}) {
      throwIfAborted(signal);
      const bytes = await objects.read(object, { tensor, plane, rows, length: target.length });
      await new MemoryByteSource(bytes, name).read(0, [target]);
    },
    async dispose() {
      objects.close(object);
    },
  };
}
