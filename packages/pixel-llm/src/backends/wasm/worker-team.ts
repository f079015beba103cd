/**
 * Several workers that share nothing but two small stretches of memory: control (thread-control.ts) and data (shared-step.ts). The
 * calling thread writes a batch, wakes them and waits without blocking.
 */
import { PixelError, type PixelErrorCode } from '../../core/errors.ts';
import type { Program } from '../../program/program.ts';
import type { Batch } from '../types.ts';
import type { CachePages } from './kv-cache.ts';
import type { Planes, ShareLoader } from './load-shares.ts';
import type { WorkerHandle } from './platform.ts';
import { decodeStep, encodeStep } from './shared-step.ts';
import type { Team, Values } from './team.ts';
import { COMMANDS, CONTROL, CONTROL_BYTES, giveUp } from './thread-control.ts';
import type { FromThread, ToThread } from './thread-messages.ts';
import { planThreads, type ThreadPlan } from './thread-plan.ts';

/** What the data memory may grow to; only what is needed is taken. */
const MOST_DATA_BYTES = 2 ** 30;

export class WorkerTeam implements Team {
  readonly #program: Program;
  readonly #plan: ThreadPlan;
  readonly #workers: readonly ThreadClient[];
  readonly #control = new Int32Array(new SharedArrayBuffer(CONTROL_BYTES));
  readonly #data = new SharedArrayBuffer(65_536, { maxByteLength: MOST_DATA_BYTES });
  #lost: PixelError | undefined;
  #isDisposed = false;
  #reportLoss: (error: PixelError) => void = () => undefined;

  constructor(program: Program, threads: number, startWorker: () => WorkerHandle) {
    this.#program = program;
    this.#plan = planThreads(program, threads);
    this.#workers = Array.from(
      { length: threads },
      () => new ThreadClient(startWorker(), (error) => this.#lose(error)),
    );
  }

