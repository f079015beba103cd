/**
 * One executor, many sequences: every step of every sequence goes through here, one at a time, and steps that wait together
 * run as one batch (prompt chunks and single tokens alike). A sequence's results do not depend on what else is in its batch.
 */
import type { Batch, Executor, SampledToken, SamplingSettings, StepResult } from '../backends/types.ts';
import { isPixelError, PixelError, throwIfAborted } from '../core/errors.ts';

/** The next tokens of one sequence. */
export interface SequenceStep {
  readonly tokens: readonly number[];
  /** Position of the first of them. */
  readonly start: number;
  /** The sequence's KV pages, with room for the tokens. */
  readonly pages: readonly number[];
  /** Indices into `tokens`, ascending: whose logits are wanted. */
  readonly outputs: readonly number[];
  /** One row an output, or none at all. */
  readonly sampling?: readonly SamplingSettings[];
  /** Where the device keeps the token of the only output: the step need not wait for those before it, nor they be waited for. */
  readonly slot?: number;
  /** Values to read back. A step that reads back runs alone. */
  readonly readBack?: readonly string[];
  readonly signal?: AbortSignal | undefined;
  /** Which life of the device holds what the sequence's pages refer to. */
  readonly life: number;
}

interface Waiting {
  readonly step: SequenceStep;
  resolve(result: StepResult): void;
  reject(error: unknown): void;
}

export class StepQueue {
  readonly #executor: Executor;
  readonly #batchTokens: number;
  readonly #waiting: Waiting[] = [];
  /** Settles when whatever uses the executor now is done. */
  #busy: Promise<unknown> = Promise.resolve();
  #pumping = false;
  #life = 0;
  #reviving: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  /** Steps are joined up to `batchTokens` tokens a batch; a single longer step still runs. */
  constructor(executor: Executor, batchTokens: number) {
    this.#executor = executor;
    this.#batchTokens = batchTokens;
  }

  /** Counts how often the device was made anew: what pages held in an earlier life is gone. */
  get life(): number {
    return this.#life;
  }

