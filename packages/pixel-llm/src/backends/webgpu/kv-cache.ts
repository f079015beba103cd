/** The KV pages on the device: for each state of the Program a buffer of keys and one of values, laid out as kernels/kv-layout.ts says. */
import { floatToHalf, HALF_TO_FLOAT } from '../../gguf/half.ts';
import type { Program } from '../../program/program.ts';
import { BUFFER_USAGE, type GpuDevice } from './gpu-device.ts';
import { headStride, type KvLayout, placeWords } from './kernels/kv-layout.ts';

export interface StateBuffers {
  readonly layout: KvLayout;
  readonly keys: GPUBuffer;
  readonly values: GPUBuffer;
}

export interface CacheShape {
  readonly type: KvLayout['type'];
  readonly pageCount: number;
  readonly pageTokens: number;
}

export class KvCache {
  readonly #device: GpuDevice;
  readonly #states: ReadonlyMap<string, StateBuffers>;
  /** What a page passes through when it is copied: a buffer cannot be copied into itself. */
  readonly #scratch: GPUBuffer | undefined;

  private constructor(device: GpuDevice, states: ReadonlyMap<string, StateBuffers>, scratch: GPUBuffer | undefined) {
    this.#device = device;
    this.#states = states;
    this.#scratch = scratch;
  }

  /** Throws `out-of-memory`, `device-lost`. */
  static async create(
    device: GpuDevice,
    { state }: Program,
    { type, pageCount, pageTokens }: CacheShape,
  ): Promise<KvCache> {
    const { storage, copySource, copyTarget } = BUFFER_USAGE;
    const states = new Map<string, StateBuffers>();
    let pageBytes = 0;
    for (const { name, kvHeads, headDim } of state) {
      const layout = { type, kvHeads, headDim, pageTokens };
      const bytes = 4 * placeWords(layout) * pageTokens;
      const create = (what: string): Promise<GPUBuffer> =>
        device.createBindable(`the ${what} of ${name}`, bytes * pageCount, storage | copySource | copyTarget);
      states.set(name, { layout, keys: await create('keys'), values: await create('values') });
      pageBytes = Math.max(pageBytes, bytes);
    }
    const scratch =
      pageBytes > 0 ? await device.createBuffer('a KV page', pageBytes, copySource | copyTarget) : undefined;
    return new KvCache(device, states, scratch);
  }

  state(name: string): StateBuffers {
    return this.#states.get(name)!;
  }

  /** Copies the first positions of a page, in every state. */
  copyPage(from: number, to: number, tokens: number): void {
    const encoder = this.#device.device.createCommandEncoder();
    for (const { layout, keys, values } of this.#states.values()) {
      const placeBytes = 4 * placeWords(layout);
      const bytes = tokens * placeBytes;
      if (bytes === 0 || !this.#scratch) continue;
      for (const buffer of [keys, values]) {
        encoder.copyBufferToBuffer(buffer, from * layout.pageTokens * placeBytes, this.#scratch, 0, bytes);
        encoder.copyBufferToBuffer(this.#scratch, 0, buffer, to * layout.pageTokens * placeBytes, bytes);
      }
    }
    this.#device.device.queue.submit([encoder.finish()]);
  }

  /** Numbers of one position over all states, keys and values. */
  get positionValues(): number {
    let values = 0;
    for (const { layout } of this.#states.values()) values += 2 * layout.kvHeads * layout.headDim;
    return values;
  }

  /** As Executor.readPage. */
  async readPage(page: number, tokens: number): Promise<Float32Array> {
    const out = new Float32Array(tokens * this.positionValues);
    let at = 0;
    for (const { layout, keys, values } of this.#states.values()) {
      for (const buffer of [keys, values]) {
        const placeBytes = 4 * placeWords(layout);
        const bytes = tokens * placeBytes;
        if (bytes === 0) continue;
        const words = await this.#device.readRange(buffer, page * layout.pageTokens * placeBytes, bytes);
        at = unpackHeads(layout, words, tokens, out, at);
      }
    }
    return out;
  }

  /** As Executor.writePage. */
  writePage(page: number, given: Float32Array): void {
    const tokens = given.length / this.positionValues;
    let at = 0;
    for (const { layout, keys, values } of this.#states.values()) {
      for (const buffer of [keys, values]) {
        const words = new ArrayBuffer(4 * tokens * placeWords(layout));
        at = packHeads(layout, given, at, tokens, words);
        this.#device.device.queue.writeBuffer(buffer, page * layout.pageTokens * 4 * placeWords(layout), words);
      }
    }
  }
}

/** Bytes of the pages on a device. */
export function cacheBytes({ state }: Program, { type, pageCount, pageTokens }: CacheShape): number {
  return state.reduce(
    (sum, { kvHeads, headDim }) =>
      sum + 8 * placeWords({ type, kvHeads, headDim, pageTokens }) * pageCount * pageTokens,
    0,
  );
}

function unpackHeads(layout: KvLayout, words: ArrayBuffer, tokens: number, out: Float32Array, start: number): number {
  const stride = headStride(layout);
  const halves = new Uint16Array(words);
  const floats = new Float32Array(words);
  let at = start;
  for (let head = 0; head < tokens * layout.kvHeads; head++) {
    for (let i = head * stride; i < head * stride + layout.headDim; i++) {
      out[at++] = layout.type === 'f16' ? HALF_TO_FLOAT[halves[i]!]! : floats[i]!;
    }
  }
  return at;
}

function packHeads(layout: KvLayout, given: Float32Array, start: number, tokens: number, words: ArrayBuffer): number {
  const stride = headStride(layout);
  const halves = new Uint16Array(words);
  const floats = new Float32Array(words);
  let at = start;
  for (let head = 0; head < tokens * layout.kvHeads; head++) {
    for (let i = head * stride; i < head * stride + layout.headDim; i++) {
      if (layout.type === 'f16') halves[i] = floatToHalf(given[at++]!);
      else floats[i] = given[at++]!;
    }
  }
  return at;
}
