/**
 * A plan: the Program's ops as dispatches over buffers. Kernels depend on how many rows there are only by class (one, a few, many), and
 * pipelines and bind groups are made once for each; a step is a walk over a list.
 */
import { PixelError } from '../../core/errors.ts';
import type { Program } from '../../program/program.ts';
import type { Dispatch, Leading, RowsClass, StageContext } from './dispatch.ts';
import type { GpuDevice } from './gpu-device.ts';
import type { KernelSizes } from './kernels/kernel.ts';
import type { KvCache } from './kv-cache.ts';
import { type PlanOps, readsOf } from './plan-ops.ts';
import { leadingOf, type Stage, stageOf } from './stages.ts';
import type { StepArena } from './step-arena.ts';
import { ValueBuffers } from './value-buffers.ts';
import type { WeightStore } from './weight-store.ts';

/** The most rows that one pass of a plan takes. */
export interface Capacity {
  readonly tokens: number;
  readonly outputs: number;
}

export interface PlanParts {
  readonly device: GpuDevice;
  readonly program: Program;
  readonly weights: WeightStore;
  readonly cache: KvCache;
  readonly arena: StepArena;
  /** Regions that kernels write: buffers of their own. */
  readonly written: ReadonlyMap<string, GPUBuffer>;
  readonly capacity: Capacity;
}

/** Rows of one pass, and how far its entries see. */
export interface PassSizes extends Capacity {
  readonly context: number;
  /** Of entries that follow each other and are of one sequence. */
  readonly runs: number;
}

interface Prepared {
  readonly pipeline: GPUComputePipeline;
  readonly dispatch: Dispatch;
  group: GPUBindGroup;
}

/** Rows for which kernels differ; more than the last are many. */
const FEW_ROWS = [1, 2, 4, 8];
/** Positions beyond which attention is split over the cache: below, joining the parts costs more than it gains. */
const LONG_CONTEXT = 512;
/** From so many entries, and so many a run, attention shares keys among entries: fewer leave workgroups too few, or with too little to do. */
const PROMPT_TOKENS = 32;
const RUN_TOKENS = 4;

export class Plan {
  readonly #parts: PlanParts;
  readonly #stages: readonly Stage[];
  readonly #values: ValueBuffers;
  /** By stage and class of rows. */
  readonly #prepared = new Map<Stage, Map<string, Prepared[]>>();
  #generation = -1;

  private constructor(parts: PlanParts, stages: readonly Stage[], values: ValueBuffers) {
    this.#parts = parts;
    this.#stages = stages;
    this.#values = values;
  }

  /** Throws `out-of-memory`, `device-lost`, `bad-program`. */
  static async create(parts: PlanParts, ops: PlanOps): Promise<Plan> {
    const { program, device, weights, cache, capacity } = parts;
    const widths = new Map(ops.internal);
    for (const { name, shape } of program.values) widths.set(name, Number(shape[1] ?? 1));
    const leadings = new Map<string, Leading>();
    for (const name of ops.internal.keys()) leadings.set(name, 'tokens');
    const context: StageContext = {
      ...{ program, weights, cache, traits: device.traits },
      widthOf: (name) => widths.get(name) ?? 1,
      leadingOf: (name) => leadings.get(name) ?? leadingOf(program, name),
    };
    const stages = ops.ops.map((op) => stageOf(op, context));
    const steps = stages.map(({ op, out, temps, leading }) => {
      const made = new Map<string, number>();
      if (out !== undefined) made.set(out, 4 * context.widthOf(out) * capacity[leading]);
      for (const [name, { width, rows = Infinity }] of temps)
        made.set(name, 4 * width * Math.min(capacity[leading], rows));
      return { made, read: readsOf(op) };
    });
    return new Plan(parts, stages, await ValueBuffers.create(device, steps));
  }

  /** Whether the value is ever whole in a buffer: fused ops do without some. */
  makes(value: string): boolean {
    return this.#stages.some(({ out }) => out === value);
  }

  /** Bytes of the values' buffers. */
  get valueBytes(): number {
    return this.#values.byteLength;
  }