  /**
   * Makes a device anew that was lost in the life `life`, unless that is done already. False where it cannot be.
   * Throws `device-lost`, saying why there is no other.
   */
  async revive(life: number): Promise<boolean> {
    if (life !== this.#life) return true;
    if (!this.#executor.rebuild || !this.#executor.loss) return false;
    this.#reviving ??= this.#rebuild(this.#executor.loss);
    await this.#reviving;
    return true;
  }

  async #rebuild(loss: PixelError): Promise<void> {
    try {
      await this.#executor.rebuild?.();
      this.#life++;
    } catch (cause) {
      if (isPixelError(cause, 'disposed')) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new PixelError('device-lost', `${loss.message} Loading the model anew failed: ${reason}`, { cause });
    } finally {
      this.#reviving = undefined;
    }
  }

  /** Runs the step, alone or with others. Throws what Executor.step throws, `aborted`, and `disposed` after `close`. */
  async run(step: SequenceStep): Promise<StepResult> {
    const { signal } = step;
    throwIfAborted(signal);
    const { promise, resolve, reject } = Promise.withResolvers<StepResult>();
    const waiting = { step, resolve, reject };
    this.#waiting.push(waiting);
    if (!this.#pumping) void this.#pump();
    const leave = (): void => this.#leave(waiting);
    signal?.addEventListener('abort', leave);
    try {
      return await promise;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }

  /** Copies the start of a KV page, between two steps. */
  copyPage(from: number, to: number, tokens: number): Promise<void> {
    return this.#exclusively(() => this.#executor.copyPage(from, to, tokens));
  }

  /** Whether pages can be read and written. */
  get keepsPages(): boolean {
    return this.#executor.readPage !== undefined && this.#executor.writePage !== undefined;
  }

  /** A KV page's content, between two steps; as Executor.readPage. */
  readPage(page: number, tokens: number): Promise<Float32Array> {
    return this.#exclusively(async () => (await this.#executor.readPage?.(page, tokens)) ?? new Float32Array(0));
  }

  /** As Executor.writePage. */
  writePage(page: number, values: Float32Array): Promise<void> {
    return this.#exclusively(async () => this.#executor.writePage?.(page, values));
  }

  /** Refuses the waiting steps and disposes of the executor, which ends the running one. Harmless twice. */
  close(): Promise<void> {
    refuse(this.#waiting.splice(0), disposed());
    this.#closing ??= this.#executor.dispose();
    return this.#closing;
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    while (this.#waiting.length > 0) {
      // A turn of the event loop for each step: timers, signals and the other sequences get to speak, also between the steps of a
      // backend that computes on this thread.
      await nextTurn();
      const batch = this.#takeBatch();
      if (batch.length === 0) continue;
      const running = this.#runOrRefuse(batch);
      // What runs ahead is not waited for: the executor keeps the order of the calls.
      if (!batch.every(({ step }) => step.slot !== undefined)) await running;
    }
    this.#pumping = false;
  }

  /** An aborted step that waits need not wait for the one that runs. */
  #leave(waiting: Waiting): void {
    const place = this.#waiting.indexOf(waiting);
    if (place < 0) return;
    this.#waiting.splice(place, 1);
    waiting.reject(new PixelError('aborted', 'Stopped.', { cause: waiting.step.signal?.reason }));
  }

  /** What one step breaks must not fall on the others of its batch: when a batch fails, each of its steps runs again, alone. */
  async #runOrRefuse(batch: readonly Waiting[]): Promise<void> {
    try {
      if (this.#executor.ahead) await this.#runBatch(batch);
      else await this.#exclusively(() => this.#runBatch(batch));
    } catch (error) {
      const isAhead = batch.some(({ step }) => step.slot !== undefined);
      if (batch.length === 1 || isAhead) refuse(batch, error);
      else for (const step of batch) await this.#runOrRefuse([step]);
    }
  }

  /** The steps that wait longest and fit into one batch. */
  #takeBatch(): Waiting[] {
    const batch: Waiting[] = [];
    let tokens = 0;
    while (this.#waiting.length > 0) {
      const next = this.#waiting[0]!;
      if (next.step.life !== this.#life) {
        this.#waiting.shift();
        next.reject(new PixelError('device-lost', 'The device was made anew; what its cache held is gone.'));
        continue;
      }
      // Two steps that run ahead of one sequence: the second reads what the first leaves.
      const follows = batch.some(({ step }) => step.slot !== undefined && step.slot === next.step.slot);
      const joins =
        !follows &&
        tokens + next.step.tokens.length <= this.#batchTokens &&
        !next.step.readBack &&
        !batch[0]?.step.readBack;
      if (batch.length > 0 && !joins) break;
      this.#waiting.shift();
      batch.push(next);
      tokens += next.step.tokens.length;
    }
    return batch;
  }

  async #runBatch(waiting: readonly Waiting[]): Promise<void> {
    const steps = waiting.map(({ step }) => step);
    const alone = steps.length === 1 ? steps[0] : undefined;
    const result = await this.#executor.step(joinSteps(steps), {
      signal: alone?.signal,
      ...(alone?.readBack && { readBack: alone.readBack }),
    });
    let output = 0;
    for (const { step, resolve } of waiting) {
      const sampled: readonly SampledToken[] = step.sampling
        ? result.sampled.slice(output, output + step.sampling.length)
        : [];
      output += step.outputs.length;
      resolve({ sampled, values: result.values });
    }
  }

  #exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#busy
      .catch(() => {})
      .then(() => {
        if (this.#closing) throw disposed();
        return work();
      });
    this.#busy = turn;
    return turn;
  }
}

/** One Batch of the steps of several sequences, in order. */
function joinSteps(steps: readonly SequenceStep[]): Batch {
  const count = steps.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const tokens = new Int32Array(count);
  const positions = new Int32Array(count);
  const sequences = new Int32Array(count);
  const outputEntries: number[] = [];
  const sampling: SamplingSettings[] = [];
  const slots: number[] = [];
  let entry = 0;
  for (const [sequence, step] of steps.entries()) {
    for (const output of step.outputs) outputEntries.push(entry + output);
    sampling.push(...(step.sampling ?? []));
    slots.push(...step.outputs.map(() => step.slot ?? -1));
    for (const [index, token] of step.tokens.entries()) {
      tokens[entry] = token;
      positions[entry] = step.start + index;
      sequences[entry++] = sequence;
    }
  }
  return {
    sequences,
    positions,
    pages: steps.map(({ pages }) => pages),
    outputEntries: Int32Array.from(outputEntries),
    ...(sampling.length > 0 && { sampling }),
    ...(slots.some((slot) => slot >= 0) && { sampleSlots: Int32Array.from(slots) }),
    inputs: { tokens },
  };
}

function refuse(waiting: readonly Waiting[], error: unknown): void {
  for (const { reject } of waiting) reject(error);
}

function disposed(): PixelError {
  return new PixelError('disposed', 'The model was disposed of.');
}

/** Resolves in the event loop's next turn, in Node and in browsers. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
