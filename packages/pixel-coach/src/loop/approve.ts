/** A person accepts a task that waits for one: its best attempt becomes a commit on a branch of the coach. */
import { CoachError } from '../core/errors.ts';
import { formatAmount } from '../core/money.ts';
import type { Attempt, Author, Store, Task } from '../store/types.ts';
import { branchTip, moveBranch, writeCommit } from '../workspace/commit.ts';
import { openSnapshot, type Repository } from '../workspace/repository.ts';

export interface ApproveOptions {
  readonly store: Store;
  readonly repository: Repository;
  readonly author: Author;
  /** Which attempt; the best one when absent. */
  readonly attemptId?: number | undefined;
}

/**
 * Commits the attempt on the branch of its run. Tests decide, for people too: an attempt that failed its tests is refused with
 * `illegal-transition`, as is one that does not fit on the branch any more. `unknown-task`, `unknown-attempt`.
 */
export async function approveTask(
  taskId: string,
  { store, repository, author, attemptId }: ApproveOptions,
): Promise<Task> {
  const task = await store.getTask(taskId);
  const attempt = await chooseAttempt(store, taskId, attemptId);
  const { branch } = await store.getRun(attempt.runId);
  const tip = (await branchTip(repository, branch)) ?? attempt.baseCommit;
  const base = await openSnapshot(repository, tip);
  if (tip !== attempt.baseCommit) await requireUntouched(repository, attempt, base.entries);
  const { settled, reserved } = await store.getCost('task', taskId);
  const cost = settled + reserved;
  const trailers = [
    `Coach-Task: ${taskId}`,
    `Coach-Attempt: ${attempt.number}`,
    `Coach-Run: ${attempt.runId}`,
    `Coach-Generator: ${attempt.agent} (${attempt.model})`,
    `Coach-Cost: ${formatAmount(cost)}`,
    `Coach-Approved-By: ${author.who.replace(/\s+/g, ' ')}`,
  ];
  const title = task.title.replace(/\s+/g, ' ').trim();
  const commit = await writeCommit(repository, base, attempt.files, `${title}\n\n${trailers.join('\n')}\n`);
  const lineage = {
    ...{ commit, parentCommit: tip, branch, runId: attempt.runId },
    ...{ generator: attempt.model, reviewer: null, cost },
  };
  return store.approve(taskId, attempt.id, lineage, {
    // Tested on another commit than the one it stands on now.
    unproven: attempt.test === null || tip !== attempt.baseCommit,
    author,
    publish: () => moveBranch(repository, branch, commit, tip),
  });
}

async function chooseAttempt(store: Store, taskId: string, attemptId: number | undefined): Promise<Attempt> {
  const attempts = await store.listAttempts(taskId);
  const attempt = attempts.find(({ id, best }) => (attemptId === undefined ? best : id === attemptId));
  if (attempt === undefined) throw new CoachError('unknown-attempt', `Task "${taskId}" has no attempt to approve.`);
  if (attempt.files.length === 0)
    throw new CoachError('illegal-transition', `Attempt ${attempt.number} of task "${taskId}" changes no file.`);
  if (attempt.test?.passed === false)
    throw new CoachError(
      'illegal-transition',
      `Attempt ${attempt.number} of task "${taskId}" failed its tests, and tests decide. Retry it, or make the change by hand.`,
    );
  return attempt;
}

async function requireUntouched(
  repository: Repository,
  attempt: Attempt,
  now: ReadonlyMap<string, { readonly object: string }>,
): Promise<void> {
  const before = (await openSnapshot(repository, attempt.baseCommit)).entries;
  const touched = attempt.files.find(({ path }) => before.get(path)?.object !== now.get(path)?.object);
  if (touched !== undefined)
    throw new CoachError(
      'illegal-transition',
      `${touched.path} was changed on the branch since attempt ${attempt.number} of task "${attempt.taskId}". Retry the task.`,
    );
}
