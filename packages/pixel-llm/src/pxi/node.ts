/**
 * The Node side of pxi/: opens models by path or URL, and hashes on a thread of its own. Importing it installs what core/ has
 * for Node.
 */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { ByteSource, ReadOptions } from '../core/byte-source.ts';
import { isPixelError } from '../core/errors.ts';
import { openHttpByteSource } from '../core/http-byte-source.ts';
import { openFileByteSource, workerArguments } from '../core/node.ts';
import type { Picture } from '../png/picture.ts';
import type { ModelContent } from './convert/model-content.ts';
import type { HashAnswer, HashRequest } from './hash-worker/messages.ts';
import { type OpenModelOptions, openContent, openWeights } from './open-weights.ts';
import { openPictureSet, openPictures, type PictureSet } from './picture-set.ts';
import { isFirstOfSet } from './set-names.ts';
import type { StreamHasher } from './stream-hasher.ts';
import type { WeightSource } from './weight-source.ts';

/** Opens a model by the path or URL of its file, or of any file of its set. Throws `file-not-found`, `http`, and as `openWeights`. */
export async function openWeightsFile(pathOrUrl: string, options: ReadOptions = {}): Promise<WeightSource> {
  return openWeights(await openSource(pathOrUrl, options), openOptions(pathOrUrl, options));
}

/** The same for converting it. */
export async function openContentFile(pathOrUrl: string, options: ReadOptions = {}): Promise<ModelContent> {
  return openContent(await openSource(pathOrUrl, options), openOptions(pathOrUrl, options));
}

/** The same for pictures only, with their manifest. */
export async function openPictureSetFile(pathOrUrl: string, options: ReadOptions = {}): Promise<PictureSet> {
  return openPictureSet(await openSource(pathOrUrl, options), openOptions(pathOrUrl, options));
}

/** The same for pictures of any kind, of which nothing is read yet. */
export async function openPicturesFile(pathOrUrl: string, options: ReadOptions = {}): Promise<readonly Picture[]> {
  return openPictures(await openSource(pathOrUrl, options), openOptions(pathOrUrl, options));
}

/**
 * A file or, for http: and https:, what a server has. `model.pxi.png` also opens `model-00001-of-0000N.pxi.png`: a model that
 * takes several pictures keeps the name it was converted under.
 */
export async function openSource(pathOrUrl: string, { signal }: ReadOptions = {}): Promise<ByteSource> {
  if (isUrl(pathOrUrl)) return openHttpByteSource(pathOrUrl, { signal });
  try {
    return await openFileByteSource(pathOrUrl);
  } catch (error) {
    const first = isPixelError(error, 'file-not-found') ? await firstOfSet(pathOrUrl) : undefined;
    if (first === undefined) throw error;
    return openFileByteSource(first);
  }
}

/** The first file of the one set of that name; undefined when there is none, or more than one to choose from. */
async function firstOfSet(path: string): Promise<string | undefined> {
  const names = await readdir(dirname(path)).catch(() => []);
  const firsts = names.filter((name) => isFirstOfSet(name, basename(path)));
  return firsts.length === 1 ? join(dirname(path), firsts[0] ?? '') : undefined;
}

/** On a disk, what most heads need is read at once: a vocabulary that is met in pieces is parsed again with each. */
const FIRST_FILE_BYTES = 1 << 23;

function openOptions(pathOrUrl: string, options: ReadOptions): OpenModelOptions {
  return {
    ...options,
    ...(!isUrl(pathOrUrl) && { firstBytes: FIRST_FILE_BYTES }),
    openSibling: (name) => openSource(name, options),
  };
}

function isUrl(pathOrUrl: string): boolean {
  return /^https?:\/\//i.test(pathOrUrl);
}

/** A StreamHasher on a worker thread: SHA-256 costs more than all else in a conversion. */
export function createWorkerHasher(): StreamHasher {
  return new WorkerHasher();
}

/** The thread's file: the source when this is the source, the built one when this is built. */
const WORKER_URL = import.meta.url.endsWith('.ts')
  ? new URL('./hash-worker/node.ts', import.meta.url)
  : new URL('./hash-worker/node.js', import.meta.url);

type Waiting = PromiseWithResolvers<HashAnswer>;

class WorkerHasher implements StreamHasher {
  readonly #worker: Worker;
  /** Answers come in the order of the requests. */
  readonly #waiting: Waiting[] = [];
  #failure: Error | undefined;

  constructor() {
    this.#worker = new Worker(WORKER_URL, workerArguments());
    this.#worker.on('message', (answer: HashAnswer) => this.#waiting.shift()?.resolve(answer));
    this.#worker.on('error', (error) => this.#fail(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on('exit', () => this.#fail(new Error('The hashing thread ended.')));
  }

  async update(stream: string, bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
    const answer = await this.#ask({ stream, bytes }, [bytes.buffer]);
    return answer.buffer ?? new ArrayBuffer(0);
  }

  async digest(stream: string): Promise<string> {
    const answer = await this.#ask({ stream }, []);
    return answer.digest ?? '';
  }

  async dispose(): Promise<void> {
    await this.#worker.terminate();
  }

  #ask(request: HashRequest, transfer: ArrayBuffer[]): Promise<HashAnswer> {
    if (this.#failure) return Promise.reject(this.#failure);
    const waiting: Waiting = Promise.withResolvers();
    this.#waiting.push(waiting);
    this.#worker.postMessage(request, transfer);
    return waiting.promise;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }
}
