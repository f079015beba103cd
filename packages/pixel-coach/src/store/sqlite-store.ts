/**
 * The store in one SQLite file, shared by several processes: the coach at work, a dashboard that watches, a person who edits. Each
 * method is one transaction; what they do stands in the table files beside this one.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { CoachError } from '../core/errors.ts';
import { acceptAttempt, findAttempt, insertAttempt, markBest, runningAttempt, updateAttempt } from './attempt-table.ts';
import { Database, type Row } from './database.ts';
import { claimTask, closeOpenWork, leasedTask, NO_LEASE, takeBackExpired, takeBackRun } from './lease-table.ts';
import { findCost, listCalls, loseOpenCalls, reserveCall, settleCall } from './money-table.ts';
import { attemptOf, changeOf, costOf, lineageOf, reviewOf, runOf } from './rows.ts';
import type { TaskStatus } from './status.ts';
import {
  changeStatus,
  dependenciesAreDone,
  editTask,
  findTask,
  insertRow,
  insertTasks,
  listPhases,
  listTasks,
  readyTasks,
} from './task-table.ts';
import type {
  Attempt,
  AttemptUpdate,
  Author,
  Call,
  CallFilter,
  Change,
  ClaimOptions,
  Cost,
  CostScope,
  Lease,
  Lineage,
  NewCall,
  NewReview,
  PhaseSummary,
  Review,
  Run,
  Settlement,
  Store,
  Task,
  TaskDefinition,
  TaskFilter,
} from './types.ts';

export interface SqliteStoreOptions {
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

/** Opens the store in the file `path`, which is created with its folder if it is not there. Throws `bad-store`, `io`. */
export function openSqliteStore(path: string, { clock = Date.now }: SqliteStoreOptions = {}): Store {
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (cause) {
    throw new CoachError('io', `The folder of ${path} cannot be made.`, { cause });
  }
  return new SqliteStore(new Database(path), clock);
}

class SqliteStore implements Store {
  readonly #database: Database;
  readonly #clock: () => number;

  constructor(database: Database, clock: () => number) {
    this.#database = database;
    this.#clock = clock;
  }

  async addTasks(tasks: readonly TaskDefinition[], author: Author): Promise<void> {
    this.#write((database, now) => insertTasks(database, tasks, author, now));
  }

  async getTask(id: string): Promise<Task> {
    return findTask(this.#database, id);
  }

  async listTasks(filter: TaskFilter = {}): Promise<Task[]> {
    return listTasks(this.#database, filter);
  }

  async nextTasks(limit: number, phases?: readonly string[]): Promise<Task[]> {
    return readyTasks(this.#database, this.#clock(), limit, phases);
  }

  async listPhases(): Promise<PhaseSummary[]> {
    return listPhases(this.#database);
  }

  async editTask(
    id: string,
    version: number,
    edits: Partial<Omit<TaskDefinition, 'id'>>,
    author: Author,
  ): Promise<Task> {
    return this.#write((database, now) => {
      requireVersion(findTask(database, id), version);
      editTask(database, id, edits, author, now);
      return findTask(database, id);
    });
  }

  async setStatus(id: string, to: TaskStatus, author: Author, version?: number): Promise<Task> {
    return this.#write((database, now) => {
      const task = findTask(database, id);
      if (version !== undefined) requireVersion(task, version);
      const opened = to === 'ready' || to === 'pending';
      const target = opened ? (dependenciesAreDone(database, id) ? 'ready' : 'pending') : to;
      closeOpenWork(database, id, author.why, now);
      const anew = opened && task.status !== 'blocked' ? { attempts_used: 0, not_before: 0, unproven: 0 } : {};
      changeStatus(database, task, { to: target, author, also: { ...NO_LEASE, ...anew } }, now);
      return findTask(database, id);
    });
  }

  async listChanges(taskId: string): Promise<Change[]> {
    return this.#database.all('SELECT * FROM changes WHERE task_id = ? ORDER BY id', taskId).map(changeOf);
  }

