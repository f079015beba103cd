/** Buffers that the CPU can read, used again and again: what a step gives back passes through one. */
import { BUFFER_USAGE, type GpuDevice } from './gpu-device.ts';

/** Larger ones are not kept. */
const KEPT_BYTES = 16 << 20;

export class StagingPool {
  readonly #device: GpuDevice;
  readonly #free: GPUBuffer[] = [];

  constructor(device: GpuDevice) {
    this.#device = device;
  }

  /** Throws `out-of-memory`, `device-lost`. */
  async take(bytes: number): Promise<GPUBuffer> {
    const place = this.#free.findIndex(({ size }) => size >= bytes && size <= Math.max(4096, 4 * bytes));
    const found = place >= 0 ? this.#free.splice(place, 1)[0] : undefined;
    const usage = BUFFER_USAGE.mapRead | BUFFER_USAGE.copyTarget;
    return found ?? (await this.#device.createBuffer('results', bytes, usage));
  }

  /** What was copied into the buffer, which then is free again. Throws `device-lost`, `out-of-memory`. */
  async read(buffer: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    const content = await this.#device.read(buffer, bytes);
    if (buffer.size > KEPT_BYTES) this.#device.release(buffer);
    else this.#free.push(buffer);
    return content;
  }
}
