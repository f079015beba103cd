/**
 * Leases: who may work on which task. A claim hands out a token from one counter that only grows (a fencing token); everything that
 * a worker writes names it, and it is worthless once the task was claimed again, taken away, or the lease's time ran out and
 * somebody noticed. Everything here runs inside a transaction of the caller.
 */
import { CoachError } from '../core/errors.ts';
import type { Database } from './database.ts';
import { loseOpenCalls } from './money-table.ts';
import { changeStatus, findTask, readyTasks } from './task-table.ts';
import type { Author, ClaimOptions, Lease, Task } from './types.ts';

/** Columns of a task that nobody works on. */
export const NO_LEASE = { lease_owner: null, lease_run: null, lease_expires_at: null } as const;

export function claimTask(
  database: Database,
  { runId, owner, leaseMilliseconds, phases }: ClaimOptions,
  now: number,
): { lease: Lease; task: Task } | undefined {
  const [task] = readyTasks(database, now, 1, phases);
  if (task === undefined) return undefined;
  const counter = database.get("UPDATE counters SET value = value + 1 WHERE name = 'lease' RETURNING value");
  const token = Number(counter?.value);
  const also = {
    lease_token: token,
    lease_owner: owner,
    lease_run: runId,
    lease_expires_at: now + leaseMilliseconds,
  };
  const author = { who: owner, why: `claimed in run ${runId}` };
  changeStatus(database, task, { to: 'running', author, also }, now);
  return { lease: { taskId: task.id, runId, owner, token }, task: findTask(database, task.id) };
}

/** The task, if the lease still holds; throws `lease-lost` otherwise. */
export function leasedTask(database: Database, lease: Lease): Task {
  const task = findTask(database, lease.taskId);
  if (task.status === 'running' && task.leaseToken === lease.token) return task;
  throw new CoachError(
    'lease-lost',
    `${lease.owner} no longer works on task "${lease.taskId}": it is ${task.status} (${task.reason}).`,
    { details: { task: lease.taskId, token: lease.token, current: task.leaseToken } },
  );
}

/** Takes back the leases that ran out; their tasks can be claimed again. */
export function takeBackExpired(database: Database, now: number): string[] {
  const rows = database.all(
    "SELECT id FROM tasks WHERE status = 'running' AND lease_expires_at < ? ORDER BY sequence",
    now,
  );
  return takeBack(database, rows, 'its worker went silent', now);
}

/** Takes back everything that a run still holds. */
export function takeBackRun(database: Database, runId: string, why: string, now: number): string[] {
  const rows = database.all("SELECT id FROM tasks WHERE status = 'running' AND lease_run = ? ORDER BY sequence", runId);
  return takeBack(database, rows, why, now);
}

/** Ends whatever was open in the task's work: the attempt is broken off, calls that nobody settled count as reserved. */
export function closeOpenWork(database: Database, taskId: string, why: string, now: number): void {
  const open = database.all("SELECT id FROM attempts WHERE task_id = ? AND status = 'running'", taskId);
  for (const { id } of open) {
    loseOpenCalls(database, Number(id), now);
    database.run(
      "UPDATE attempts SET status = 'abandoned', feedback = ?, ended_at = ? WHERE id = ?",
      why,
      now,
      Number(id),
    );
  }
}

function takeBack(
  database: Database,
  rows: readonly { [column: string]: unknown }[],
  why: string,
  now: number,
): string[] {
  const author: Author = { who: 'store', why };
  return rows.map(({ id }) => {
    const task = findTask(database, String(id));
    closeOpenWork(database, task.id, why, now);
    changeStatus(database, task, { to: 'ready', author, also: NO_LEASE }, now);
    return task.id;
  });
}
