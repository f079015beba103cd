/** Buffers for values: a buffer is used again once nobody reads what is in it any more. */
import { BUFFER_USAGE, type GpuDevice } from './gpu-device.ts';

interface Slot {
  bytes: number;
}

/** What is made and what is read, one step after another. */
export interface ValueStep {
  /** With what each takes. */
  readonly made: ReadonlyMap<string, number>;
  readonly read: readonly string[];
}

/** Which values share a buffer, before there are any. */
function assignSlots(steps: readonly ValueStep[]): Map<string, Slot> {
  const lastRead = new Map<string, number>();
  for (const [index, { read }] of steps.entries()) for (const name of read) lastRead.set(name, index);
  const slots = new Map<string, Slot>();
  const free: Slot[] = [];
  for (const [index, { made, read }] of steps.entries()) {
    for (const [name, bytes] of made) slots.set(name, takeSlot(free, bytes));
    const unread = [...made.keys()].filter((name) => !lastRead.has(name));
    // A step may read a value twice, and inputs have no slot.
    for (const name of new Set([...unread, ...read.filter((one) => lastRead.get(one) === index)])) {
      const slot = slots.get(name);
      if (slot) free.push(slot);
    }
  }
  return slots;
}

/** The smallest free slot that is large enough, else the largest, made larger. */
function takeSlot(free: Slot[], bytes: number): Slot {
  free.sort((a, b) => a.bytes - b.bytes);
  const fitting = free.findIndex((slot) => slot.bytes >= bytes);
  const slot = fitting >= 0 ? free.splice(fitting, 1)[0] : free.pop();
  if (!slot) return { bytes };
  slot.bytes = Math.max(slot.bytes, bytes);
  return slot;
}

export class ValueBuffers {
  readonly #buffers: ReadonlyMap<string, GPUBuffer>;

  private constructor(buffers: ReadonlyMap<string, GPUBuffer>) {
    this.#buffers = buffers;
  }

  /** Throws `out-of-memory`, `device-lost`. */
  static async create(device: GpuDevice, steps: readonly ValueStep[]): Promise<ValueBuffers> {
    const { storage, copySource, copyTarget } = BUFFER_USAGE;
    const made = new Map<Slot, GPUBuffer>();
    const buffers = new Map<string, GPUBuffer>();
    for (const [name, slot] of assignSlots(steps)) {
      const label = `values of ${slot.bytes} bytes`;
      const usage = storage | copySource | copyTarget;
      const buffer = made.get(slot) ?? (await device.createBindable(label, slot.bytes, usage));
      made.set(slot, buffer);
      buffers.set(name, buffer);
    }
    return new ValueBuffers(buffers);
  }

  /** Undefined for inputs. */
  get(value: string): GPUBuffer | undefined {
    return this.#buffers.get(value);
  }

  /** Gives all buffers back before the device. */
  release(device: GpuDevice): void {
    for (const buffer of new Set(this.#buffers.values())) device.release(buffer);
  }

  /** Bytes of all buffers. */
  get byteLength(): number {
    return [...new Set(this.#buffers.values())].reduce((sum, { size }) => sum + size, 0);
  }
}
