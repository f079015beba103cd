/**
 * Works on one claimed task until it is accepted, has used its attempts, or cannot go on: attempts in turn, the lease kept alive, and
 * every kind of failure brought to its right end.
 */
import type { Agent } from '../agents/types.ts';
import { CoachError, isCoachError } from '../core/errors.ts';
import type { Attempt, Lease, Review, Task } from '../store/types.ts';
import { branchTip } from '../workspace/commit.ts';
import { isAncestor } from '../workspace/repository.ts';
import { runAttempt } from './attempt.ts';
import type { RunContext } from './options.ts';
import { bringIn } from './publish.ts';

export type WorkResult =
  | { readonly kind: 'done' | 'needs-human' | 'lost' }
  /** Given back. `cause` says whether the run should go on. */
  | {
      readonly kind: 'released';
      readonly cause: 'unavailable' | 'budget' | 'interrupted' | 'fatal';
      readonly why: string;
      /** Waiting does not help: a key that is refused, a model that is not there. */
      readonly isPermanent: boolean;
    };

const DEFAULT_MAX_ATTEMPTS = 3;
const DEFAULT_LEASE_MILLISECONDS = 60_000;
const DEFAULT_RETRY_MILLISECONDS = 15_000;
const MOST_RETRY_MILLISECONDS = 600_000;
/** A change that does not fit on top of the others' is made anew so often before the task is given back. */
const MOST_ABANDONED = 5;

export function leaseOf({
  leaseMilliseconds = DEFAULT_LEASE_MILLISECONDS,
}: Pick<RunContext, 'leaseMilliseconds'>): number {
  return leaseMilliseconds;
}

export async function workOn(context: RunContext, lease: Lease, task: Task, failures: number): Promise<WorkResult> {
  const stop = new AbortController();
  const signal = context.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, context.signal]);
  const beat = setInterval(() => {
    context.store.heartbeat(lease, leaseOf(context)).catch((error) => stop.abort(error));
  }, leaseOf(context) / 3);
  try {
    return await work(context, { lease, task, signal });
  } catch (error) {
    return await giveBack(context, { lease, task, failures, error: stop.signal.aborted ? stop.signal.reason : error });
  } finally {
    clearInterval(beat);
  }
}

interface Work {
  readonly lease: Lease;
  readonly task: Task;
  readonly signal: AbortSignal;
}

async function work(context: RunContext, { lease, task: claimed, signal }: Work): Promise<WorkResult> {
  const { store, emit } = context;
  if (await finishPublished(context, lease, claimed)) return { kind: 'done' };
  await bringIn(context, claimed);
  for (let abandoned = 0; ; ) {
    signal.throwIfAborted();
    // Read again each time: a person may have edited it.
    const task = await store.getTask(claimed.id);
    const most = task.maxAttempts ?? context.maxAttempts ?? DEFAULT_MAX_ATTEMPTS;
    if (task.attemptsUsed >= most) {
      const why = `all ${most} attempts were used; show-task ${task.id} shows them`;
      await store.release(lease, 'needs_human', { who: lease.owner, why });
      emit({ type: 'needs-human', taskId: task.id, why });
      return { kind: 'needs-human' };
    }
    const result = await attemptWithFallbacks(context, { lease, task, signal });
    if (result.kind === 'accepted') return { kind: 'done' };
    if (result.kind === 'rejected') await markBest(context, lease);
    else if (++abandoned >= MOST_ABANDONED) throw new CoachError('git', result.why);
  }
}

/** The first generator that can be reached; each step to the next one is told. */
async function attemptWithFallbacks(context: RunContext, { lease, task, signal }: Work) {
  const { generators } = context.team(task);
  for (const [index, agent] of generators.entries()) {
    try {
      return await runAttempt(context, { task, lease, agent, signal });
    } catch (error) {
      const next: Agent | undefined = generators[index + 1];
      if (!isCoachError(error, 'agent-unavailable') || error.details.role === 'reviewer' || next === undefined)
        throw error;
      context.emit({ type: 'fallback', taskId: task.id, from: agent.name, to: next.name, why: error.message });
    }
  }
  throw new CoachError('agent-unavailable', 'There is no agent to write.', { details: { role: 'generator' } });
}

