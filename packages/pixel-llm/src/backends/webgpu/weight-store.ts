/**
 * The weights on the device: each plane as it stands in the file, in a buffer of its own; matrices that are multiplied with the same
 * values lie one below the other in one buffer, so that one dispatch takes them all. What is larger than one binding may be is cut by rows.
 * Vectors, and the few types that no kernel reads, become f32.
 */
import { throwIfAborted } from '../../core/errors.ts';
import { tensorTypeByName } from '../../gguf/tensor-types.ts';
import type { Program, ProgramWeight } from '../../program/program.ts';
import { readRows } from '../../pxi/read-rows.ts';
import type { WeightSource } from '../../pxi/weight-source.ts';
import type { LoadOptions } from '../types.ts';
import { BUFFER_USAGE, type GpuDevice } from './gpu-device.ts';
import { canReadWeights } from './kernels/weight-formats.ts';

/** Rows of a matrix that lie in the same buffers, one for each plane. */
export interface MatrixPart {
  readonly firstRow: number;
  readonly rows: number;
  /** By the planes' names. */
  readonly planes: ReadonlyMap<string, GPUBufferBinding>;
}

export interface StoredMatrix {
  readonly type: string;
  readonly rows: number;
  readonly columns: number;
  readonly parts: readonly MatrixPart[];
}

/** Bytes read at once: no more than a GGUF file's reader keeps, so that the second plane costs no second read. */
const PIECE_BYTES = 1 << 20;
/** Bytes handed to the queue before it is waited for: they lie in memory twice until then. */
const UNDER_WAY_BYTES = 64 << 20;
/** A binding begins at a multiple of this many bytes, on every device. */
export const BINDING_ALIGNMENT = 256;

export class WeightStore {
  readonly #device: GpuDevice;
  readonly #matrices = new Map<string, StoredMatrix>();
  readonly #vectors = new Map<string, GPUBufferBinding>();
  /** Vectors whose numbers the CPU needs, too. */
  readonly #numbers = new Map<string, Float32Array>();
  #underWay = 0;

  private constructor(device: GpuDevice) {
    this.#device = device;
  }

  /**
   * Reads each weight once. `stacks`: weights that should lie one below the other, in order; `stackName` of them is the whole.
   * Throws `out-of-memory`, `device-lost`, `aborted`, and what the source throws.
   */
  static async load(
    device: GpuDevice,
    program: Program,
    source: WeightSource,
    stacks: readonly (readonly string[])[],
    { signal, onProgress }: Pick<LoadOptions, 'signal' | 'onProgress'>,
  ): Promise<WeightStore> {
    const store = new WeightStore(device);
    const weights = new Map(program.weights.map((weight) => [weight.name, weight]));
    const total = weights.size;
    for (const group of groupsOf(program, stacks)) {
      throwIfAborted(signal);
      onProgress?.({ phase: 'loading', done: total - weights.size, total, unit: 'tensors' });
      const members = group.map((name) => weights.get(name)!);
      if (isMatrix(members[0]!)) await store.#loadMatrices(members, source, signal);
      else await store.#loadVectors(members, source, signal);
      for (const name of group) weights.delete(name);
    }
    await device.device.queue.onSubmittedWorkDone();
    device.check();
    onProgress?.({ phase: 'loading', done: total, total, unit: 'tensors' });
    return store;
  }

  matrix(name: string): StoredMatrix {
    return this.#matrices.get(name)!;
  }

  vector(name: string): GPUBufferBinding {
    return this.#vectors.get(name)!;
  }

  numbers(name: string): Float32Array {
    return this.#numbers.get(name)!;
  }

