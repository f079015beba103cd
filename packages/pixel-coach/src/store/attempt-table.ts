/** Attempts, their reviews, and the commits they became. Everything here runs inside a transaction of the caller. */
import { CoachError } from '../core/errors.ts';
import type { Database } from './database.ts';
import { attemptOf, columnOf, storedValue } from './rows.ts';
import { changeStatus, insertRow } from './task-table.ts';
import type { Attempt, AttemptUpdate, Author, Lease, Lineage, Task } from './types.ts';

export interface Acceptance {
  readonly lineage: Omit<Lineage, 'createdAt' | 'taskId' | 'attemptId'>;
  readonly unproven: boolean;
  readonly author: Author;
  readonly publish: () => void;
}

export function findAttempt(database: Database, id: number): Attempt {
  const row = database.get('SELECT * FROM attempts WHERE id = ?', id);
  if (row === undefined) throw new CoachError('unknown-attempt', `There is no attempt ${id}.`);
  return attemptOf(row);
}

export function insertAttempt(
  database: Database,
  lease: Lease,
  fields: Pick<Attempt, 'agent' | 'model' | 'baseCommit'>,
  now: number,
): Attempt {
  const last = database.get('SELECT max(number) AS number FROM attempts WHERE task_id = ?', lease.taskId);
  const id = insertRow(database, 'attempts', {
    ...fields,
    taskId: lease.taskId,
    runId: lease.runId,
    number: Number(last?.number ?? 0) + 1,
    leaseToken: lease.token,
    status: 'running',
    stage: 'prompt',
    startedAt: now,
  });
  return findAttempt(database, id);
}

export function updateAttempt(database: Database, id: number, update: AttemptUpdate): void {
  const entries = Object.entries(update).filter(([, value]) => value !== undefined);
  if (entries.length === 0) return;
  const assignments = entries.map(([field]) => `"${columnOf(field)}" = ?`).join(', ');
  database.run(
    `UPDATE attempts SET ${assignments} WHERE id = ?`,
    ...entries.map(([, value]) => storedValue(value)),
    id,
  );
}

/** The running attempt of this lease; throws `unknown-attempt` for any other. */
export function runningAttempt(database: Database, lease: Lease, id: number): Attempt {
  const attempt = findAttempt(database, id);
  if (attempt.taskId === lease.taskId && attempt.leaseToken === lease.token && attempt.status === 'running')
    return attempt;
  throw new CoachError('unknown-attempt', `Attempt ${id} is not a running attempt of task "${lease.taskId}".`);
}

export function markBest(database: Database, taskId: string, id: number): void {
  database.run('UPDATE attempts SET best = (id = ?) WHERE task_id = ?', id, taskId);
}

/** Attempt accepted, lineage noted, task done, branch moved: in this order, so that whatever fails undoes all of it. */
export function acceptAttempt(database: Database, task: Task, id: number, acceptance: Acceptance, now: number): void {
  const { lineage, unproven, author, publish } = acceptance;
  const attempt = findAttempt(database, id);
  if (attempt.taskId !== task.id)
    throw new CoachError('unknown-attempt', `Attempt ${id} is not one of task "${task.id}".`);
  database.run(
    `UPDATE attempts SET status = 'accepted', stage = 'done', "commit" = ?, feedback = '',
       ended_at = coalesce(ended_at, ?) WHERE id = ?`,
    lineage.commit,
    now,
    id,
  );
  markBest(database, task.id, id);
  insertRow(database, 'lineage', { ...lineage, taskId: task.id, attemptId: id, createdAt: now });
  const also = { lease_owner: null, lease_run: null, lease_expires_at: null, unproven: unproven ? 1 : 0 };
  changeStatus(database, task, { to: 'done', author, also }, now);
  publish();
}
