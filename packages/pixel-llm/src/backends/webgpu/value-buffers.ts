/** Buffers for a plan's values: a buffer is used again once nobody reads what is in it any more. */
import { BUFFER_USAGE, type GpuDevice } from './gpu-device.ts';
import { readsOf } from './plan-ops.ts';
import type { Stage } from './stages.ts';

interface Slot {
  bytes: number;
}

/** Which values share a buffer, before there are any. `bytesOf`: what a value takes. */
function assignSlots(stages: readonly Stage[], bytesOf: (value: string, stage: Stage) => number): Map<string, Slot> {
  const lastRead = new Map<string, number>();
  for (const [index, { op }] of stages.entries()) for (const name of readsOf(op)) lastRead.set(name, index);
  const slots = new Map<string, Slot>();
  const free: Slot[] = [];
  for (const [index, stage] of stages.entries()) {
    const made = [...(stage.out === undefined ? [] : [stage.out]), ...stage.temps.keys()];
    for (const name of made) slots.set(name, takeSlot(free, bytesOf(name, stage)));
    const done = [...stage.temps.keys(), ...readsOf(stage.op).filter((name) => lastRead.get(name) === index)];
    if (stage.out !== undefined && !lastRead.has(stage.out)) done.push(stage.out);
    // An op may read a value twice, and inputs have no slot.
    for (const name of new Set(done)) {
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
  static async create(
    device: GpuDevice,
    stages: readonly Stage[],
    bytesOf: (value: string, stage: Stage) => number,
  ): Promise<ValueBuffers> {
    const { storage, copySource, copyTarget } = BUFFER_USAGE;
    const made = new Map<Slot, GPUBuffer>();
    const buffers = new Map<string, GPUBuffer>();
    for (const [name, slot] of assignSlots(stages, bytesOf)) {
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

  /** Bytes of all buffers. */
  get byteLength(): number {
    return [...new Set(this.#buffers.values())].reduce((sum, { size }) => sum + size, 0);
  }
}
