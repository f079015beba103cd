/**
 * Calls and what they cost. A call is reserved, with the most it can cost, before it is made, and settled after; sums a task, run and
 * day are kept beside the calls, in the same transaction, so that checking a limit reads three rows. Runs inside the caller's transaction.
 */
import { CoachError } from '../core/errors.ts';
import { type Amount, formatAmount } from '../core/money.ts';
import type { Database } from './database.ts';
import { callOf, costOf } from './rows.ts';
import { insertRow } from './task-table.ts';
import type { Call, CallFilter, Cost, CostScope, Lease, NewCall, Settlement, Task } from './types.ts';

const LIMIT_NAMES = { task: 'this task', run: 'this run', day: 'today (UTC)' } as const;

export function reserveCall(database: Database, lease: Lease, task: Task, call: NewCall, now: number): Call {
  const { limits, ...fields } = call;
  const day = new Date(now).toISOString().slice(0, 10);
  const keys: Record<CostScope, string> = { task: task.id, run: lease.runId, day };
  if (call.reserved > 0) checkLimits(database, call.reserved, limits, keys);
  const id = insertRow(database, 'calls', {
    ...fields,
    runId: lease.runId,
    taskId: task.id,
    phase: task.phase,
    status: 'reserved',
    day,
    startedAt: now,
  });
  for (const [scope, key] of Object.entries(keys)) {
    database.run(
      `INSERT INTO costs (scope, key, reserved, calls) VALUES (?, ?, ?, 1)
       ON CONFLICT DO UPDATE SET reserved = reserved + excluded.reserved, calls = calls + 1`,
      scope,
      key,
      call.reserved,
    );
  }
  return findCall(database, id);
}

export function settleCall(database: Database, id: number, settlement: Settlement, now: number): Call {
  const call = findCall(database, id);
  if (call.status === 'settled')
    throw new CoachError('bad-argument', `Call ${id} was settled before, at ${formatAmount(call.cost ?? 0)}.`);
  if (!Number.isSafeInteger(settlement.cost) || settlement.cost < 0)
    throw new CoachError('bad-argument', `${settlement.cost} is not an amount.`);
  database.run(
    `UPDATE calls SET status = 'settled', cost = ?, usage = ?, model = ?, error = ?, ended_at = ? WHERE id = ?`,
    settlement.cost,
    JSON.stringify(settlement.usage),
    settlement.model ?? call.model,
    settlement.error ?? null,
    now,
    id,
  );
  const keys: Record<CostScope, string> = { task: call.taskId, run: call.runId, day: call.day };
  for (const [scope, key] of Object.entries(keys)) {
    database.run(
      'UPDATE costs SET settled = settled + ?, reserved = reserved - ? WHERE scope = ? AND key = ?',
      settlement.cost,
      call.reserved,
      scope,
      key,
    );
  }
  return findCall(database, id);
}

/** The process that should have settled them is gone: their reservations stay counted. */
export function loseOpenCalls(database: Database, attemptId: number, now: number): void {
  database.run(
    "UPDATE calls SET status = 'lost', ended_at = ? WHERE attempt_id = ? AND status = 'reserved'",
    now,
    attemptId,
  );
}

export function listCalls(database: Database, { runId, taskId, attemptId, day }: CallFilter): Call[] {
  const conditions = Object.entries({ run_id: runId, task_id: taskId, attempt_id: attemptId, day }).filter(
    (entry): entry is [string, string | number] => entry[1] !== undefined,
  );
  const where = conditions.length > 0 ? `WHERE ${conditions.map(([column]) => `${column} = ?`).join(' AND ')}` : '';
  return database.all(`SELECT * FROM calls ${where} ORDER BY id`, ...conditions.map(([, value]) => value)).map(callOf);
}

export function findCost(database: Database, scope: CostScope, key: string): Cost {
  const row = database.get('SELECT * FROM costs WHERE scope = ? AND key = ?', scope, key);
  return row === undefined ? { scope, key, settled: 0, reserved: 0, calls: 0 } : costOf(row);
}

function checkLimits(
  database: Database,
  asked: Amount,
  limits: NewCall['limits'],
  keys: Readonly<Record<CostScope, string>>,
): void {
  if (limits.call !== undefined && asked > limits.call)
    throw budgetExceeded('call', 'one call', { limit: limits.call, spent: 0, asked });
  for (const scope of ['task', 'run', 'day'] as const) {
    const limit = limits[scope];
    if (limit === undefined) continue;
    const { settled, reserved } = findCost(database, scope, keys[scope]);
    if (settled + reserved + asked > limit)
      throw budgetExceeded(scope, LIMIT_NAMES[scope], { limit, spent: settled + reserved, asked });
  }
}

function budgetExceeded(
  scope: string,
  name: string,
  amounts: { readonly limit: Amount; readonly spent: Amount; readonly asked: Amount },
): CoachError {
  const { limit, spent, asked } = amounts;
  return new CoachError(
    'budget-exceeded',
    `The call may cost ${formatAmount(asked)}; the limit for ${name} is ${formatAmount(limit)}, of which ${formatAmount(spent)} is spent or reserved.`,
    { details: { scope, ...amounts } },
  );
}

function findCall(database: Database, id: number): Call {
  const row = database.get('SELECT * FROM calls WHERE id = ?', id);
  if (row === undefined) throw new CoachError('unknown-call', `There is no call ${id}.`);
  return callOf(row);
}
