/**
 * What the device `cpu` needs from where it runs: the compiled kernels' bytes, and threads. Browsers fetch and start web workers;
 * node.ts installs what Node does instead.
 */
import { PixelError } from '../../core/errors.ts';
import type { KernelBuild } from './kernel-module.ts';

/** A thread, as both web workers and Node's have it. */
export interface WorkerHandle {
  post(message: unknown, transfer: readonly ArrayBuffer[]): void;
  /** Called with each message, and with what is known when the thread ends by itself. */
  listen(onMessage: (message: unknown) => void, onEnd: (reason: string) => void): void;
  /** While false, a thread that waits does not keep the process alive. */
  keepAlive(isNeeded: boolean): void;
  terminate(): Promise<void>;
}

export interface CpuPlatform {
  readKernels(build: KernelBuild): Promise<Uint8Array<ArrayBuffer>>;
  /** Undefined where threads cannot share memory. */
  readonly startWorker: (() => WorkerHandle) | undefined;
  /** Threads worth using: physical cores, as far as can be known. */
  readonly cores: number;
}

let platform: CpuPlatform = {
  async readKernels(build) {
    const response = await fetch(new URL(`./kernels-${build}.wasm`, import.meta.url));
    if (!response.ok) {
      throw new PixelError('http', `The kernels (${response.url}) cannot be fetched: ${response.status}.`);
    }
    return new Uint8Array(await response.arrayBuffer());
  },
  startWorker: undefined,
  cores: 1,
};

export function installCpuPlatform(installed: CpuPlatform): void {
  platform = installed;
}

export function cpuPlatform(): CpuPlatform {
  return platform;
}
