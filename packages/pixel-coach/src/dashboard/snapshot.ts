/** What the dashboard shows at one moment, read from the store: a fixed number of small queries, however many tasks there are. */
import type { CoachConfig } from '../config/config.ts';
import { amountOfDollars } from '../core/money.ts';
import { readLiveText } from '../logs/live-text.ts';
import type { Attempt, Cost, PhaseSummary, Run, Store, Task } from '../store/types.ts';

export interface Snapshot {
  readonly at: Date;
  readonly paused: boolean;
  readonly run: Run | undefined;
  readonly phases: readonly PhaseSummary[];
  /** Running first, then those that need a person, then those that come next. */
  readonly tasks: readonly Task[];
  readonly live: LiveAttempt | undefined;
  readonly runCost: Cost | undefined;
  readonly dayCost: Cost;
  readonly runLimit: number;
  readonly dayLimit: number;
}

interface LiveAttempt {
  readonly attempt: Attempt;
  readonly text: string;
}

const SHOWN_TASKS = 30;

export interface SnapshotOptions {
  readonly config: CoachConfig;
  readonly liveFolder: string;
  /** The task whose attempt is shown; the first running one otherwise. */
  readonly chosen: string | undefined;
}

export async function takeSnapshot(store: Store, { config, liveFolder, chosen }: SnapshotOptions): Promise<Snapshot> {
  const at = new Date();
  const [run] = await store.listRuns(1);
  const running = await store.listTasks({ status: 'running', limit: SHOWN_TASKS });
  const waiting = await store.listTasks({ status: 'needs_human', limit: SHOWN_TASKS });
  const tasks = [...running, ...waiting, ...(await store.nextTasks(SHOWN_TASKS))];
  const attempt = await shownAttempt(store, [chosen, running[0]?.id, waiting[0]?.id]);
  return {
    at,
    paused: await store.isPaused(),
    run,
    phases: await store.listPhases(),
    tasks,
    live: attempt && { attempt, text: liveTextOf(attempt, liveFolder) },
    runCost: run && (await store.getCost('run', run.id)),
    dayCost: await store.getCost('day', at.toISOString().slice(0, 10)),
    runLimit: amountOfDollars(config.budget.perRun),
    dayLimit: amountOfDollars(config.budget.perDay),
  };
}

/** The newest attempt of the first of these tasks that has one. */
async function shownAttempt(store: Store, taskIds: readonly (string | undefined)[]): Promise<Attempt | undefined> {
  for (const id of taskIds) {
    const attempt = id === undefined ? undefined : (await store.listAttempts(id)).at(-1);
    if (attempt) return attempt;
  }
  return undefined;
}

/** What is being written, or the newest of what came of it. */
function liveTextOf(attempt: Attempt, liveFolder: string): string {
  if (attempt.status === 'running' && attempt.stage === 'generate') return readLiveText(liveFolder, attempt.taskId);
  return attempt.feedback || attempt.testOutput || attempt.answer;
}
