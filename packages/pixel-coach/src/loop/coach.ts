/**
 * A run of the coach: takes back what died, opens a branch of its own, lets its workers claim tasks until there is nothing more to do
 * or a reason to stop, and says how it ended.
 */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Store } from '../store/types.ts';
import { resolveCommit } from '../workspace/repository.ts';
import { removeStaleFolders } from '../workspace/temporary-folders.ts';
import type { LoopEvent, LoopOptions, RunContext, RunSummary } from './options.ts';
import { leaseOf, type WorkResult, workOn } from './worker.ts';

const PAUSE_POLL_MILLISECONDS = 500;
/** Failures in a row, for each worker, after which nobody expects the next one to be better. */
const MOST_FAILURES = 5;

/** Runs until the queue is empty, `maxTasks` are claimed, money or agents run out, or the signal fires. Throws `not-a-repository`, `git`, `bad-store`. */
export async function runCoach(options: LoopOptions): Promise<RunSummary> {
  const { store, repository, base = 'HEAD', description = {} } = options;
  const emit = (event: LoopEvent): void => options.onEvent?.(event);
  removeStaleFolders();
  await recover(store, emit);
  const baseCommit = await resolveCommit(repository, base);
  const runId = newRunId();
  const branch = `coach/${runId}`;
  await store.createRun({ id: runId, branch, baseCommit, processId: process.pid, options: description });
  emit({ type: 'run-started', runId, branch, baseCommit });
  const run = new Run({ ...options, runId, branch, baseCommit, emit, publishing: mutex() });
  const summary = await run.work();
  emit({ type: 'run-ended', summary });
  return summary;
}

/** Takes back the leases that ran out, and those of runs whose process is gone. */
export async function recover(store: Store, emit: (event: LoopEvent) => void = () => {}): Promise<void> {
  const dead = (await store.listRuns(1000)).filter(
    ({ status, processId }) => status === 'running' && !isAlive(processId),
  );
  for (const { id } of dead) await store.finishRun(id, 'interrupted');
  const taskIds = await store.recoverExpired();
  if (dead.length + taskIds.length > 0) emit({ type: 'recovered', taskIds, runIds: dead.map(({ id }) => id) });
}

type Stop = Pick<RunSummary, 'ending' | 'why'>;

class Run {
  readonly #context: RunContext;
  readonly #counts: { done: number; needsHuman: number; released: number } = { done: 0, needsHuman: 0, released: 0 };
  #claimed = 0;
  #active = 0;
  #failures = 0;
  #stop: Stop | undefined;
  /** Resolved whenever a task ends: another may have become ready. */
  #taskEnded: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(context: RunContext) {
    this.#context = context;
  }

  async work(): Promise<RunSummary> {
    const { store, runId, branch, workers = 1, signal } = this.#context;
    const outcomes = await Promise.allSettled(Array.from({ length: workers }, (_, index) => this.#worker(index + 1)));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    await store.finishRun(runId, failed === undefined && !signal?.aborted ? 'finished' : 'interrupted');
    if (failed !== undefined) throw failed.reason;
    const { settled, reserved } = await store.getCost('run', runId);
    const stop = this.#stop ?? { ending: 'no-more-tasks', why: 'no task is ready' };
    return { runId, branch, ...stop, ...this.#counts, cost: settled + reserved };
  }

  async #worker(number: number): Promise<void> {
    const { store, runId, phases, maxTasks, emit } = this.#context;
    const owner = `${hostname()}:${process.pid}:${number}`;
    while (await this.#mayClaim()) {
      if (maxTasks !== undefined && this.#claimed >= maxTasks) {
        this.#stop ??= { ending: 'max-tasks', why: `${maxTasks} tasks were claimed` };
        return;
      }
      // Counted before the claim, so that several workers do not all take the last one.
      this.#claimed++;
      const claim = await store.claim({ runId, owner, leaseMilliseconds: leaseOf(this.#context), phases });
      if (claim === undefined) {
        this.#claimed--;
        if (await this.#waitForTask()) continue;
        return;
      }
      const { lease, task } = claim;
      emit({ type: 'claimed', taskId: task.id, title: task.title, phase: task.phase, worker: owner });
      this.#active++;
      try {
        this.#count(await workOn(this.#context, lease, task, this.#failures));
      } catch (error) {
        this.#stop ??= { ending: 'failed', why: error instanceof Error ? error.message : String(error) };
        throw error;
      } finally {
        this.#active--;
        this.#taskEnded.resolve();
        this.#taskEnded = Promise.withResolvers();
      }
    }
  }

  async #mayClaim(): Promise<boolean> {
    const { store, signal } = this.#context;
    for (;;) {
      if (signal?.aborted) this.#stop ??= { ending: 'interrupted', why: 'the run was stopped' };
      if (this.#stop !== undefined) return false;
      if (!(await store.isPaused())) return true;
      await this.#sleep(PAUSE_POLL_MILLISECONDS);
    }
  }

  /** Nothing can be claimed now. True when it is worth looking again, after a while. */
  async #waitForTask(): Promise<boolean> {
    if (this.#active > 0) {
      await this.#taskEnded.promise;
      return true;
    }
    const { store, phases } = this.#context;
    const waiting = (await store.listTasks({ status: 'ready' })).filter(
      ({ phase }) => phases === undefined || phases.includes(phase),
    );
    if (waiting.length === 0) return false;
    const until = Math.min(...waiting.map(({ notBefore }) => notBefore));
    await this.#sleep(Math.max(10, Math.min(until - Date.now(), PAUSE_POLL_MILLISECONDS)));
    return true;
  }

  #count(result: WorkResult): void {
    if (result.kind === 'done') this.#counts.done++;
    if (result.kind === 'needs-human') this.#counts.needsHuman++;
    if (result.kind !== 'released') {
      this.#failures = 0;
      return;
    }
    this.#counts.released++;
    const { cause, why, isPermanent } = result;
    if (cause === 'budget') this.#stop ??= { ending: 'budget', why };
    if (cause === 'fatal') this.#stop ??= { ending: 'failed', why };
    const most = isPermanent ? 1 : MOST_FAILURES * (this.#context.workers ?? 1);
    if (cause === 'unavailable' && ++this.#failures >= most) this.#stop ??= { ending: 'agents-unavailable', why };
  }

  async #sleep(milliseconds: number): Promise<void> {
    await sleep(milliseconds, undefined, { signal: this.#context.signal }).catch(() => {});
  }
}

function newRunId(): string {
  const now = new Date().toISOString().replace(/[-:]/g, '');
  return `${now.slice(0, 8)}-${now.slice(9, 15)}-${randomBytes(3).toString('hex')}`;
}

function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    // It is there, and belongs to somebody else.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function mutex(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work, work);
    last = result.catch(() => {});
    return result;
  };
}
