/** Loading in a browser: the engine works in a worker of its own, so that the page's thread stays free, and gets the model there. */
import { type AssetUrls, assetUrls, assetUrlsIn, installAssetUrls } from '../core/asset-urls.ts';
import type { ByteSource } from '../core/byte-source.ts';
import { PixelError, throwIfAborted } from '../core/errors.ts';
import { type LoadModelOptions as EngineLoadModelOptions, loadModel as loadHere } from '../engine/load-model.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import { EngineClient } from './engine-client.ts';
import type { Model } from './model-api.ts';
import { openSentWeights } from './open-sent-source.ts';
import type { SentSource } from './protocol.ts';
import { WorkerModel } from './worker-model.ts';

/** A URL (as text: relative to the page), a file, all files of a set, or anything that gives bytes or weights. */
export type ModelSource = string | URL | Blob | readonly File[] | ByteSource | WeightSource;

export interface LoadModelOptions extends EngineLoadModelOptions {
  /** Where the engine works. Default: in a page, a worker; in a worker of yours, the thread that calls. */
  runIn?: 'worker' | 'caller' | undefined;
  /**
   * Whether a model from a URL is kept in the browser's storage, to be there at once the next time. Default true; false reads only
   * what is needed, by ranges, each time.
   */
  keep?: boolean | undefined;
  /** Checks every line of a kept model before it is used; what is damaged is fetched again. Default false: lines are checked as they arrive. */
  check?: boolean | undefined;
  /** The folder with worker.js and the kernels (dist/bundle), where it is not beside the module. */
  assets?: string | URL | undefined;
}

/**
 * Loads a model onto a device. A WeightSource stays the caller's, who may dispose of it after loading; any other source is closed.
 * Throws as engine/load-model.ts says, and `storage-full`, `io`, `missing-part`, `device-lost`.
 */
export async function loadModel(source: ModelSource, options: LoadModelOptions = {}): Promise<Model> {
  const { runIn = typeof document === 'object' ? 'worker' : 'caller', assets, signal } = options;
  throwIfAborted(signal);
  const urls = assets === undefined ? assetUrls() : assetUrlsIn(assets);
  return runIn === 'worker' ? loadInWorker(source, urls, options) : loadOnThisThread(source, urls, options);
}

async function loadInWorker(source: ModelSource, assets: AssetUrls, options: LoadModelOptions): Promise<Model> {
  const {
    signal,
    onProgress,
    onNote,
    keep = true,
    check = false,
    device,
    threads,
    kvType,
    gpuAdapter,
    gpuActivations,
    contextLength,
    sequences,
  } = options;
  const client = new EngineClient({ assets, onNote });
  try {
    const sent = sentSource(source, (object) => client.share(object));
    const given = {
      assets,
      source: sent,
      options: { device, threads, kvType, gpuAdapter, gpuActivations, contextLength, sequences, keep, check },
    };
    return new WorkerModel(client, await client.call('load', given, { signal, onProgress }));
  } catch (error) {
    client.dispose();
    throw error;
  } finally {
    if (isObject(source) && 'read' in source) await source.dispose();
  }
}

async function loadOnThisThread(source: ModelSource, assets: AssetUrls, options: LoadModelOptions): Promise<Model> {
  installAssetUrls(assets);
  if (isObject(source)) return loadHere(source, options);
  const { signal, onProgress, onNote = () => undefined, keep = true, check } = options;
  const objects = { read: () => Promise.reject(new Error('nothing is sent')), close: () => undefined };
  const sent = sentSource(source, () => 0);
  const weights = await openSentWeights(sent, objects, { signal, onProgress, onNote, keep, check });
  try {
    return await loadHere(weights, options);
  } finally {
    await weights.dispose();
  }
}

/** Throws `bad-argument`. */
function sentSource(source: ModelSource, share: (object: ByteSource | WeightSource) => number): SentSource {
  if (typeof source === 'string' || source instanceof URL) return { kind: 'url', href: absolute(source) };
  if (source instanceof Blob) return { kind: 'files', files: [source] };
  if (isFiles(source)) return { kind: 'files', files: source };
  if (isObject(source)) {
    const { name } = source;
    if ('size' in source) return { kind: 'bytes', object: share(source), name, size: source.size };
    const { metadata, tensors } = source.head;
    return { kind: 'weights', object: share(source), name, head: { metadata, tensors } };
  }
  throw new PixelError(
    'bad-argument',
    'A model is loaded from a URL, a File or Blob, the files of a set, a ByteSource or a WeightSource.',
  );
}

function isFiles(source: ModelSource): source is readonly File[] {
  return Array.isArray(source) && source.length > 0 && source.every((file) => file instanceof Blob);
}

function isObject(source: ModelSource): source is ByteSource | WeightSource {
  if (typeof source !== 'object' || source === null) return false;
  return 'readPlane' in source || ('read' in source && 'size' in source);
}

function absolute(source: string | URL): string {
  const url = URL.parse(source, globalThis.document?.baseURI ?? globalThis.location?.href);
  if (url) return url.href;
  throw new PixelError('bad-argument', `"${source}" is no URL.`);
}
