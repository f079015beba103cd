/** The Node side of backends/wasm/: kernels from files, worker threads. Importing it installs them. */
import { readFile } from 'node:fs/promises';
import { installCpuPlatform } from './platform.ts';

installCpuPlatform({
  readKernels: async (build) => new Uint8Array(await readFile(new URL(`./kernels-${build}.wasm`, import.meta.url))),
  startWorker: undefined,
  cores: 1,
});
