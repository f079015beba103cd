/** From a device's name to its backend: the one place that knows which backends there are. */
import { PixelError } from '../core/errors.ts';
import { createReferenceBackend } from './reference/backend.ts';
import type { Backend, DeviceName } from './types.ts';
import { createCpuBackend } from './wasm/backend.ts';

/** Fastest first. */
const BACKENDS: Readonly<Partial<Record<DeviceName, () => Backend>>> = {
  cpu: createCpuBackend,
  reference: createReferenceBackend,
};

/** The backend of a device; `auto` is the fastest one that this machine has. Throws `unknown-device`, listing those there are. */
export async function selectBackend(device: 'auto' | DeviceName): Promise<Backend> {
  const create = device === 'auto' ? Object.values(BACKENDS)[0] : Object.hasOwn(BACKENDS, device) && BACKENDS[device];
  if (create) return create();
  throw new PixelError(
    'unknown-device',
    `There is no device "${device}" here. Devices: auto, ${Object.keys(BACKENDS).join(', ')}.`,
  );
}
