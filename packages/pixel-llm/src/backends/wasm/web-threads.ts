/**
 * The browser side of backends/wasm/: kernels by fetch, web workers as threads. The worker's file (browser/worker.ts) asks by its own
 * name whether it is to serve as one.
 */
import { assetUrls } from '../../core/asset-urls.ts';
import { PixelError } from '../../core/errors.ts';
import { startModuleWorker, type WorkerScope } from '../../core/module-worker.ts';
import type { KernelBuild, KernelSet } from './kernel-module.ts';
import type { CpuPlatform, WorkerHandle } from './platform.ts';
import { serveThread } from './serve-thread.ts';
import type { ToThread } from './thread-messages.ts';

const THREAD_NAME = 'pixel-llm cpu thread';

/** What a page or worker has, as it stands now. */
export function webPlatform(): CpuPlatform {
  return {
    compileKernels,
    startWorker: canShareMemory() ? startWorker : undefined,
    cores: likelyCores(globalThis.navigator?.hardwareConcurrency ?? 1),
  };
}

/** In a worker that `startWorker` began: serves as a thread, and says so. */
export function serveIfThread(scope: WorkerScope): boolean {
  if (scope.name !== THREAD_NAME) return false;
  const receive = serveThread(
    (message, transfer) => scope.postMessage(message, transfer),
    () => scope.close(),
  );
  scope.onmessage = ({ data }: MessageEvent<ToThread>) => receive(data);
  return true;
}

async function compileKernels(build: KernelBuild, set: KernelSet): Promise<WebAssembly.Module> {
  const urls = assetUrls();
  const url = {
    kernels: { relaxed: urls.kernelsRelaxed, plain: urls.kernelsPlain },
    training: { relaxed: urls.trainingRelaxed, plain: urls.trainingPlain },
  }[set][build];
  const response = await fetch(url).catch((cause: unknown) => {
    throw new PixelError('http', `The kernels (${url}) cannot be fetched.`, { cause });
  });
  if (!response.ok) throw new PixelError('http', `The kernels (${url}) cannot be fetched: ${response.status}.`);
  return WebAssembly.compile(await response.arrayBuffer());
}

/** Pages have shared memory only under COOP and COEP; waiting without blocking and growing came to browsers later than that. */
function canShareMemory(): boolean {
  return (
    globalThis.crossOriginIsolated === true &&
    typeof Worker === 'function' &&
    typeof Atomics.waitAsync === 'function' &&
    'grow' in SharedArrayBuffer.prototype
  );
}

/** Browsers count what the system counts: on most machines with many, two for each core that computes. */
function likelyCores(counted: number): number {
  return Math.max(Math.min(counted, 2), Math.floor(counted / 2));
}

function startWorker(): WorkerHandle {
  const worker = startModuleWorker(assetUrls().worker, THREAD_NAME);
  return {
    post: (message, transfer) => worker.postMessage(message, [...transfer]),
    listen(onMessage, onEnd) {
      worker.onmessage = ({ data }: MessageEvent<unknown>) => onMessage(data);
      worker.onerror = (event) => {
        event.preventDefault();
        onEnd(event.message || 'its script could not be loaded');
      };
    },
    keepAlive() {},
    async terminate() {
      worker.terminate();
    },
  };
}
