/**
 * What a worker does: builds its share of the model from messages, then walks the Program, step after step, as commands in shared memory say.
 */
import { PixelError } from '../../core/errors.ts';
import type { Program } from '../../program/program.ts';
import { KernelModule } from './kernel-module.ts';
import type { Planes } from './load-shares.ts';
import { SharedExchange } from './shared-exchange.ts';
import { decodeStep, type WantedValue } from './shared-step.ts';
import { COMMANDS, CONTROL, giveUp, StepGivenUp, waitWhile } from './thread-control.ts';
import type { FromThread, FromTrainingThread, ToThread, ToTrainingThread } from './thread-messages.ts';
import { type PlanStep, planThreads, type ThreadPlan } from './thread-plan.ts';
import { ThreadShare } from './thread-share.ts';
import { isForTraining, serveTraining } from './training/serve-training.ts';

/** Returns what to do with each message. `answer` transfers the buffers it is given; `close` ends the worker. */
export function serveThread(
  answer: (message: FromThread | FromTrainingThread, transfer: readonly ArrayBuffer[]) => void,
  close: () => void,
): (message: ToThread | ToTrainingThread) => void {
  let thread: Thread | undefined;
  const train = serveTraining(answer);
  return (message) => {
    if (isForTraining(message)) {
      train(message);
      return;
    }
    try {
      let planes: Planes = [];
      if (message.kind === 'start') thread = new Thread(message);
      else if (message.kind === 'pack') {
        planes = thread?.share.pack(message.name, message.firstRow, message.count, message.planes) ?? [];
      } else if (message.kind === 'vectors') thread?.share.setVectors(message.vectors);
      else {
        thread?.serve();
        close();
        return;
      }
      answer(
        { kind: 'done', planes },
        planes.map(({ buffer }) => buffer),
      );
    } catch (error) {
      const code = error instanceof PixelError ? error.code : 'device-lost';
      answer({ kind: 'failed', code, message: error instanceof Error ? error.message : String(error) }, []);
    }
  };
}

type Start = Extract<ToThread, { kind: 'start' }>;

class Thread {
  readonly share: ThreadShare;
  readonly #module: KernelModule;
  readonly #program: Program;
  readonly #plan: ThreadPlan;
  readonly #thread: number;
  readonly #control: Int32Array<SharedArrayBuffer>;
  readonly #data: SharedArrayBuffer;
  readonly #exchange: SharedExchange;

  constructor({ compiled, program, thread, threads, pages, control, data }: Start) {
    this.#module = new KernelModule(compiled);
    this.#program = program;
    this.#plan = planThreads(program, threads);
    this.#thread = thread;
    this.#control = new Int32Array(control);
    this.#data = data;
    this.#exchange = new SharedExchange(this.#control, data, thread, threads);
    const [module, plan, exchange] = [this.#module, this.#plan, this.#exchange];
    this.share = new ThreadShare({ module, program, plan, thread, pages, exchange });
  }

  /** Takes commands until told to stop. Throws what a step throws; the other threads then stop, too. */
  serve(): void {
    const control = this.#control;
    try {
      for (let seen = 0; ; ) {
        waitWhile(control, CONTROL.command, seen);
        seen = Atomics.load(control, CONTROL.command);
        const kind = Atomics.load(control, CONTROL.kind);
        const [first, second] = [Atomics.load(control, CONTROL.first), Atomics.load(control, CONTROL.second)];
        if (kind === COMMANDS.stop) return;
        if (kind === COMMANDS.copyPage) this.share.copyPage(first, second);
        else this.#step(first);
        if (Atomics.add(control, CONTROL.finished, 1) + 1 < this.#plan.threads) continue;
        Atomics.store(control, CONTROL.done, seen);
        Atomics.notify(control, CONTROL.done);
      }
    } catch (error) {
      if (error instanceof StepGivenUp) return;
      giveUp(control);
      throw error;
    }
  }

  #step(batchWords: number): void {
    const step = decodeStep(this.#program, this.#plan, new Int32Array(this.#data, 0, batchWords));
    this.#exchange.begin(step.buffers);
    try {
      this.share.begin(step.batch);
      for (const [index, planned] of this.#plan.steps.entries()) {
        this.share.run(index, step.batch);
        if (step.wanted.length === 0) continue;
        const written = writtenBy(planned);
        for (const wanted of step.wanted) if (wanted.name === written) this.#publish(wanted);
      }
    } catch (error) {
      if (!(error instanceof StepGivenUp) || error.isLost) throw error;
    }
  }

  /** Writes the columns this thread has of a value; of a whole one, thread 0 writes all. */
  #publish({ name, word, rows, width }: WantedValue): void {
    const cuts = this.#plan.columnCuts.get(name);
    if (!cuts && this.#thread > 0) return;
    const local = this.share.read(name);
    const shared = new Float32Array(this.#data, 4 * word, rows * width);
    for (let row = 0; row < rows; row++) {
      const from = local.address / 4 + row * local.width;
      shared.set(this.#module.f32.subarray(from, from + local.width), row * width + (cuts?.[this.#thread] ?? 0));
    }
  }
}

/** The value that stands, in whole or in this thread's part, after a step. Of an embedding, a thread has but some rows until they are exchanged. */
function writtenBy(step: PlanStep): string | undefined {
  if (step.kind === 'op') return step.op.op === 'embed' ? undefined : step.op.out;
  return step.kind === 'exchange-tokens' ? step.value : undefined;
}
