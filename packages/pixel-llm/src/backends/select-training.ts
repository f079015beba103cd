/** From a device's name to how it trains: the one place that knows which devices can. */
import { isPixelError, PixelError } from '../core/errors.ts';
import { loadReferenceTraining } from './reference/training-executor.ts';
import type { LoadTraining } from './training-types.ts';
import type { DeviceName } from './types.ts';
import type { KernelBuild } from './wasm/kernel-module.ts';
import { loadCpuTraining } from './wasm/training/training-executor.ts';
import { chooseAdapter } from './webgpu/adapters.ts';
import { gpuPlatform } from './webgpu/gpu-platform.ts';
import type { ProductPrecision } from './webgpu/training/product-kernels.ts';
import { loadGpuTraining } from './webgpu/training/training-executor.ts';

export interface TrainingDeviceOptions {
  /** Of `cpu`. Default: physical cores. */
  readonly threads?: number | undefined;
  /** Of `cpu`. The plain build gives the same bits on every machine. Default: what the machine can run best. */
  readonly build?: KernelBuild | undefined;
  /** A part of the name of the adapter that `gpu` should be. Default: the first real GPU. */
  readonly gpuAdapter?: string | undefined;
  /** What products multiply: `f16` is mixed precision, for a `gpu` that has it. Default f32. */
  readonly precision?: ProductPrecision | undefined;
}

/**
 * `auto` is a real GPU where there is one (or the adapter that is named), else the processor; it is the processor, too, where a build is asked for.
 * Throws `unknown-device`, and `bad-argument` for 16 bits on a device without them.
 */
export async function selectTraining(
  device: 'auto' | DeviceName,
  { threads, build, gpuAdapter: adapter, precision = 'f32' }: TrainingDeviceOptions = {},
): Promise<LoadTraining> {
  const chosen = device === 'auto' ? await automatic(build, adapter) : device;
  if (chosen === 'gpu') return loadGpuTraining({ adapter, precision });
  if (precision !== 'f32') throw new PixelError('bad-argument', `Only the device "gpu" trains in ${precision}.`);
  if (chosen === 'cpu') return loadCpuTraining({ threads, ...(build && { build }) });
  if (chosen === 'reference') return loadReferenceTraining();
  throw new PixelError('unknown-device', `There is no device "${device}" here. Devices: auto, gpu, cpu, reference.`);
}

async function automatic(build: KernelBuild | undefined, adapter: string | undefined): Promise<DeviceName> {
  if (build !== undefined) return 'cpu';
  if (adapter !== undefined) return 'gpu';
  if (!gpuPlatform().mayHaveHardware()) return 'cpu';
  try {
    await chooseAdapter(undefined);
    return 'gpu';
  } catch (error) {
    if (!isPixelError(error, 'unknown-device')) throw error;
    return 'cpu';
  }
}
