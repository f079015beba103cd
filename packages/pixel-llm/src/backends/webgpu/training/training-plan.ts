/** The ops of a training Program on a device: buffers for batches up to a size, bind groups made once, and a submission a batch. */
import type { TrainingOp, TrainingProgram } from '../../../program/training-program.ts';
import { sequenceStarts } from '../../check-training-batch.ts';
import type { TrainingBatch } from '../../training-types.ts';
import { BUFFER_USAGE, type GpuDevice } from '../gpu-device.ts';
import { grid } from '../kernels/kernel.ts';
import { AngleComputer, angleRegion } from '../rope-angles.ts';
import { StepArena } from '../step-arena.ts';
import { ValueBuffers } from '../value-buffers.ts';
import { BINDING_ALIGNMENT } from '../weight-store.ts';
import { DIMS_BYTES, writeDims } from './kernel.ts';
import type { ProductPrecision } from './product-kernels.ts';
import {
  angleTableOf,
  SPANS_REGION,
  type TrainingDispatch,
  type TrainingPlace,
  type TrainingStage,
  trainingStages,
  ValueSizes,
} from './stages.ts';

export interface TrainingPlanParts {
  readonly device: GpuDevice;
  readonly weights: ReadonlyMap<string, GPUBuffer>;
  /** The frequency factors of rotations, by weight. */
  readonly factors: ReadonlyMap<string, Float32Array>;
  readonly precision: ProductPrecision;
}

/** What is bound for one dispatch. */
interface Bound {
  readonly dispatch: TrainingDispatch;
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
}

const DIMS_REGION = 'dims';
/** Batches that may be under way: one is computed while the next is prepared. */
export const IN_FLIGHT = 2;

export class TrainingPlan {
  readonly #program: TrainingProgram;
  readonly #parts: TrainingPlanParts;
  readonly #stages: readonly TrainingStage[];
  readonly #sizes: ValueSizes;
  readonly #arena: StepArena;
  readonly #angles = new Map<string, { readonly positions: string; readonly computer: AngleComputer }>();
  /** Gradients' sums, one a trained weight; none for a forward pass. */
  readonly #sums = new Map<string, { readonly buffer: GPUBuffer; readonly bytes: number }>();
  #tokens = 0;
  #bound: readonly Bound[] = [];
  #values: ValueBuffers | undefined;
  /** Losses on their way back. */
  #staging: GPUBuffer[] = [];
  #runs = 0;
  #lossScale = 1;

