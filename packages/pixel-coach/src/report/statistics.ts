/** What work cost and how well it went, by task, model, agent, phase or day. */
import type { Amount } from '../core/money.ts';
import type { Attempt, Call, Store, Task } from '../store/types.ts';

export const GROUPINGS = ['task', 'model', 'agent', 'phase', 'day'] as const;
export type Grouping = (typeof GROUPINGS)[number];

export interface Facts {
  readonly calls: readonly Call[];
  readonly attempts: readonly Attempt[];
  readonly tasks: ReadonlyMap<string, Task>;
}

export interface StatisticsRow {
  readonly key: string;
  readonly calls: number;
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
  /** Time spent in calls. */
  readonly milliseconds: number;
  /** Settled. */
  readonly cost: Amount;
  /** Held by calls that are under way, or were lost with their process. */
  readonly reserved: Amount;
  readonly tasks: number;
  /** Attempts that were decided. */
  readonly attempts: number;
  readonly accepted: number;
  /** Accepted of decided attempts, 0 to 1; null where none was decided. */
  readonly acceptanceRate: number | null;
  /** Of the tasks with a decided attempt, those whose first was accepted. */
  readonly firstTryRate: number | null;
}

/** Everything about the tasks that were worked on, of one run if one is named. */
export async function gatherFacts(store: Store, filter: { readonly runId?: string } = {}): Promise<Facts> {
  const calls = await store.listCalls(filter);
  const ids = new Set(calls.map(({ taskId }) => taskId));
  const attempts: Attempt[] = [];
  const tasks = new Map<string, Task>();
  for (const id of ids) {
    tasks.set(id, await store.getTask(id));
    const all = await store.listAttempts(id);
    attempts.push(...all.filter(({ runId }) => filter.runId === undefined || runId === filter.runId));
  }
  return { calls, attempts, tasks };
}

/** One row a key, the most expensive first, then by name. */
export function groupStatistics(facts: Facts, by: Grouping): StatisticsRow[] {
  const calls = Map.groupBy(facts.calls, (call) => callKey(call, by));
  const attempts = Map.groupBy(facts.attempts, (attempt) => attemptKey(attempt, by, facts));
  const keys = new Set([...calls.keys(), ...attempts.keys()]);
  return [...keys]
    .map((key) => rowOf(key, calls.get(key) ?? [], attempts.get(key) ?? []))
    .sort((a, b) => b.cost - a.cost || (a.key < b.key ? -1 : 1));
}

export function totalStatistics(facts: Facts): StatisticsRow {
  return rowOf('total', facts.calls, facts.attempts);
}

function rowOf(key: string, calls: readonly Call[], attempts: readonly Attempt[]): StatisticsRow {
  const decided = attempts.filter(({ status }) => status === 'accepted' || status === 'rejected');
  const accepted = decided.filter(({ status }) => status === 'accepted').length;
  const firsts = [...Map.groupBy(decided, ({ taskId }) => taskId).values()].map(
    (list) => list.reduce((first, attempt) => (attempt.number < first.number ? attempt : first)).status,
  );
  const firstTries = firsts.filter((status) => status === 'accepted').length;
  const sum = (value: (call: Call) => number): number => calls.reduce((total, call) => total + value(call), 0);
  return {
    key,
    calls: calls.length,
    inputTokens: sum(({ usage }) => usage?.inputTokens ?? 0),
    cachedTokens: sum(({ usage }) => usage?.cachedTokens ?? 0),
    outputTokens: sum(({ usage }) => usage?.outputTokens ?? 0),
    reasoningTokens: sum(({ usage }) => usage?.reasoningTokens ?? 0),
    milliseconds: sum(({ startedAt, endedAt }) => (endedAt === null ? 0 : endedAt - startedAt)),
    cost: sum(({ cost }) => cost ?? 0),
    reserved: sum(({ cost, reserved }) => (cost === null ? reserved : 0)),
    tasks: new Set([...calls.map(({ taskId }) => taskId), ...attempts.map(({ taskId }) => taskId)]).size,
    attempts: decided.length,
    accepted,
    acceptanceRate: decided.length === 0 ? null : accepted / decided.length,
    firstTryRate: firsts.length === 0 ? null : firstTries / firsts.length,
  };
}

function callKey(call: Call, by: Grouping): string {
  switch (by) {
    case 'task':
      return call.taskId;
    case 'model':
      return call.model;
    case 'agent':
      return call.agent;
    case 'phase':
      return call.phase;
    case 'day':
      return call.day;
  }
}

function attemptKey(attempt: Attempt, by: Grouping, { tasks }: Facts): string {
  switch (by) {
    case 'task':
      return attempt.taskId;
    case 'model':
      return attempt.model;
    case 'agent':
      return attempt.agent;
    case 'phase':
      return tasks.get(attempt.taskId)?.phase ?? '';
    case 'day':
      return new Date(attempt.startedAt).toISOString().slice(0, 10);
  }
}
