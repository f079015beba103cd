/** From a device's name to its backend: the one place that knows which backends there are. */
import { PixelError } from '../core/errors.ts';
import { createReferenceBackend } from './reference/backend.ts';
import type { Backend, DeviceName, KvType } from './types.ts';
import { createCpuBackend } from './wasm/backend.ts';

export interface BackendOptions {
  /** Threads to compute with. Default: the device's choice. Devices that have but one ignore it. */
  threads?: number | undefined;
  /** What the KV cache keeps keys and values in. Default: the device's choice. Only `cpu` has one. */
  kvType?: KvType | undefined;
}

/** One device, as far as this machine and this version have it. */
export interface DeviceReport {
  readonly device: DeviceName;
  readonly usable: boolean;
  /** What it runs on, or why it does not. */
  readonly description: string;
  /** Whether `auto` means this one. */
  readonly automatic: boolean;
}

/** Fastest first. */
const DEVICES: readonly DeviceName[] = ['gpu', 'cpu', 'reference'];

const BACKENDS: Readonly<Partial<Record<DeviceName, (options: BackendOptions) => Backend>>> = {
  cpu: createCpuBackend,
  reference: () => createReferenceBackend(),
};

/** The backend of a device; `auto` is the fastest one that this machine has. Throws `unknown-device`, listing those there are, `bad-argument`. */
export async function selectBackend(device: 'auto' | DeviceName, options: BackendOptions = {}): Promise<Backend> {
  const create = device === 'auto' ? Object.values(BACKENDS)[0] : Object.hasOwn(BACKENDS, device) && BACKENDS[device];
  if (create) return checked(create(options), options);
  throw new PixelError(
    'unknown-device',
    `There is no device "${device}" here. Devices: auto, ${Object.keys(BACKENDS).join(', ')}.`,
  );
}

/** Every device there may be, fastest first, and whether it can be used here. */
export async function listDevices(options: BackendOptions = {}): Promise<readonly DeviceReport[]> {
  const automatic = Object.keys(BACKENDS)[0];
  return DEVICES.map((device) => {
    const create = BACKENDS[device];
    if (!create) return { device, usable: false, description: 'this version does not have it yet', automatic: false };
    try {
      return { device, usable: true, description: create(options).description, automatic: device === automatic };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { device, usable: false, description: reason, automatic: false };
    }
  });
}

/** Nobody is to believe that a cache is smaller, or more exact, than it is. */
function checked(backend: Backend, { kvType }: BackendOptions): Backend {
  if (kvType === undefined || backend.device === 'cpu') return backend;
  const message = `The device "${backend.device}" has one type of KV cache: leave the type out, or ask for the device "cpu".`;
  throw new PixelError('bad-argument', message);
}