  async #loadMatrices(members: readonly ProgramWeight[], source: WeightSource, signal?: AbortSignal): Promise<void> {
    const layout = layoutOf(members[0]!);
    const rows = members.reduce((sum, { shape }) => sum + shape[0]!, 0);
    const parts = await this.#createParts(stackName(members.map(({ name }) => name)), layout, rows);
    let firstRow = 0;
    for (const member of members) {
      await this.#fill(parts, layout, firstRow, member, source, signal);
      const own = member.shape[0]!;
      const view = members.length > 1 ? viewOf(parts[0]!, layout, firstRow, own) : parts;
      this.#matrices.set(member.name, { ...layout, rows: own, parts: view });
      firstRow += own;
    }
    if (members.length > 1) this.#matrices.set(stackName(members.map(({ name }) => name)), { ...layout, rows, parts });
  }

  /** Buffers for so many rows, in as many parts as the device's limits ask for. */
  async #createParts(label: string, { planes }: MatrixLayout, rows: number): Promise<MatrixPart[]> {
    const widest = Math.max(...planes.map(({ rowBytes }) => rowBytes));
    // Multiples of 4 rows, so that pieces begin on whole words.
    const partRows = Math.max(4, Math.floor(this.#device.traits.maxBindingBytes / widest / 4) * 4);
    const parts: MatrixPart[] = [];
    for (let firstRow = 0; firstRow < rows; firstRow += partRows) {
      const count = Math.min(partRows, rows - firstRow);
      const buffers = new Map<string, GPUBufferBinding>();
      for (const { name, rowBytes } of planes) {
        const buffer = await this.#createBuffer(`${label}.${name}`, count * rowBytes);
        buffers.set(name, { buffer });
      }
      parts.push({ firstRow, rows: count, planes: buffers });
    }
    return parts;
  }

  async #fill(
    parts: readonly MatrixPart[],
    layout: MatrixLayout,
    firstRow: number,
    { name, shape }: ProgramWeight,
    source: WeightSource,
    signal?: AbortSignal,
  ): Promise<void> {
    const rowBytes = layout.planes.reduce((sum, plane) => sum + plane.rowBytes, 0);
    const step = Math.max(4, Math.floor(PIECE_BYTES / rowBytes / 4) * 4);
    for (const part of parts) {
      const end = Math.min(shape[0]!, part.firstRow + part.rows - firstRow);
      for (let start = Math.max(0, part.firstRow - firstRow); start < end; start += step) {
        throwIfAborted(signal);
        const range = { start, end: Math.min(end, start + step) };
        for (const plane of layout.planes) {
          const bytes = new Uint8Array(Math.ceil(((range.end - start) * plane.rowBytes) / 4) * 4);
          const target = bytes.subarray(0, (range.end - start) * plane.rowBytes);
          if (layout.isWidened) target.set(bytesOf(await readRows(source, name, range, { signal })));
          else await source.readPlane(name, plane.name, range, target, { signal });
          const offset = (firstRow + start - part.firstRow) * plane.rowBytes;
          await this.#write(part.planes.get(plane.name)!.buffer, offset, bytes);
        }
      }
    }
  }

  async #loadVectors(members: readonly ProgramWeight[], source: WeightSource, signal?: AbortSignal): Promise<void> {
    const name = stackName(members.map((member) => member.name));
    const total = members.reduce((sum, { shape }) => sum + shape[0]!, 0);
    const buffer = await this.#createBuffer(name, 4 * total);
    let offset = 0;
    for (const member of members) {
      const values = await readRows(source, member.name, { start: 0, end: 1 }, { signal });
      await this.#write(buffer, offset, bytesOf(values));
      this.#numbers.set(member.name, values);
      this.#vectors.set(member.name, members.length > 1 ? { buffer, offset, size: values.byteLength } : { buffer });
      offset += values.byteLength;
    }
    this.#vectors.set(name, { buffer });
  }

  #createBuffer(label: string, bytes: number): Promise<GPUBuffer> {
    const { storage, copyTarget } = BUFFER_USAGE;
    return this.#device.createBuffer(`the weights ${label}`, bytes, storage | copyTarget);
  }

  async #write(buffer: GPUBuffer, offset: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#device.device.queue.writeBuffer(buffer, offset, bytes);
    this.#underWay += bytes.length;
    if (this.#underWay < UNDER_WAY_BYTES) return;
    await this.#device.device.queue.onSubmittedWorkDone();
    this.#device.check();
    this.#underWay = 0;
  }
}

/** What several weights are called together. */
export function stackName(names: readonly string[]): string {
  return names.join(' + ');
}

/** Whether weights can lie one below the other and each still be bound alone: one layout, each beginning where a binding may. */
export function canStack(members: readonly ProgramWeight[], maxBindingBytes: number): boolean {
  const first = members[0];
  if (!first) return false;
  const { planes, columns } = layoutOf(first);
  if (!members.every(({ type, shape }) => type === first.type && shape.at(-1) === columns && shape.length === 2)) {
    return vectorsStack(members);
  }
  let row = 0;
  for (const { shape } of members) {
    if (planes.some(({ rowBytes }) => (row * rowBytes) % BINDING_ALIGNMENT !== 0)) return false;
    row += shape[0]!;
  }
  return planes.every(({ rowBytes }) => row * rowBytes <= maxBindingBytes);
}

function vectorsStack(members: readonly ProgramWeight[]): boolean {
  let offset = 0;
  for (const { shape } of members) {
    if (shape.length !== 1 || offset % BINDING_ALIGNMENT !== 0) return false;
    offset += 4 * shape[0]!;
  }
  return true;
}

/** Bytes of the Program's weights on a device, as they will be stored. */
export function storedBytes(program: Program): number {
  return program.weights.reduce((sum, weight) => {
    if (!isMatrix(weight)) return sum + 4 * weight.shape[0]!;
    return sum + weight.shape[0]! * layoutOf(weight).planes.reduce((row, { rowBytes }) => row + rowBytes, 0);
  }, 0);
}

interface MatrixLayout {
  readonly type: string;
  readonly columns: number;
  readonly planes: readonly { readonly name: string; readonly rowBytes: number }[];
  /** Stored as f32, because no kernel reads its type. */
  readonly isWidened: boolean;
}

function layoutOf({ type: name, shape }: ProgramWeight): MatrixLayout {
  const columns = shape.at(-1)!;
  const type = tensorTypeByName(name)!;
  if (!canReadWeights(name, columns)) {
    return { type: 'F32', columns, planes: [{ name: 'v', rowBytes: 4 * columns }], isWidened: true };
  }
  const blocks = columns / type.blockElements;
  const planes = type.fields.map((field) => ({ name: field.name, rowBytes: blocks * field.bytes }));
  return { type: name, columns, planes, isWidened: false };
}

function isMatrix({ shape }: ProgramWeight): boolean {
  return shape.length === 2;
}

/** Weights that stay alone, and those that go together, each named once. */
function groupsOf({ weights }: Program, stacks: readonly (readonly string[])[]): (readonly string[])[] {
  const stacked = new Set(stacks.flat());
  return [...stacks, ...weights.filter(({ name }) => !stacked.has(name)).map(({ name }) => [name])];
}

/** Some rows of a part that is never cut, as a matrix of its own. */
function viewOf(part: MatrixPart, { planes }: MatrixLayout, firstRow: number, rows: number): MatrixPart[] {
  const views = planes.map(({ name, rowBytes }): [string, GPUBufferBinding] => {
    const { buffer } = part.planes.get(name)!;
    return [name, { buffer, offset: firstRow * rowBytes, size: Math.ceil((rows * rowBytes) / 16) * 16 }];
  });
  return [{ firstRow: 0, rows, planes: new Map(views) }];
}

function bytesOf(values: Float32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
