/** What a run is given, and what it tells while it works. */
import type { PriceList, Team } from '../agents/types.ts';
import type { Amount } from '../core/money.ts';
import type { TestSettings } from '../proof/run-tests.ts';
import type { AttemptStage, Store, Task, TestOutcome } from '../store/types.ts';
import type { Repository } from '../workspace/repository.ts';

export interface MoneyLimits {
  readonly call?: Amount | undefined;
  /** For tasks that name no budget of their own. */
  readonly task?: Amount | undefined;
  readonly run?: Amount | undefined;
  readonly day?: Amount | undefined;
}

export interface LoopOptions {
  readonly store: Store;
  readonly repository: Repository;
  readonly tests: TestSettings;
  readonly prices: PriceList;
  /** Who works on a task: its preferred agent first, if it names one. */
  readonly team: (task: Task) => Team;
  readonly limits?: MoneyLimits;
  /** The least score that is accepted; 8. */
  readonly threshold?: number;
  /** A first score within this distance of the threshold is asked for twice more, and the median counts; 1. */
  readonly medianBand?: number;
  /** For tasks that name no number of their own; 3. */
  readonly maxAttempts?: number;
  readonly protectedPaths?: readonly string[];
  /** What models must not see: hidden tests. Globs. */
  readonly hiddenPaths?: readonly string[];
  readonly workers?: number;
  readonly phases?: readonly string[] | undefined;
  /** Ends the run after so many tasks. */
  readonly maxTasks?: number | undefined;
  /** Where the run's branch begins; HEAD. */
  readonly base?: string | undefined;
  readonly leaseMilliseconds?: number;
  /** How long a task waits after a failure that is nobody's fault, the first time. */
  readonly retryMilliseconds?: number;
  /** Kept with the run, for people. */
  readonly description?: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: (event: LoopEvent) => void;
}

export type LoopEvent =
  | { readonly type: 'run-started'; readonly runId: string; readonly branch: string; readonly baseCommit: string }
  | { readonly type: 'recovered'; readonly taskIds: readonly string[]; readonly runIds: readonly string[] }
  | {
      readonly type: 'claimed';
      readonly taskId: string;
      readonly title: string;
      readonly phase: string;
      readonly worker: string;
    }
  | {
      readonly type: 'attempt';
      readonly taskId: string;
      readonly attemptId: number;
      readonly number: number;
      readonly agent: string;
    }
  | { readonly type: 'stage'; readonly taskId: string; readonly attemptId: number; readonly stage: AttemptStage }
  | { readonly type: 'text'; readonly taskId: string; readonly attemptId: number; readonly text: string }
  | CallEvent
  | {
      readonly type: 'fallback';
      readonly taskId: string;
      readonly from: string;
      readonly to: string;
      readonly why: string;
    }
  | { readonly type: 'tested'; readonly taskId: string; readonly attemptId: number; readonly outcome: TestOutcome }
  | {
      readonly type: 'reviewed';
      readonly taskId: string;
      readonly attemptId: number;
      readonly score: number;
      readonly mustFix: readonly string[];
    }
  | { readonly type: 'rejected'; readonly taskId: string; readonly attemptId: number; readonly feedback: string }
  | {
      readonly type: 'accepted';
      readonly taskId: string;
      readonly attemptId: number;
      readonly commit: string;
      readonly unproven: boolean;
    }
  | { readonly type: 'needs-human'; readonly taskId: string; readonly why: string }
  | { readonly type: 'released'; readonly taskId: string; readonly why: string; readonly notBefore: number }
  | { readonly type: 'run-ended'; readonly summary: RunSummary };

export interface CallEvent {
  readonly type: 'call';
  readonly taskId: string;
  readonly attemptId: number;
  readonly callId: number;
  readonly purpose: 'generate' | 'review';
  readonly agent: string;
  readonly model: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedTokens: number;
  readonly reasoningTokens: number;
  readonly cost: Amount;
  readonly milliseconds: number;
  readonly error?: string;
}

export interface RunSummary {
  readonly runId: string;
  readonly branch: string;
  /** Why it ended. */
  readonly ending:
    | 'no-more-tasks'
    | 'max-tasks'
    | 'budget'
    | 'agents-unavailable'
    | 'interrupted'
    | 'paused'
    | 'failed';
  readonly why: string;
  readonly done: number;
  readonly needsHuman: number;
  readonly released: number;
  readonly cost: Amount;
}

/** A run's own facts, for everything below. */
export interface RunContext extends LoopOptions {
  readonly runId: string;
  readonly branch: string;
  readonly baseCommit: string;
  readonly emit: (event: LoopEvent) => void;
  /** One at a time: tests on the newest tip, then the commit. */
  readonly publishing: <T>(work: () => Promise<T>) => Promise<T>;
}
