/** Web workers: how a page starts one, and what one's script sees. */

/** Starts a module as a web worker, from another site too: browsers refuse that unless a module of the page's own imports it. */
export function startModuleWorker(url: string, name: string): Worker {
  const isForeign = /^https?:/.test(url) && new URL(url).origin !== globalThis.location.origin;
  const own = isForeign ? URL.createObjectURL(new Blob([`import ${JSON.stringify(url)};`], JAVASCRIPT)) : url;
  return new Worker(own, { type: 'module', name });
}

const JAVASCRIPT = { type: 'text/javascript' };

/** What a worker's own script uses of its surroundings: TypeScript has those either for pages or for workers. */
export interface WorkerScope {
  readonly name: string;
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown, transfer?: readonly Transferable[]): void;
  close(): void;
}
