/**
 * Training on the device `cpu`. Batches are shared out, not matrices: each thread has the whole Program and works through batches of its
 * own, without waiting for anybody. Gradients are added in the batches' order, so that the number of threads changes nothing.
 */
import { PixelError, throwIfAborted } from '../../../core/errors.ts';
import type { TrainingProgram } from '../../../program/training-program.ts';
import { checkTrainingBatch } from '../../check-training-batch.ts';
import { loadWeights } from '../../reference/load-weights.ts';
import { addTo, checkLosses, checkWeights } from '../../training-steps.ts';
import type { LoadTraining, TrainingBatch, TrainingExecutor, TrainingResult } from '../../training-types.ts';
import { type KernelBuild, KernelModule, supportedBuild } from '../kernel-module.ts';
import { cpuPlatform } from '../platform.ts';
import { webPlatform } from '../web-threads.ts';
import { type BatchResult, TrainingShare } from './training-share.ts';
import type { TrainingThread } from './training-thread.ts';
import { TrainingWorker } from './training-worker.ts';

export interface CpuTrainingOptions {
  /** Default: physical cores. */
  threads?: number | undefined;
  /** Default: what the machine can run best. The plain build gives the same bits on every machine. */
  build?: KernelBuild | undefined;
}

export function loadCpuTraining({ threads, build = supportedBuild() }: CpuTrainingOptions = {}): LoadTraining {
  return async (program, source, options = {}) => {
    const weights = await loadWeights(program, source, options);
    const { startWorker, cores, compileKernels } = cpuPlatform(webPlatform);
    const compiled = await compileKernels(build, 'training');
    const count = startWorker ? (threads ?? cores) : 1;
    const team: TrainingThread[] =
      count === 1 || !startWorker
        ? [new LocalTraining(compiled, program)]
        : Array.from({ length: count }, () => new TrainingWorker(startWorker(), compiled, program));
    const executor = new CpuTrainingExecutor(program, team);
    try {
      await executor.setWeights(weights);
      return executor;
    } catch (error) {
      await executor.dispose();
      throw error;
    }
  };
}

class CpuTrainingExecutor implements TrainingExecutor {
  readonly device = 'cpu';
  readonly program: TrainingProgram;
  readonly #threads: readonly TrainingThread[];
  #isDisposed = false;

  constructor(program: TrainingProgram, threads: readonly TrainingThread[]) {
    this.program = program;
    this.#threads = threads;
  }

  async gradients(
    batches: readonly TrainingBatch[],
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<TrainingResult> {
    const sums = new Map<string, Float32Array>();
    const losses = await this.#runAll(batches, true, options.signal, ({ gradients }) => {
      for (const [weight, values] of gradients) addTo(sums, weight, values);
    });
    return { losses, gradients: sums };
  }

  losses(
    batches: readonly TrainingBatch[],
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<Float32Array[]> {
    return this.#runAll(batches, false, options.signal, () => undefined);
  }

  async setWeights(weights: ReadonlyMap<string, Float32Array>): Promise<void> {
    this.#throwIfDisposed();
    checkWeights(this.program, weights);
    await Promise.all(this.#threads.map((thread) => thread.setWeights(weights)));
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true;
    await Promise.all(this.#threads.map((thread) => thread.dispose()));
  }

  /** Every thread takes the next batch when it is free; `take` is given the results in the batches' order. */
  async #runAll(
    batches: readonly TrainingBatch[],
    withGradients: boolean,
    signal: AbortSignal | undefined,
    take: (result: BatchResult) => void,
  ): Promise<Float32Array[]> {
    for (const batch of batches) checkTrainingBatch(this.program, batch);
    const results = new Map<number, BatchResult>();
    const losses: Float32Array[] = [];
    let next = 0;
    const work = async (thread: TrainingThread): Promise<void> => {
      for (let index = next++; index < batches.length; index = next++) {
        throwIfAborted(signal);
        this.#throwIfDisposed();
        results.set(index, await thread.run(batches[index]!, withGradients));
        for (let ready = results.get(losses.length); ready; ready = results.get(losses.length)) {
          results.delete(losses.length);
          losses.push(checkLosses(ready.losses));
          take(ready);
        }
      }
    };
    // All end before an error is passed on: a thread that still works must not meet the next call.
    const ends = await Promise.allSettled(this.#threads.map(work));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    return losses;
  }

  #throwIfDisposed(): void {
    if (this.#isDisposed) throw new PixelError('disposed', 'The training was used after it was disposed of.');
  }
}

/** Computes on the calling thread; timers get their turn between batches. */
class LocalTraining implements TrainingThread {
  readonly #share: TrainingShare;

  constructor(compiled: WebAssembly.Module, program: TrainingProgram) {
    this.#share = new TrainingShare(new KernelModule(compiled), program);
  }

  async setWeights(weights: ReadonlyMap<string, Float32Array>): Promise<void> {
    for (const [name, values] of weights) this.#share.setWeight(name, values);
  }

  async run(batch: TrainingBatch, withGradients: boolean): Promise<BatchResult> {
    await new Promise((resolve) => setTimeout(resolve));
    return this.#share.run(batch, { withGradients });
  }

  async dispose(): Promise<void> {}
}