  async createRun(run: Pick<Run, 'id' | 'branch' | 'baseCommit' | 'processId' | 'options'>): Promise<Run> {
    return this.#write((database, now) => {
      insertRow(database, 'runs', { ...run, status: 'running', startedAt: now });
      return findRun(database, run.id);
    });
  }

  async finishRun(id: string, status: 'finished' | 'interrupted'): Promise<Run> {
    return this.#write((database, now) => {
      takeBackRun(database, id, `run ${id} was ${status}`, now);
      database.run('UPDATE runs SET status = ?, ended_at = ? WHERE id = ?', status, now, id);
      return findRun(database, id);
    });
  }

  async getRun(id: string): Promise<Run> {
    return findRun(this.#database, id);
  }

  async listRuns(limit = 100): Promise<Run[]> {
    return this.#database.all('SELECT * FROM runs ORDER BY started_at DESC, id DESC LIMIT ?', limit).map(runOf);
  }

  async claim(options: ClaimOptions): Promise<{ lease: Lease; task: Task } | undefined> {
    return this.#write((database, now) => {
      takeBackExpired(database, now);
      return claimTask(database, options, now);
    });
  }

  async heartbeat(lease: Lease, leaseMilliseconds: number): Promise<void> {
    this.#write((database, now) => {
      leasedTask(database, lease);
      database.run('UPDATE tasks SET lease_expires_at = ? WHERE id = ?', now + leaseMilliseconds, lease.taskId);
    });
  }

  async release(
    lease: Lease,
    to: 'ready' | 'needs_human' | 'failed',
    author: Author,
    { notBefore = 0 }: { readonly notBefore?: number } = {},
  ): Promise<Task> {
    return this.#write((database, now) => {
      const task = leasedTask(database, lease);
      closeOpenWork(database, task.id, author.why, now);
      const target = to === 'ready' && !dependenciesAreDone(database, task.id) ? 'pending' : to;
      changeStatus(database, task, { to: target, author, also: { ...NO_LEASE, not_before: notBefore } }, now);
      return findTask(database, task.id);
    });
  }

  async recoverExpired(): Promise<string[]> {
    return this.#write(takeBackExpired);
  }

  async startAttempt(lease: Lease, attempt: Pick<Attempt, 'agent' | 'model' | 'baseCommit'>): Promise<Attempt> {
    return this.#write((database, now) => {
      leasedTask(database, lease);
      return insertAttempt(database, lease, attempt, now);
    });
  }

  async updateAttempt(lease: Lease, attemptId: number, update: AttemptUpdate): Promise<void> {
    this.#write((database) => {
      leasedTask(database, lease);
      runningAttempt(database, lease, attemptId);
      updateAttempt(database, attemptId, update);
    });
  }

  async endAttempt(lease: Lease, attemptId: number, status: 'rejected' | 'abandoned', feedback: string): Promise<void> {
    this.#write((database, now) => {
      leasedTask(database, lease);
      runningAttempt(database, lease, attemptId);
      loseOpenCalls(database, attemptId, now);
      database.run(
        'UPDATE attempts SET status = ?, feedback = ?, ended_at = ? WHERE id = ?',
        status,
        feedback,
        now,
        attemptId,
      );
      if (status === 'rejected')
        database.run('UPDATE tasks SET attempts_used = attempts_used + 1 WHERE id = ?', lease.taskId);
    });
  }

  async markBest(lease: Lease, attemptId: number): Promise<void> {
    this.#write((database) => {
      leasedTask(database, lease);
      markBest(database, lease.taskId, attemptId);
    });
  }

  async addReview(lease: Lease, attemptId: number, review: NewReview): Promise<Review> {
    return this.#write((database, now) => {
      leasedTask(database, lease);
      runningAttempt(database, lease, attemptId);
      const fields = { ...review, attemptId, taskId: lease.taskId, createdAt: now };
      return reviewOf(
        database.get('SELECT * FROM reviews WHERE id = ?', insertRow(database, 'reviews', fields)) as Row,
      );
    });
  }

  async accept(
    lease: Lease,
    attemptId: number,
    lineage: Omit<Lineage, 'createdAt' | 'taskId' | 'runId' | 'attemptId'>,
    options: { readonly unproven: boolean; readonly author: Author; readonly publish: () => void },
  ): Promise<Task> {
    return this.#write((database, now) => {
      const task = leasedTask(database, lease);
      const acceptance = { ...options, lineage: { ...lineage, runId: lease.runId } };
      acceptAttempt(database, task, attemptId, acceptance, now);
      return findTask(database, task.id);
    });
  }

  async approve(
    taskId: string,
    attemptId: number,
    lineage: Omit<Lineage, 'createdAt' | 'taskId' | 'attemptId'>,
    options: { readonly unproven: boolean; readonly author: Author; readonly publish: () => void },
  ): Promise<Task> {
    return this.#write((database, now) => {
      const task = findTask(database, taskId);
      if (task.status === 'running')
        throw new CoachError('illegal-transition', `Task "${taskId}" is being worked on; block it first.`);
      acceptAttempt(database, task, attemptId, { ...options, lineage }, now);
      return findTask(database, taskId);
    });
  }

  async getAttempt(id: number): Promise<Attempt> {
    return findAttempt(this.#database, id);
  }

  async listAttempts(taskId: string): Promise<Attempt[]> {
    return this.#database.all('SELECT * FROM attempts WHERE task_id = ? ORDER BY number', taskId).map(attemptOf);
  }

  async listReviews(taskId: string): Promise<Review[]> {
    return this.#database.all('SELECT * FROM reviews WHERE task_id = ? ORDER BY id', taskId).map(reviewOf);
  }

  async listLineage({ runId, taskId }: { readonly runId?: string; readonly taskId?: string } = {}): Promise<Lineage[]> {
    const order = 'ORDER BY created_at, rowid';
    if (taskId !== undefined)
      return this.#database.all(`SELECT * FROM lineage WHERE task_id = ? ${order}`, taskId).map(lineageOf);
    if (runId !== undefined)
      return this.#database.all(`SELECT * FROM lineage WHERE run_id = ? ${order}`, runId).map(lineageOf);
    return this.#database.all(`SELECT * FROM lineage ${order}`).map(lineageOf);
  }

  async reserveCall(lease: Lease, call: NewCall): Promise<Call> {
    return this.#write((database, now) => {
      const task = leasedTask(database, lease);
      runningAttempt(database, lease, call.attemptId);
      return reserveCall(database, lease, task, call, now);
    });
  }

  async settleCall(callId: number, settlement: Settlement): Promise<Call> {
    return this.#write((database, now) => settleCall(database, callId, settlement, now));
  }

  async listCalls(filter: CallFilter = {}): Promise<Call[]> {
    return listCalls(this.#database, filter);
  }

  async getCost(scope: CostScope, key: string): Promise<Cost> {
    return findCost(this.#database, scope, key);
  }

  async listCosts(scope: CostScope): Promise<Cost[]> {
    return this.#database.all('SELECT * FROM costs WHERE scope = ? ORDER BY key', scope).map(costOf);
  }

  async setPaused(paused: boolean, { who, why }: Author): Promise<void> {
    this.#write((database) =>
      database.run('INSERT OR REPLACE INTO switches VALUES (?, ?, ?, ?)', 'paused', paused ? 'on' : 'off', who, why),
    );
  }

  async isPaused(): Promise<boolean> {
    return this.#database.get("SELECT value FROM switches WHERE name = 'paused'")?.value === 'on';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#database.close();
  }

  #write<T>(work: (database: Database, now: number) => T): T {
    return this.#database.write(() => work(this.#database, this.#clock()));
  }
}

function requireVersion(task: Task, version: number): void {
  if (task.version !== version)
    throw new CoachError(
      'version-conflict',
      `Task "${task.id}" was changed in the meantime (version ${task.version}, the edit is of ${version}). Read it again.`,
    );
}

function findRun(database: Database, id: string): Run {
  const row = database.get('SELECT * FROM runs WHERE id = ?', id);
  if (row === undefined) throw new CoachError('unknown-run', `There is no run "${id}".`);
  return runOf(row);
}
