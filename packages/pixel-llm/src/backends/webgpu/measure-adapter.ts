/** What an adapter can do at best: how fast a kernel that only reads, reads, and what it costs to begin a dispatch that must wait for the one before. */
import { PixelError, throwIfAborted } from '../../core/errors.ts';
import { chooseAdapter } from './adapters.ts';
import { BUFFER_USAGE, GpuDevice } from './gpu-device.ts';
import type { Kernel } from './kernels/kernel.ts';
import { countKernel, READ_GROUPS, readKernel } from './kernels/measure.ts';

export interface AdapterSpeed {
  readonly readBytesPerSecond: number;
  /** Seconds that each dispatch of a chain takes, of which each reads what the one before it wrote. */
  readonly dispatchSeconds: number;
}

/** Larger than the caches of GPUs. Where a binding holds less, that much is read. */
const READ_BYTES = 512 * 2 ** 20;
const CHAIN = 1000;
const ROUNDS = 5;
/** A round of reading goes on at least so long, so that the way to the device and back does not count. */
const ROUND_SECONDS = 0.05;

/** The best of some rounds. `wanted` as in chooseAdapter. Throws `unknown-device`, `out-of-memory`, `device-lost`, `aborted`. */
export async function measureAdapter(wanted: string | undefined, signal?: AbortSignal): Promise<AdapterSpeed> {
  const device = await GpuDevice.open(await chooseAdapter(wanted));
  try {
    const bytes = Math.min(READ_BYTES, Math.floor(device.traits.maxBindingBytes / 16) * 16);
    const read = await prepare(device, readKernel(bytes / 16, device.traits), bytes);
    const once = await read(1);
    const repeats = Math.max(1, Math.ceil(ROUND_SECONDS / once));
    const count = await prepare(device, countKernel(), 0);
    await count(1);
    let [readSeconds, chainSeconds] = [Infinity, Infinity];
    for (let round = 0; round < ROUNDS; round++) {
      throwIfAborted(signal);
      readSeconds = Math.min(readSeconds, (await read(repeats)) / repeats);
      const one = await count(1);
      chainSeconds = Math.min(chainSeconds, (await count(CHAIN + 1)) - one);
    }
    return { readBytesPerSecond: bytes / readSeconds, dispatchSeconds: Math.max(0, chainSeconds) / CHAIN };
  } finally {
    device.destroy();
  }
}

/** Gives a function that dispatches the kernel so often in one submit, and says how many seconds that took. */
async function prepare(
  device: GpuDevice,
  kernel: Kernel,
  dataBytes: number,
): Promise<(repeats: number) => Promise<number>> {
  const pipeline = await device.pipeline(kernel);
  const buffers = new Map<string, GPUBindingResource>();
  for (const { name } of kernel.bindings) {
    const bytes = name === 'data' ? dataBytes : 4 * READ_GROUPS;
    const usage = BUFFER_USAGE.storage | BUFFER_USAGE.copyTarget;
    buffers.set(name, { buffer: await device.createBindable(name, bytes, usage) });
  }
  const group = device.bindGroup(pipeline, kernel, buffers);
  const { queue } = device.device;
  return async (repeats) => {
    const encoder = device.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    for (let i = 0; i < repeats; i++) pass.dispatchWorkgroups(...kernel.workgroups({ rows: 1, context: 0 }));
    pass.end();
    const begin = performance.now();
    queue.submit([encoder.finish()]);
    await queue.onSubmittedWorkDone();
    const seconds = (performance.now() - begin) / 1000;
    device.check();
    if (!(seconds > 0)) throw new PixelError('bad-program', 'The clock is too coarse to measure the GPU.');
    return seconds;
  };
}