  /** Dispatches of a pass. */
  countDispatches(sizes: PassSizes): number {
    return this.#stages.reduce((sum, stage) => {
      const rows = sizes[stage.leading];
      return sum + (rows > 0 ? stage.dispatches(classOf(rows, sizes)).length : 0);
    }, 0);
  }

  /** Compiles what a pass of these sizes needs and was not compiled yet. Throws `bad-program`, `device-lost`. */
  async prepare(sizes: PassSizes): Promise<void> {
    const { device, arena } = this.#parts;
    if (this.#generation !== arena.generation) this.#bindAgain();
    const missing = this.#stages.filter((stage) => sizes[stage.leading] > 0 && !this.#find(stage, sizes));
    await Promise.all(
      missing.map(async (stage) => {
        const size = classOf(sizes[stage.leading], sizes);
        const prepared = await Promise.all(
          stage.dispatches(size).map(async (dispatch): Promise<Prepared> => {
            const pipeline = await device.pipeline(dispatch.kernel);
            return { pipeline, dispatch, group: this.#bind(pipeline, dispatch) };
          }),
        );
        const classes = this.#prepared.get(stage) ?? new Map<string, Prepared[]>();
        this.#prepared.set(stage, classes.set(keyOf(size), prepared));
      }),
    );
  }

  /**
   * Writes a pass that was prepared into an encoder. `after` is called when a value is whole, outside of a compute pass, for the values named
   * in `wanted`. Without `samples` there are no settings to sample by.
   */
  encode(
    encoder: GPUCommandEncoder,
    sizes: PassSizes,
    { wanted, samples }: { readonly wanted: ReadonlySet<string>; readonly samples: boolean },
    after: (value: string, buffer: GPUBuffer) => void,
  ): void {
    let pass: GPUComputePassEncoder | undefined;
    for (const stage of this.#stages) {
      if (!samples && stage.op.kind === 'plain' && stage.op.op.op === 'sample') continue;
      const rows = sizes[stage.leading];
      const kernelSizes: KernelSizes = { rows, context: sizes.context, runs: sizes.runs };
      for (const { pipeline, dispatch, group } of this.#find(stage, sizes) ?? []) {
        const groups = dispatch.kernel.workgroups(kernelSizes);
        if (groups.includes(0)) continue;
        pass ??= encoder.beginComputePass();
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...groups);
      }
      if (stage.out === undefined || rows === 0 || !wanted.has(stage.out)) continue;
      pass?.end();
      pass = undefined;
      after(stage.out, this.#values.get(stage.out)!);
    }
    pass?.end();
  }

  #find(stage: Stage, sizes: PassSizes): readonly Prepared[] | undefined {
    const rows = sizes[stage.leading];
    return rows === 0 ? undefined : this.#prepared.get(stage)?.get(keyOf(classOf(rows, sizes)));
  }

  #bindAgain(): void {
    this.#generation = this.#parts.arena.generation;
    for (const classes of this.#prepared.values()) {
      for (const prepared of [...classes.values()].flat()) {
        prepared.group = this.#bind(prepared.pipeline, prepared.dispatch);
      }
    }
  }

  #bind(pipeline: GPUComputePipeline, { kernel, places }: Dispatch): GPUBindGroup {
    const resources = new Map<string, GPUBindingResource>();
    for (const [name, place] of Object.entries(places)) {
      if ('binding' in place) resources.set(name, place.binding);
      else resources.set(name, 'region' in place ? this.#region(place.region) : this.#value(place.value));
    }
    return this.#parts.device.bindGroup(pipeline, kernel, resources);
  }

  #value(name: string): GPUBufferBinding {
    const buffer = this.#values.get(name);
    return buffer ? { buffer } : this.#region(`input:${name}`);
  }

  #region(region: string): GPUBufferBinding {
    const { arena, written } = this.#parts;
    const buffer = written.get(region);
    if (buffer) return { buffer };
    if (arena.has(region)) return arena.binding(region);
    throw new PixelError(
      'bad-program',
      `The Program reads "${region.replace('input:', '')}", which nothing has written.`,
    );
  }
}

/** Sizes that have the same kernels: few rows by powers of two, more are many. */
function classOf(rows: number, { tokens, context, runs }: PassSizes): RowsClass {
  const isPrompt = tokens >= PROMPT_TOKENS && tokens >= RUN_TOKENS * runs;
  return { rows: FEW_ROWS.find((few) => rows <= few) ?? Infinity, isLong: context > LONG_CONTEXT, isPrompt };
}

function keyOf({ rows, isLong, isPrompt }: RowsClass): string {
  return `${rows}${isLong ? ' long' : ''}${isPrompt ? ' prompt' : ''}`;
}
