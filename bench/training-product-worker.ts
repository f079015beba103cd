/** A thread of bench/training.ts: repeats the f32 product of a square until it is told how long that took. */
import { parentPort, workerData } from 'node:worker_threads';
import { KernelModule } from '../packages/pixel-llm/src/backends/wasm/kernel-module.ts';

const { compiled, size } = workerData as { compiled: WebAssembly.Module; size: number };
const module = new KernelModule(compiled);
const [a, b, c] = [1, 2, 3].map(() => module.take(4 * size * size)) as [number, number, number];
const scratch = module.take(module.kernel('gemmScratchBytes')());
const ones = (start: number) => module.f32.fill(1, start / 4, start / 4 + size * size);
ones(a);
ones(b);
const gemm = module.kernel('gemm');
const row = 4 * size;

parentPort!.on('message', (rounds: number) => {
  for (let round = 0; round < rounds; round++) gemm(size, size, size, a, row, 4, b, row, 4, c, row, 0, scratch);
  // All ones: each result is the length of a row.
  parentPort!.postMessage(module.f32.subarray(c / 4, c / 4 + size * size).every((value) => value === size));
});
