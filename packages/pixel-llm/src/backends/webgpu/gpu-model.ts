/**
 * A Program on a device: weights, cache, plans, and what a step needs. `submit` runs one pass; its results are read later, by whoever calls
 * `read`, so that the next pass may be submitted before that.
 */
import type { Program } from '../../program/program.ts';
import type { WeightSource } from '../../pxi/weight-source.ts';
import type { Batch, LoadOptions } from '../types.ts';
import { runsOf } from './entry-runs.ts';
import { BUFFER_USAGE, type GpuDevice } from './gpu-device.ts';
import { CANDIDATES } from './kernels/sample.ts';
import { type CacheShape, KvCache } from './kv-cache.ts';
import { type Capacity, type PassSizes, Plan, type PlanParts } from './plan.ts';
import { fusedOps, plainOps } from './plan-ops.ts';
import { StagingPool } from './staging-pool.ts';
import { StepArena } from './step-arena.ts';
import { StepInputs } from './step-inputs.ts';
import { WeightStore } from './weight-store.ts';

/** Tokens that the device keeps for itself, to go on with before anybody has read them. */
export const CARRIED_SLOTS = 64;
/** Entries that a pass takes at most: more make products no faster. */
const MOST_TOKENS = 512;
/** Outputs that a pass takes at most: each needs a row of logits. */
const MOST_OUTPUTS = 64;

export interface GpuModelOptions {
  readonly cache: CacheShape;
  /** False: every op by itself. */
  readonly fuse: boolean;
  /** Default: as many as are of use and fit into a binding. */
  readonly maxTokens?: number | undefined;
}

/** What one pass gives back. */
export interface PassResult {
  /** Values that were asked for, rows of the pass. */
  readonly values: ReadonlyMap<string, ArrayBuffer>;
  /** As Result of kernels/sample.ts, and (token, ln p) of the likeliest; empty where nothing was sampled. */
  readonly results: ArrayBuffer;
  readonly tops: ArrayBuffer;
}

interface Copy {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
}

export class GpuModel {
  readonly device: GpuDevice;
  readonly cache: KvCache;
  readonly capacity: Capacity;
  readonly #parts: PlanParts;
  readonly #inputs: StepInputs;
  readonly #fused: Plan;
  #plain: Plan | undefined;
  readonly #staging: StagingPool;

  private constructor(parts: PlanParts, inputs: StepInputs, fused: Plan) {
    this.device = parts.device;
    this.cache = parts.cache;
    this.capacity = parts.capacity;
    this.#parts = parts;
    this.#inputs = inputs;
    this.#fused = fused;
    this.#staging = new StagingPool(parts.device);
  }

  /** The device is the caller's, to destroy when this throws. Throws `out-of-memory`, `device-lost`, `aborted`, and what the source throws. */
  static async load(
    device: GpuDevice,
    program: Program,
    source: WeightSource,
    { cache: shape, fuse, maxTokens }: GpuModelOptions,
    options: Pick<LoadOptions, 'signal' | 'onProgress'>,
  ): Promise<GpuModel> {
    const ops = fuse ? fusedOps(program, device.traits.maxBindingBytes) : plainOps(program);
    const cache = await KvCache.create(device, program, shape);
    const weights = await WeightStore.load(device, program, source, ops.stacks, options);
    const capacity = capacityOf(program, device.traits.maxBindingBytes, maxTokens);
    const arena = new StepArena(device);
    const numbers = (weight: string): Float32Array => weights.numbers(weight);
    const inputs = new StepInputs(program, arena, capacity, { pageTokens: shape.pageTokens, numbers });
    const written = await writtenBuffers(device, program, capacity);
    const parts: PlanParts = { device, program, weights, cache, arena, written, capacity };
    return new GpuModel(parts, inputs, await Plan.create(parts, ops));
  }