  constructor(program: TrainingProgram, ops: readonly TrainingOp[], parts: TrainingPlanParts) {
    this.#program = program;
    this.#parts = parts;
    this.#sizes = new ValueSizes(program);
    this.#arena = new StepArena(parts.device);
    const options = { precision: parts.precision, lossScale: () => this.#lossScale };
    this.#stages = trainingStages(program, ops, options);
    for (const op of ops) if (op.op === 'rope' || op.op === 'ropeGradient') this.#addAngles(op);
  }

  /** Makes room, and sets the sums to zero. Throws `out-of-memory`, `device-lost`, `bad-program`. */
  async begin(batches: readonly TrainingBatch[]): Promise<void> {
    const tokens = Math.max(1, ...batches.map(({ sequences }) => sequences.length));
    if (tokens > this.#tokens) await this.#reserve(tokens);
    // Loss weights are about 1 / predictions: brought back to about 1.
    const largest = Math.max(0, ...batches.map(({ inputs }) => largestOf(inputs.lossWeights ?? new Float32Array())));
    const isScaled = this.#parts.precision === 'f16' && largest > 0;
    this.#lossScale = isScaled ? 2 ** Math.round(-Math.log2(largest)) : 1;
    const encoder = this.#parts.device.device.createCommandEncoder();
    for (const { buffer } of this.#sums.values()) encoder.clearBuffer(buffer);
    this.#parts.device.device.queue.submit([encoder.finish()]);
  }

  /** Submits a batch -> the loss of each entry, when it is done. No more than IN_FLIGHT at a time. Throws `device-lost`. */
  async run(batch: TrainingBatch): Promise<Float32Array> {
    const { device } = this.#parts.device;
    const tokens = batch.sequences.length;
    this.#write(batch);
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const { dispatch, pipeline, group } of this.#bound) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...grid(dispatch.groups(tokens), this.#parts.device.traits));
    }
    pass.end();
    // A Program whose loss is given has nothing to compute for it.
    const loss = this.#values!.get(this.#program.loss);
    const staging = this.#staging[this.#runs++ % IN_FLIGHT]!;
    if (loss) encoder.copyBufferToBuffer(loss, 0, staging, 0, 4 * tokens);
    device.queue.submit([encoder.finish()]);
    if (!loss) return Float32Array.from(batch.inputs[this.#program.loss]!);
    return new Float32Array(await this.#parts.device.read(staging, 4 * tokens));
  }

  /** The sums of gradients since `begin`. Throws `device-lost`. */
  async readSums(): Promise<Map<string, Float32Array>> {
    const { device } = this.#parts;
    const read = [...this.#sums].map(async ([weight, { buffer, bytes }]) => {
      return [weight, new Float32Array(await device.readRange(buffer, 0, bytes))] as const;
    });
    return new Map(await Promise.all(read));
  }

  #addAngles(op: Parameters<typeof angleTableOf>[0]): void {
    const table = angleTableOf(op);
    const computer = new AngleComputer(table.rope, this.#parts.factors.get(table.factors ?? ''));
    this.#angles.set(angleRegion(table), { positions: table.positions, computer });
  }

  async #reserve(tokens: number): Promise<void> {
    const { device } = this.#parts;
    const { storage, copySource, copyTarget, mapRead } = BUFFER_USAGE;
    // Should something below fail, nothing is there to be run.
    this.#tokens = 0;
    this.#values?.release(device);
    for (const buffer of this.#staging) device.release(buffer);
    this.#staging = [];
    while (this.#staging.length < IN_FLIGHT) {
      this.#staging.push(await device.createBuffer('losses read back', 4 * tokens, mapRead | copyTarget));
    }
    const steps = this.#stages.map(({ out, read, temps }) => {
      const made = new Map([...temps(tokens)].map(([name, words]) => [name, 4 * words]));
      if (out !== undefined) made.set(out, 4 * this.#sizes.count(out, tokens));
      return { made, read };
    });
    // The loss is read when all is done.
    this.#values = await ValueBuffers.create(device, [...steps, { made: new Map(), read: [this.#program.loss] }]);
    for (const place of this.#stages.flatMap(({ dispatches }) =>
      dispatches.flatMap(({ places }) => Object.values(places)),
    )) {
      if (!('sum' in place) || this.#sums.has(place.sum)) continue;
      const { value } = this.#program.gradients.find(({ weight }) => weight === place.sum)!;
      const bytes = 4 * this.#sizes.count(value, tokens);
      const buffer = await device.createBindable(`sum of ${place.sum}`, bytes, storage | copySource | copyTarget);
      this.#sums.set(place.sum, { buffer, bytes });
    }
    this.#arena.reserve(
      DIMS_REGION,
      BINDING_ALIGNMENT * this.#stages.reduce((sum, { dispatches }) => sum + dispatches.length, 0),
    );
    this.#arena.reserve(SPANS_REGION, 8 * tokens);
    for (const name of this.#program.inputs) this.#arena.reserve(name, 4 * this.#sizes.count(name, tokens));
    for (const [region, { computer }] of this.#angles) this.#arena.reserve(region, 8 * tokens * computer.pairs);
    await this.#arena.ready();
    await this.#bind();
    this.#tokens = tokens;
  }

  async #bind(): Promise<void> {
    const { device } = this.#parts;
    const bound: Bound[] = [];
    for (const dispatch of this.#stages.flatMap(({ dispatches }) => dispatches)) {
      const pipeline = await device.pipeline(dispatch.kernel);
      const dims = this.#arena.binding(DIMS_REGION);
      const offset = (dims.offset ?? 0) + BINDING_ALIGNMENT * bound.length;
      const resources = new Map<string, GPUBindingResource>([
        ['dims', { buffer: dims.buffer, offset, size: DIMS_BYTES }],
      ]);
      for (const [name, place] of Object.entries(dispatch.places)) resources.set(name, this.#resource(place));
      bound.push({ dispatch, pipeline, group: device.bindGroup(pipeline, dispatch.kernel, resources) });
    }
    this.#bound = bound;
    device.check();
  }

  #resource(place: TrainingPlace): GPUBindingResource {
    if ('weight' in place) return { buffer: this.#parts.weights.get(place.weight)! };
    if ('sum' in place) return { buffer: this.#sums.get(place.sum)!.buffer };
    if ('region' in place) return this.#arena.binding(place.region);
    const name = 'temp' in place ? place.temp : place.value;
    const buffer = this.#values!.get(name);
    return buffer ? { buffer } : this.#arena.binding(name);
  }

  #write({ sequences, inputs }: TrainingBatch): void {
    const tokens = sequences.length;
    for (const name of this.#program.inputs) this.#arena.write(name, inputs[name]!);
    this.#arena.write(SPANS_REGION, spansOf(sequences));
    for (const [region, { positions, computer }] of this.#angles) {
      this.#arena.write(region, computer.table(inputs[positions] as Int32Array));
    }
    const dims = new Uint32Array((BINDING_ALIGNMENT / 4) * this.#bound.length);
    const view = new DataView(dims.buffer);
    for (const [i, { dispatch }] of this.#bound.entries())
      writeDims(dispatch.dims(tokens), view, BINDING_ALIGNMENT * i);
    this.#arena.write(DIMS_REGION, dims);
  }
}

function largestOf(values: Float32Array | Int32Array): number {
  let most = 0;
  for (const value of values) most = Math.max(most, value);
  return most;
}

/** (first, last) entry of each entry's sequence. [tokens, 2] */
function spansOf(sequences: Int32Array): Uint32Array {
  const starts = sequenceStarts(sequences);
  const spans = new Uint32Array(2 * sequences.length);
  for (let entry = sequences.length - 1; entry >= 0; entry--) {
    const isLast = entry + 1 === sequences.length || starts[entry + 1] !== starts[entry];
    spans[2 * entry] = starts[entry]!;
    spans[2 * entry + 1] = isLast ? entry : spans[2 * entry + 3]!;
  }
  return spans;
}
