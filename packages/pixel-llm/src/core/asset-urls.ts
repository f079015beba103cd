/**
 * The one place that knows where the files lie which a page fetches by itself: the worker with the engine in it, and the kernels.
 * Each stands as a literal `new URL(..., import.meta.url)`, which is what bundlers look for; the path is right from every
 * folder of dist/, and in the bundle itself scripts/build-bundle.ts makes it right. Node reads its files itself (backends/wasm/node.ts).
 */
export interface AssetUrls {
  /** The engine as one module that imports nothing: workers know no import maps. */
  readonly worker: string;
  readonly kernelsRelaxed: string;
  readonly kernelsPlain: string;
  readonly trainingRelaxed: string;
  readonly trainingPlain: string;
}

let installed: AssetUrls | undefined;

export function assetUrls(): AssetUrls {
  installed ??= {
    worker: new URL('../bundle/worker.js', import.meta.url).href,
    kernelsRelaxed: new URL('../bundle/kernels-relaxed.wasm', import.meta.url).href,
    kernelsPlain: new URL('../bundle/kernels-plain.wasm', import.meta.url).href,
    trainingRelaxed: new URL('../bundle/training-relaxed.wasm', import.meta.url).href,
    trainingPlain: new URL('../bundle/training-plain.wasm', import.meta.url).href,
  };
  return installed;
}

/** The same files in another folder: for bundlers that leave `new URL` alone. */
export function assetUrlsIn(folder: string | URL): AssetUrls {
  const base = new URL(folder, globalThis.location?.href);
  const place = (name: string): string => new URL(name, `${base.href.replace(/\/?$/, '/')}`).href;
  return {
    worker: place('worker.js'),
    kernelsRelaxed: place('kernels-relaxed.wasm'),
    kernelsPlain: place('kernels-plain.wasm'),
    trainingRelaxed: place('training-relaxed.wasm'),
    trainingPlain: place('training-plain.wasm'),
  };
}

/** Called in a worker, which is told by its page. */
export function installAssetUrls(urls: AssetUrls): void {
  installed = urls;
}