/** A process may have died after its commit was on the branch and before it could say so. */
async function finishPublished(context: RunContext, lease: Lease, task: Task): Promise<boolean> {
  const { store, repository, emit } = context;
  for (const attempt of (await store.listAttempts(task.id)).toReversed()) {
    const { commit, runId } = attempt;
    if (attempt.status !== 'abandoned' || attempt.stage !== 'commit' || commit === null) continue;
    const { branch } = await store.getRun(runId);
    const tip = await branchTip(repository, branch);
    if (tip === undefined || !(await isAncestor(repository, commit, tip))) continue;
    const reviews = (await store.listReviews(task.id)).filter(({ attemptId }) => attemptId === attempt.id);
    const { settled, reserved } = await store.getCost('task', task.id);
    const lineage = {
      ...{ commit, parentCommit: attempt.baseCommit, branch, generator: attempt.model },
      ...{ reviewer: reviews[0]?.model ?? null, cost: settled + reserved },
    };
    const author = { who: lease.owner, why: `its commit was on ${branch} when the process died` };
    const unproven = attempt.test === null;
    await store.accept(lease, attempt.id, lineage, { unproven, author, publish: () => {} });
    emit({ type: 'accepted', taskId: task.id, attemptId: attempt.id, commit, unproven });
    return true;
  }
  return false;
}

async function markBest({ store }: RunContext, lease: Lease): Promise<void> {
  const attempts = await store.listAttempts(lease.taskId);
  const reviews = await store.listReviews(lease.taskId);
  const [best] = attempts
    .filter(({ status }) => status === 'rejected')
    .map((attempt) => ({ attempt, rank: rankOf(attempt, reviews) }))
    .toSorted((a, b) => b.rank - a.rank || b.attempt.number - a.attempt.number);
  if (best !== undefined) await store.markBest(lease, best.attempt.id);
}

/** Passing tests come before everything, then the score, then how many tests passed, then that it could be applied at all. */
function rankOf(attempt: Attempt, reviews: readonly Review[]): number {
  const scores = reviews.filter(({ attemptId }) => attemptId === attempt.id).map(({ score }) => score);
  const counted = Math.min(attempt.test?.counted?.passed ?? 0, 9999);
  return (
    (attempt.test?.passed ? 1_000_000 : 0) +
    Math.max(0, ...scores) * 20_000 +
    counted +
    (attempt.files.length > 0 ? 0.5 : 0)
  );
}

interface Failure {
  readonly lease: Lease;
  readonly task: Task;
  /** How many came in a row before, in this run. */
  readonly failures: number;
  readonly error: unknown;
}

async function giveBack(context: RunContext, { lease, task, failures, error }: Failure): Promise<WorkResult> {
  const why = error instanceof Error ? error.message : String(error);
  if (isCoachError(error, 'lease-lost')) {
    context.emit({ type: 'released', taskId: task.id, why, notBefore: 0 });
    return { kind: 'lost' };
  }
  const cause = context.signal?.aborted ? 'interrupted' : causeOf(error);
  const forHuman = cause === 'human';
  const notBefore = cause === 'unavailable' ? Date.now() + waitAfter(context, failures, error) : 0;
  try {
    const author = { who: lease.owner, why: cause === 'interrupted' ? 'the run was stopped' : why };
    await context.store.release(lease, forHuman ? 'needs_human' : 'ready', author, { notBefore });
  } catch (lost) {
    if (!isCoachError(lost, 'lease-lost')) throw lost;
    return { kind: 'lost' };
  }
  if (forHuman) {
    context.emit({ type: 'needs-human', taskId: task.id, why });
    return { kind: 'needs-human' };
  }
  context.emit({ type: 'released', taskId: task.id, why, notBefore });
  return { kind: 'released', cause, why, isPermanent: isCoachError(error) && error.details.permanent === true };
}

function causeOf(error: unknown): 'human' | 'unavailable' | 'budget' | 'fatal' {
  if (!isCoachError(error)) return 'fatal';
  // A prompt that does not fit will not fit later either.
  if (error.code === 'agent-unavailable') return error.details.contextExceeded === true ? 'human' : 'unavailable';
  if (error.code === 'budget-exceeded')
    return error.details.scope === 'task' || error.details.scope === 'call' ? 'human' : 'budget';
  // Undecidable: waiting does not help.
  if (error.code === 'agent-failed') return 'human';
  if (error.code === 'git') return error.details.conflict === true ? 'human' : 'unavailable';
  return 'fatal';
}

/** Doubles with each failure in a row, with jitter; never shorter than what the server asked for. */
function waitAfter(
  { retryMilliseconds = DEFAULT_RETRY_MILLISECONDS }: RunContext,
  failures: number,
  error: unknown,
): number {
  const asked = isCoachError(error) ? Number(error.details.retryAfterMilliseconds ?? 0) : 0;
  const doubled = Math.min(retryMilliseconds * 2 ** failures, MOST_RETRY_MILLISECONDS);
  return Math.max(asked, Math.round(doubled * (0.5 + Math.random() / 2)));
}
