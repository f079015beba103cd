/** The Node side of backends/wasm/: kernels from files, worker threads (thread/node.ts), cores. Importing it installs them. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { workerArguments } from '../../core/node.ts';
import type { KernelBuild, KernelSet } from './kernel-module.ts';
import { installCpuPlatform, type WorkerHandle } from './platform.ts';

/** The thread's file: the source when this is the source, the built one when this is built. */
const THREAD_URL = import.meta.url.endsWith('.ts')
  ? new URL('./thread/node.ts', import.meta.url)
  : new URL('./thread/node.js', import.meta.url);

/** Megabytes: a thread computes in the kernels' memory and hardly in this one. */
const YOUNG_GENERATION = 2;

installCpuPlatform({ compileKernels, startWorker, cores: physicalCores() });

/**
 * V8 would run every kernel in quick and poor code at first and improve it behind our back, when packing is nearly done: loading and the first
 * token took half as long again. Optimized at once, all kernels take 60 ms. The settings are the process's, so nothing else is compiled between.
 */
async function compileKernels(build: KernelBuild, set: KernelSet): Promise<WebAssembly.Module> {
  const bytes = await readFile(new URL(`./${set}-${build}.wasm`, import.meta.url));
  for (const setting of ['liftoff', 'wasm-lazy-compilation']) setFlagsFromString(`--no-${setting}`);
  try {
    return new WebAssembly.Module(bytes);
  } finally {
    for (const setting of ['liftoff', 'wasm-lazy-compilation']) setFlagsFromString(`--${setting}`);
  }
}

function startWorker(): WorkerHandle {
  const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_GENERATION };
  return workerHandle(new Worker(THREAD_URL, { ...workerArguments(), resourceLimits }));
}

/** A Node worker as this folder sees it; tests start workers of their own. */
export function workerHandle(worker: Worker): WorkerHandle {
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    listen(onMessage, onEnd) {
      worker.on('message', onMessage);
      worker.on('error', (error) => onEnd(error instanceof Error ? error.message : String(error)));
      worker.on('exit', (code) => onEnd(`exit code ${code}`));
    },
    keepAlive(isNeeded) {
      if (isNeeded) worker.ref();
      else worker.unref();
    },
    async terminate() {
      await worker.terminate();
    },
  };
}

/** Two threads of one core share what limits these kernels. Linux says which share one; elsewhere all count. */
function physicalCores(): number {
  const available = availableParallelism();
  try {
    const cores = new Set(
      readFileSync('/proc/cpuinfo', 'utf8')
        .split('\n\n')
        .map((block) => /physical id\s*:\s*(\d+)[\s\S]*core id\s*:\s*(\d+)/.exec(block))
        .flatMap((match) => (match ? [`${match[1]}/${match[2]}`] : [])),
    );
    return cores.size > 0 ? Math.min(cores.size, available) : available;
  } catch {
    return available;
  }
}
