/**
 * What changes from step to step, in one buffer: each kind of data has a region of its own at a fixed place, so that bind groups stay valid.
 * A region that a batch outgrows moves everything to a larger buffer, and bind groups are made again (`generation`).
 */
import { BUFFER_USAGE, type GpuDevice } from './gpu-device.ts';
import { BINDING_ALIGNMENT } from './weight-store.ts';

export class StepArena {
  readonly #device: GpuDevice;
  readonly #capacities = new Map<string, number>();
  readonly #offsets = new Map<string, number>();
  #buffer: GPUBuffer | undefined;
  /** Changes whenever bindings that were handed out are no longer the right ones. */
  generation = 0;

  constructor(device: GpuDevice) {
    this.#device = device;
  }

  /** Makes room for so many bytes in a region, and for at least one value. Before a step's regions are bound or written. */
  reserve(region: string, bytes: number): void {
    const known = this.#capacities.get(region) ?? 0;
    if (bytes <= known && known > 0) return;
    this.#capacities.set(region, align(Math.max(bytes, 2 * known, 16)));
    if (this.#buffer) this.#device.release(this.#buffer);
    this.#buffer = undefined;
  }

  /** The buffer, after all was reserved. Throws `out-of-memory`, `device-lost`. */
  async ready(): Promise<void> {
    if (this.#buffer) return;
    let size = 0;
    for (const [region, capacity] of this.#capacities) {
      this.#offsets.set(region, size);
      size += capacity;
    }
    const { storage, uniform, copyTarget } = BUFFER_USAGE;
    this.#buffer = await this.#device.createBuffer('the inputs of a step', size, storage | uniform | copyTarget);
    this.generation++;
  }

  has(region: string): boolean {
    return this.#capacities.has(region);
  }

  binding(region: string): GPUBufferBinding {
    return { buffer: this.#buffer!, offset: this.#offsets.get(region)!, size: this.#capacities.get(region)! };
  }

  /** `values` a whole number of 32-bit words. */
  write(region: string, values: Float32Array | Int32Array | Uint32Array): void {
    if (values.length === 0) return;
    const { buffer, byteOffset, byteLength } = values;
    this.#device.device.queue.writeBuffer(
      this.#buffer!,
      this.#offsets.get(region)!,
      buffer as ArrayBuffer,
      byteOffset,
      byteLength,
    );
  }
}

function align(bytes: number): number {
  return Math.ceil(bytes / BINDING_ALIGNMENT) * BINDING_ALIGNMENT;
}
