/** From a device's name to its backend: the one place that knows which backends there are. */
import { isPixelError, PixelError } from '../core/errors.ts';
import type { ActivationMode } from '../program/program.ts';
import { createReferenceBackend } from './reference/backend.ts';
import type { Backend, DeviceName, KvType } from './types.ts';
import { createCpuBackend } from './wasm/backend.ts';
import { type AdapterReport, listAdapters } from './webgpu/adapters.ts';
import { createGpuBackend } from './webgpu/backend.ts';
import { gpuPlatform } from './webgpu/gpu-platform.ts';

export interface BackendOptions {
  /** Threads to compute with. Default: the device's choice. Devices that have but one ignore it. */
  threads?: number | undefined;
  /** Given one line for people about each kind of weights that a device cannot keep as they are, when a model is loaded. */
  onNote?: ((line: string) => void) | undefined;
  /** What the KV cache keeps keys and values in. Default: the device's choice. Only `cpu` has one. */
  kvType?: KvType | undefined;
  /** A part of the name of the adapter that the device `gpu` should be. Default: the first real GPU. */
  gpuAdapter?: string | undefined;
  /** What the device `gpu` multiplies weights with. Default f32. */
  gpuActivations?: ActivationMode | undefined;
}

/** One device, as far as this machine and this version have it. */
export interface DeviceReport {
  readonly device: DeviceName;
  readonly usable: boolean;
  /** What it runs on, or why it does not. */
  readonly description: string;
  /** Whether `auto` means this one. */
  readonly automatic: boolean;
  /** Of `gpu`: what it can run on, best first. */
  readonly adapters?: readonly AdapterReport[];
}

/** Fastest first. */
const BACKENDS: Readonly<Record<DeviceName, (options: BackendOptions) => Backend | Promise<Backend>>> = {
  gpu: ({ gpuAdapter, gpuActivations }) => createGpuBackend({ adapter: gpuAdapter, activations: gpuActivations }),
  cpu: createCpuBackend,
  reference: () => createReferenceBackend(),
};

/**
 * The backend of a device. `auto` is a real GPU where there is one (or the adapter that is named), else the processor; never a software adapter
 * that was not asked for. Throws `unknown-device`, listing those there are, and `bad-argument`.
 */
export async function selectBackend(device: 'auto' | DeviceName, options: BackendOptions = {}): Promise<Backend> {
  if (device === 'auto') return checked(await selectAutomatically(options), options);
  if (Object.hasOwn(BACKENDS, device)) return checked(await BACKENDS[device](options), options);
  throw new PixelError(
    'unknown-device',
    `There is no device "${device}" here. Devices: auto, ${Object.keys(BACKENDS).join(', ')}.`,
  );
}

/** Every device there may be, fastest first, and whether it can be used here. */
export async function listDevices(options: BackendOptions = {}): Promise<readonly DeviceReport[]> {
  const gpu = await reportGpu();
  return [gpu, reportCpu(options, !gpu.automatic), reportReference()];
}

async function selectAutomatically(options: BackendOptions): Promise<Backend> {
  if (options.gpuAdapter !== undefined) return await BACKENDS.gpu(options);
  if (gpuPlatform().mayHaveHardware()) {
    try {
      return await BACKENDS.gpu(options);
    } catch (error) {
      if (!isPixelError(error, 'unknown-device')) throw error;
    }
  }
  return await BACKENDS.cpu(options);
}

async function reportGpu(): Promise<DeviceReport> {
  try {
    const adapters = await listAdapters();
    const automatic = adapters.some(({ type }) => type === 'gpu');
    const description = automatic ? 'WebGPU' : 'WebGPU on software adapters only, when --gpu-adapter names one';
    return { device: 'gpu', usable: true, description, automatic, adapters };
  } catch (error) {
    return { device: 'gpu', usable: false, description: reasonOf(error), automatic: false };
  }
}

function reportCpu(options: BackendOptions, automatic: boolean): DeviceReport {
  try {
    return { device: 'cpu', usable: true, description: createCpuBackend(options).description, automatic };
  } catch (error) {
    return { device: 'cpu', usable: false, description: reasonOf(error), automatic: false };
  }
}

function reportReference(): DeviceReport {
  const { description } = createReferenceBackend();
  return { device: 'reference', usable: true, description, automatic: false };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Nobody is to believe that a cache is smaller, or more exact, than it is. */
function checked(backend: Backend, { kvType }: BackendOptions): Backend {
  if (kvType === undefined || backend.device === 'cpu') return backend;
  const message = `The device "${backend.device}" has one type of KV cache: leave the type out, or ask for the device "cpu".`;
  throw new PixelError('bad-argument', message);
}
