/** The whole Program on the calling thread, which gets to do other things now and then. */
import { throwIfAborted } from '../../core/errors.ts';
import type { Program } from '../../program/program.ts';
import type { Batch } from '../types.ts';
import type { KernelModule } from './kernel-module.ts';
import type { Team, Values } from './team.ts';
import type { ThreadPlan } from './thread-plan.ts';
import type { ThreadShare } from './thread-share.ts';
import { rowCount } from './value-arena.ts';

/** Ops are run without a pause for this long; then timers and abort signals get their turn. */
const PAUSE_AFTER_MS = 30;

export class LocalTeam implements Team {
  readonly #module: KernelModule;
  readonly #plan: ThreadPlan;
  readonly #program: Program;
  #share: ThreadShare | undefined;

  constructor(module: KernelModule, program: Program, plan: ThreadPlan, share: ThreadShare) {
    this.#module = module;
    this.#program = program;
    this.#plan = plan;
    this.#share = share;
  }

  async run(batch: Batch, wanted: readonly string[], signal: AbortSignal | undefined): Promise<Values> {
    const values: Values = new Map();
    const share = this.#share!;
    share.begin(batch);
    for (const name of this.#program.inputs)
      if (wanted.includes(name)) values.set(name, this.#read(share, name, batch));
    let pausedAt = performance.now();
    for (const [index, step] of this.#plan.steps.entries()) {
      share.run(index, batch);
      if (step.kind === 'op' && wanted.includes(step.op.out)) {
        values.set(step.op.out, this.#read(share, step.op.out, batch));
      }
      if (performance.now() - pausedAt < PAUSE_AFTER_MS) continue;
      await new Promise((resolve) => setTimeout(resolve));
      throwIfAborted(signal);
      pausedAt = performance.now();
    }
    return values;
  }

  async copyPage(from: number, to: number): Promise<void> {
    this.#share?.copyPage(from, to);
  }

  async dispose(): Promise<void> {
    this.#share = undefined;
  }

  #read(share: ThreadShare, name: string, batch: Batch): Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> {
    const { rows, width, address } = share.read(name);
    const count = width * rowCount(rows, { tokens: batch.positions.length, outputs: batch.outputEntries.length });
    const isInteger = this.#program.values.find((value) => value.name === name)?.type === 'i32';
    return (isInteger ? this.#module.i32 : this.#module.f32).slice(address / 4, address / 4 + count);
  }
}
