/** A worker that trains, as the main thread sees it: one question at a time. */
import { PixelError } from '../../../core/errors.ts';
import type { TrainingProgram } from '../../../program/training-program.ts';
import type { TrainingBatch } from '../../training-types.ts';
import type { WorkerHandle } from '../platform.ts';
import type { FromTrainingThread, ToTrainingThread } from '../thread-messages.ts';
import type { BatchResult } from './training-share.ts';
import type { TrainingThread } from './training-thread.ts';

export class TrainingWorker implements TrainingThread {
  readonly #worker: WorkerHandle;
  readonly #started: Promise<unknown>;
  #answer: PromiseWithResolvers<FromTrainingThread> | undefined;
  #lost: PixelError | undefined;

  constructor(worker: WorkerHandle, compiled: WebAssembly.Module, program: TrainingProgram) {
    this.#worker = worker;
    worker.listen(
      (message) => this.#answer?.resolve(message as FromTrainingThread),
      (reason) => this.#lose(`A training thread ended: ${reason}. Go on from the last checkpoint.`),
    );
    this.#started = this.#ask({ kind: 'startTraining', compiled, program });
    this.#started.catch(() => undefined);
  }

  async setWeights(weights: ReadonlyMap<string, Float32Array>): Promise<void> {
    await this.#started;
    await this.#ask({ kind: 'setWeights', weights });
  }

  async run(batch: TrainingBatch, withGradients: boolean): Promise<BatchResult> {
    await this.#started;
    const answer = await this.#ask({ kind: 'train', batch, withGradients });
    if (answer.kind === 'trained') return answer.result;
    throw new PixelError('device-lost', `A training thread answered "${answer.kind}" to a batch.`);
  }

  async dispose(): Promise<void> {
    this.#lose('The training was disposed of.');
    await this.#worker.terminate();
  }

  async #ask(question: ToTrainingThread): Promise<FromTrainingThread> {
    if (this.#lost) throw this.#lost;
    this.#answer = Promise.withResolvers();
    this.#worker.keepAlive(true);
    try {
      this.#worker.post(question, []);
      const message = await this.#answer.promise;
      if (message.kind === 'failed') throw new PixelError(message.code, message.message);
      return message;
    } finally {
      this.#worker.keepAlive(false);
    }
  }

  #lose(reason: string): void {
    this.#lost ??= new PixelError('device-lost', reason);
    this.#answer?.reject(this.#lost);
  }
}