  /** Submits a batch of at most `capacity`; resolves when it is submitted. Throws `out-of-memory`, `device-lost`, `bad-program`. */
  async submit(batch: Batch, wanted: readonly string[]): Promise<() => Promise<PassResult>> {
    const { arena, device } = this.#parts;
    device.check();
    this.#inputs.reserve(batch);
    await arena.ready();
    const plan = await this.#planFor(wanted);
    const runs = runsOf(batch);
    const sizes = { ...sizesOf(batch), runs: runs.length / 2 };
    await plan.prepare(sizes);
    const copies = this.#copiesOf(batch, wanted);
    const bytes = copies.reduce((sum, copy) => sum + copy.bytes, 0);
    const staging = bytes > 0 ? await this.#staging.take(bytes) : undefined;
    this.#inputs.write(batch, sizes, runs);
    const encoder = device.device.createCommandEncoder();
    const copyOut = (name: string, buffer: GPUBuffer): void => {
      const copy = copies.find((candidate) => candidate.name === name);
      if (copy && staging) encoder.copyBufferToBuffer(buffer, 0, staging, copy.offset, copy.bytes);
    };
    plan.encode(encoder, sizes, { wanted: new Set(wanted), samples: batch.sampling !== undefined }, copyOut);
    for (const region of ['results', 'tops']) copyOut(`sample:${region}`, this.#parts.written.get(region)!);
    device.device.queue.submit([encoder.finish()]);
    return () => this.#read(copies, staging, bytes);
  }

  /** Dispatches of a decoding step, for one sequence. */
  countDispatches(): number {
    return this.#fused.countDispatches({ tokens: 1, outputs: 1, context: 1, runs: 1 });
  }

  dispose(): void {
    this.#parts.device.destroy();
  }

  async #planFor(wanted: readonly string[]): Promise<Plan> {
    const isMade = (name: string): boolean => this.#fused.makes(name) || this.#parts.program.inputs.includes(name);
    if (wanted.every(isMade)) return this.#fused;
    this.#plain ??= await Plan.create(this.#parts, plainOps(this.#parts.program));
    return this.#plain;
  }

  /** What is to be copied out, and where it goes in one buffer. */
  #copiesOf(batch: Batch, wanted: readonly string[]): Copy[] {
    const copies: Copy[] = [];
    let offset = 0;
    const add = (name: string, bytes: number): void => {
      if (bytes > 0) copies.push({ name, offset, bytes });
      offset += bytes;
    };
    for (const { name, shape } of this.#parts.program.values) {
      if (!wanted.includes(name)) continue;
      const rows = shape[0] === 'outputs' ? batch.outputEntries.length : batch.positions.length;
      add(name, 4 * rows * Number(shape[1] ?? 1));
    }
    const outputs = batch.sampling?.length ?? 0;
    add('sample:results', 16 * outputs);
    if (batch.sampling?.some(({ topLogprobs }) => topLogprobs > 0)) add('sample:tops', 8 * CANDIDATES * outputs);
    return copies;
  }

  async #read(copies: readonly Copy[], staging: GPUBuffer | undefined, bytes: number): Promise<PassResult> {
    const { device } = this.#parts;
    if (!staging) {
      await device.device.queue.onSubmittedWorkDone();
      device.check();
    }
    const content = staging ? await this.#staging.read(staging, bytes) : new ArrayBuffer(0);
    const values = new Map(copies.map((copy) => [copy.name, content.slice(copy.offset, copy.offset + copy.bytes)]));
    const sampled = (name: string): ArrayBuffer => values.get(`sample:${name}`) ?? new ArrayBuffer(0);
    return { values, results: sampled('results'), tops: sampled('tops') };
  }
}

function sizesOf({ positions, outputEntries }: Batch): Omit<PassSizes, 'runs'> {
  return {
    tokens: positions.length,
    outputs: outputEntries.length,
    context: positions.reduce((most, position) => Math.max(most, position + 1), 0),
  };
}

/** As many rows as every value's buffer can be bound for. */
function capacityOf({ values }: Program, maxBindingBytes: number, maxTokens = MOST_TOKENS): Capacity {
  const widest = (leading: string): number =>
    values.reduce((most, { shape }) => (shape[0] === leading ? Math.max(most, Number(shape[1] ?? 1)) : most), 1);
  // Gates and ups lie in one value, twice as wide.
  const rows = (width: number): number => Math.max(1, Math.floor(maxBindingBytes / (8 * width)));
  return {
    tokens: Math.min(maxTokens, rows(widest('tokens'))),
    outputs: Math.min(MOST_OUTPUTS, maxTokens, rows(widest('outputs'))),
  };
}

async function writtenBuffers(
  device: GpuDevice,
  program: Program,
  { outputs }: Capacity,
): Promise<Map<string, GPUBuffer>> {
  const { storage, copySource, copyTarget } = BUFFER_USAGE;
  const samples = program.ops.some(({ op }) => op === 'sample');
  const sizes: Readonly<Record<string, number>> = {
    carried: 4 * CARRIED_SLOTS,
    ...(samples
      ? { adjusted: 4 * program.vocab * outputs, results: 16 * outputs, tops: 8 * CANDIDATES * outputs }
      : {}),
  };
  const buffers = new Map<string, GPUBuffer>();
  for (const [name, bytes] of Object.entries(sizes)) {
    buffers.set(name, await device.createBindable(`sampling (${name})`, bytes, storage | copySource | copyTarget));
  }
  return buffers;
}