  /** Throws `out-of-memory`, `device-lost`. */
  async start(compiled: WebAssembly.Module, pages: CachePages): Promise<void> {
    const [program, threads] = [this.#program, this.#workers.length];
    const [control, data] = [this.#control.buffer, this.#data];
    await Promise.all(
      this.#workers.map((worker, thread) =>
        worker.ask({ kind: 'start', compiled, program, thread, threads, pages, control, data }),
      ),
    );
  }

  get loss(): PixelError | undefined {
    return this.#lost;
  }

  get loaders(): readonly ShareLoader[] {
    return this.#workers;
  }

  /** All weights are packed: lets the threads take commands. */
  serve(): void {
    for (const worker of this.#workers) worker.serve();
  }

  async run(batch: Batch, wanted: readonly string[], signal: AbortSignal | undefined): Promise<Values> {
    const inputs = new Set(this.#program.inputs);
    const computed = wanted.filter((name) => !inputs.has(name));
    const words = encodeStep(this.#program, batch, computed);
    const step = decodeStep(this.#program, this.#plan, words);
    this.#reserve(4 * step.words);
    new Int32Array(this.#data, 0, words.length).set(words);
    const abort = (): void => void Atomics.store(this.#control, CONTROL.abort, 1);
    Atomics.store(this.#control, CONTROL.abort, 0);
    Atomics.store(this.#control, CONTROL.isAborted, 0);
    signal?.addEventListener('abort', abort);
    try {
      await this.#command(COMMANDS.run, words.length, 0);
    } finally {
      signal?.removeEventListener('abort', abort);
    }
    if (Atomics.load(this.#control, CONTROL.isAborted)) {
      throw new PixelError('aborted', 'Stopped.', { cause: signal?.reason });
    }
    const values: Values = new Map();
    for (const { name, word, rows, width } of step.wanted) {
      values.set(name, new Float32Array(this.#data, 4 * word, rows * width));
    }
    for (const name of wanted) if (inputs.has(name)) values.set(name, inputOf(batch, name));
    return values;
  }

  async copyPage(from: number, to: number): Promise<void> {
    await this.#command(COMMANDS.copyPage, from, to);
  }

  async dispose(): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    Atomics.store(this.#control, CONTROL.kind, COMMANDS.stop);
    Atomics.add(this.#control, CONTROL.command, 1);
    Atomics.notify(this.#control, CONTROL.command);
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  /** Wakes all threads and waits until all have finished. Throws `device-lost`. */
  async #command(kind: number, first: number, second: number): Promise<void> {
    if (this.#lost) throw this.#lost;
    const control = this.#control;
    const done = Atomics.load(control, CONTROL.done);
    Atomics.store(control, CONTROL.finished, 0);
    Atomics.store(control, CONTROL.kind, kind);
    Atomics.store(control, CONTROL.first, first);
    Atomics.store(control, CONTROL.second, second);
    const loss = new Promise<never>((_, reject) => {
      this.#reportLoss = reject;
    });
    loss.catch(() => undefined);
    for (const worker of this.#workers) worker.keepAlive(true);
    try {
      Atomics.add(control, CONTROL.command, 1);
      Atomics.notify(control, CONTROL.command);
      const wait = Atomics.waitAsync(control, CONTROL.done, done);
      if (wait.async) await Promise.race([wait.value, loss]);
      if (this.#lost) throw this.#lost;
    } finally {
      this.#reportLoss = () => undefined;
      for (const worker of this.#workers) worker.keepAlive(false);
    }
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#data.byteLength) return;
    const enough = Math.min(MOST_DATA_BYTES, Math.max(bytes, 2 * this.#data.byteLength));
    try {
      if (bytes > MOST_DATA_BYTES) throw new RangeError(`at most ${MOST_DATA_BYTES}`);
      this.#data.grow(enough);
    } catch (cause) {
      const message = `This batch needs ${bytes} bytes of memory shared between threads: run fewer tokens, or ask for fewer outputs, at once.`;
      throw new PixelError('out-of-memory', message, { cause });
    }
  }

  #lose(error: PixelError): void {
    if (this.#isDisposed) return;
    const isFirst = this.#lost === undefined;
    this.#lost ??= error;
    giveUp(this.#control);
    for (const worker of this.#workers) worker.fail(error);
    this.#reportLoss(error);
    // The others can do nothing without it, and hold gigabytes.
    if (isFirst) for (const worker of this.#workers) void worker.terminate();
  }
}

/** One worker as the main thread sees it: a question at a time, in order. */
class ThreadClient implements ShareLoader {
  readonly #worker: WorkerHandle;
  #answer: { resolve: (planes: Planes) => void; reject: (error: PixelError) => void } | undefined;
  #lost: PixelError | undefined;
  #latest: Promise<void> = Promise.resolve();

  constructor(worker: WorkerHandle, onLoss: (error: PixelError) => void) {
    this.#worker = worker;
    worker.listen(
      (message) => this.#receive(message as FromThread, onLoss),
      (reason) =>
        onLoss(new PixelError('device-lost', `A thread of the device "cpu" ended: ${reason}. Load the model again.`)),
    );
  }

  pack(name: string, firstRow: number, count: number, planes: Planes): Promise<Planes> {
    const buffers = planes.map(({ buffer }) => buffer);
    return this.#inTurn({ kind: 'pack', name, firstRow, count, planes }, buffers);
  }

  async setVectors(vectors: ReadonlyMap<string, Float32Array<ArrayBuffer>>): Promise<void> {
    await this.#inTurn({ kind: 'vectors', vectors }, []);
  }

  serve(): void {
    this.#worker.post({ kind: 'serve' } satisfies ToThread, []);
    this.keepAlive(false);
  }

  /** Asks when what was asked before is answered. */
  #inTurn(question: ToThread, transfer: readonly ArrayBuffer[]): Promise<Planes> {
    const answer = this.#latest.then(() => this.ask(question, transfer));
    this.#latest = answer.then(
      () => undefined,
      () => undefined,
    );
    return answer;
  }

  /** Resolves with the planes that come back, where some do. */
  ask(question: ToThread, transfer: readonly ArrayBuffer[] = []): Promise<Planes> {
    return new Promise((resolve, reject) => {
      if (this.#lost) {
        reject(this.#lost);
        return;
      }
      this.#answer = { resolve, reject };
      this.#worker.post(question, transfer);
    });
  }

  keepAlive(isNeeded: boolean): void {
    this.#worker.keepAlive(isNeeded);
  }

  /** What was asked will not be answered. */
  fail(error: PixelError): void {
    this.#lost = error;
    this.#answer?.reject(error);
    this.#answer = undefined;
  }

  terminate(): Promise<void> {
    return this.#worker.terminate();
  }

  #receive(message: FromThread, onLoss: (error: PixelError) => void): void {
    const answer = this.#answer;
    this.#answer = undefined;
    if (message.kind === 'done') {
      answer?.resolve(message.planes);
      return;
    }
    const error = new PixelError(message.code satisfies PixelErrorCode, message.message);
    if (answer) answer.reject(error);
    else onLoss(error);
  }
}

function inputOf(batch: Batch, name: string): Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> {
  const input = name === 'positions' ? batch.positions : batch.inputs[name]!;
  return input instanceof Int32Array ? new Int32Array(input) : new Float32Array(input);
}
