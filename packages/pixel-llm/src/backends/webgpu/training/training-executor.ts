/**
 * Training on the device `gpu`: the whole training Program of a batch in one submission, gradients summed on the device, and read back once.
 * Values and weights are f32; with `precision: 'f16'` products round what they multiply to f16 and sum in f32 (mixed precision, arXiv 1710.03740),
 * and gradients are scaled by a power of two on their way, so that small ones do not vanish.
 */
import { PixelError, throwIfAborted } from '../../../core/errors.ts';
import type { TrainingProgram } from '../../../program/training-program.ts';
import { checkIds } from '../../check-ids.ts';
import { checkTrainingBatch } from '../../check-training-batch.ts';
import { loadWeights } from '../../reference/load-weights.ts';
import { checkLosses, checkWeights, lossOps } from '../../training-steps.ts';
import type { LoadTraining, TrainingBatch, TrainingExecutor, TrainingResult } from '../../training-types.ts';
import { chooseAdapter } from '../adapters.ts';
import { BUFFER_USAGE, type DeviceRestrictions, GpuDevice } from '../gpu-device.ts';
import type { ProductPrecision } from './product-kernels.ts';
import { IN_FLIGHT, TrainingPlan, type TrainingPlanParts } from './training-plan.ts';

export interface GpuTrainingOptions {
  /** A part of the adapter's name. Default: the first real GPU. */
  readonly adapter?: string | undefined;
  readonly restrictions?: DeviceRestrictions | undefined;
  /** A device to share. It stays the caller's. */
  readonly device?: GpuDevice | undefined;
  /** What products multiply: f32, or f16 where the device has it. Default f32. */
  readonly precision?: ProductPrecision | undefined;
}

/** Loading throws `unknown-device` too, where there is no adapter, or none with the f16 that was asked for. */
export function loadGpuTraining({
  adapter,
  restrictions,
  device: shared,
  precision = 'f32',
}: GpuTrainingOptions = {}): LoadTraining {
  return async (program, source, options = {}) => {
    const device = shared?.share() ?? (await GpuDevice.open(await chooseAdapter(adapter), restrictions));
    try {
      if (precision === 'f16' && !device.traits.f16) {
        throw new PixelError('unknown-device', `"${device.name}" has no 16-bit floats: train in f32 there.`);
      }
      const weights = await loadWeights(program, source, options);
      const executor = new GpuTrainingExecutor(program, {
        ...{ device, precision, factors: weights },
        weights: await weightBuffers(device, weights),
      });
      await executor.setWeights(weights);
      return executor;
    } catch (error) {
      device.destroy();
      throw error;
    }
  };
}

async function weightBuffers(
  device: GpuDevice,
  weights: ReadonlyMap<string, Float32Array>,
): Promise<Map<string, GPUBuffer>> {
  const { storage, copyTarget } = BUFFER_USAGE;
  const buffers = new Map<string, GPUBuffer>();
  for (const [name, { byteLength }] of weights) {
    buffers.set(name, await device.createBindable(name, byteLength, storage | copyTarget));
  }
  return buffers;
}

class GpuTrainingExecutor implements TrainingExecutor {
  readonly device = 'gpu';
  readonly program: TrainingProgram;
  readonly #device: GpuDevice;
  readonly #weights: ReadonlyMap<string, GPUBuffer>;
  /** Forward pass alone, and all of it. */
  readonly #plans: { readonly losses: TrainingPlan; readonly gradients: TrainingPlan };
  #isDisposed = false;

  constructor(program: TrainingProgram, parts: TrainingPlanParts) {
    this.program = program;
    this.#device = parts.device;
    this.#weights = parts.weights;
    this.#plans = {
      losses: new TrainingPlan(program, lossOps(program), parts),
      gradients: new TrainingPlan(program, program.ops, parts),
    };
  }

  async gradients(
    batches: readonly TrainingBatch[],
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<TrainingResult> {
    const plan = this.#plans.gradients;
    const losses = await this.#run(plan, batches, options.signal);
    return { losses, gradients: await plan.readSums() };
  }

  losses(
    batches: readonly TrainingBatch[],
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<Float32Array[]> {
    return this.#run(this.#plans.losses, batches, options.signal);
  }

  async setWeights(weights: ReadonlyMap<string, Float32Array>): Promise<void> {
    this.#throwIfDisposed();
    checkWeights(this.program, weights);
    for (const [name, { buffer, byteOffset, byteLength }] of weights) {
      this.#device.device.queue.writeBuffer(this.#weights.get(name)!, 0, buffer as ArrayBuffer, byteOffset, byteLength);
    }
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true;
    this.#device.destroy();
  }

  /** One batch after another; the next is prepared while the device works. */
  async #run(
    plan: TrainingPlan,
    batches: readonly TrainingBatch[],
    signal: AbortSignal | undefined,
  ): Promise<Float32Array[]> {
    for (const batch of batches) {
      checkTrainingBatch(this.program, batch);
      checkIds(this.program, batch);
    }
    this.#throwIfDisposed();
    await plan.begin(batches);
    const losses: Promise<Float32Array>[] = [];
    try {
      for (const batch of batches) {
        throwIfAborted(signal);
        this.#throwIfDisposed();
        losses.push(plan.run(batch));
        await losses.at(-IN_FLIGHT);
      }
    } finally {
      // What is under way ends before an error is passed on: it must not meet the next call.
      await Promise.allSettled(losses);
    }
    return (await Promise.all(losses)).map(checkLosses);
  }

  #throwIfDisposed(): void {
    if (this.#isDisposed) throw new PixelError('disposed', 'The training was used after it was disposed of.');
  }
}
