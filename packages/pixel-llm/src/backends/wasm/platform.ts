/**
 * What the device `cpu` needs from where it runs: the compiled kernels, and threads. web-threads.ts is what browsers have;
 * node.ts installs what Node does instead.
 */
import type { KernelBuild, KernelSet } from './kernel-module.ts';

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
  compileKernels(build: KernelBuild, set: KernelSet): Promise<WebAssembly.Module>;
  /** Undefined where threads cannot share memory. */
  readonly startWorker: (() => WorkerHandle) | undefined;
  /** Threads worth using: physical cores, as far as can be known. */
  readonly cores: number;
}

let platform: CpuPlatform | undefined;

/** What the device is to use here: called by node.ts. */
export function installCpuPlatform(installed: CpuPlatform): void {
  platform = installed;
}

/** What was installed; without that, what `found` finds. */
export function cpuPlatform(found: () => CpuPlatform): CpuPlatform {
  platform ??= found();
  return platform;
}
