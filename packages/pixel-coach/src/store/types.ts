/**
 * The rows of the store and the interface through which everything reaches them. SQLite implements it (sqlite-store.ts); the
 * conformance suite (test/store-conformance.ts) is what any other store has to pass. All methods are asynchronous because another store may
 * be across a network. Times are milliseconds since 1970, amounts nano-dollars (core/money.ts).
 */
import type { Amount } from '../core/money.ts';
import type { TaskStatus } from './status.ts';

export const TASK_ACTIONS = ['write_file', 'edit_file', 'patch', 'write_tests'] as const;
export type TaskAction = (typeof TASK_ACTIONS)[number];

/** What a person says about a task: the part that a roadmap holds and that can be edited. */
export interface TaskDefinition {
  /** Unique in the project: letters, digits, `.`, `_`, `-`. */
  readonly id: string;
  readonly phase: string;
  readonly title: string;
  readonly description: string;
  readonly action: TaskAction;
  /** Files or globs that an attempt may write, relative to the repository's root. */
  readonly paths: readonly string[];
  /** Files or globs shown to the model beside those it may write. */
  readonly context: readonly string[];
  /** Larger comes first. */
  readonly priority: number;
  readonly dependencies: readonly string[];
  /** Run by a shell in the sandbox; null: nothing proves the change, it is reviewed only and marked unproven. */
  readonly testCommand: string | null;
  /** A second command that the models never see. */
  readonly hiddenTestCommand: string | null;
  /** Name of the agent that should write; null: the configuration's. */
  readonly preferredAgent: string | null;
  readonly maxAttempts: number | null;
  /** Most that all calls for this task may cost together. */
  readonly budget: Amount | null;
}

export interface Task extends TaskDefinition {
  /** Order of addition. */
  readonly sequence: number;
  readonly status: TaskStatus;
  /** Why it has this status, in a sentence. */
  readonly reason: string;
  /** Grows with every change; an edit names the version it was made from. */
  readonly version: number;
  /** Attempts that count towards `maxAttempts` since the last retry by a person. */
  readonly attemptsUsed: number;
  /** Fencing token of the last claim; 0 before the first. */
  readonly leaseToken: number;
  readonly leaseOwner: string | null;
  readonly leaseExpiresAt: number | null;
  /** Not to be claimed before this time (a rate limit, a server that is down). */
  readonly notBefore: number;
  /** Accepted without a test. */
  readonly unproven: boolean;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export const ATTEMPT_STATUSES = [
  'running',
  /** All checks passed; its commit is being published. */
  'accepted',
  'rejected',
  /** Broken off by no fault of the model: a server was down, the process was killed. Uses no attempt. */
  'abandoned',
] as const;
export type AttemptStatus = (typeof ATTEMPT_STATUSES)[number];

/** How far an attempt got. */
export const ATTEMPT_STAGES = ['prompt', 'generate', 'apply', 'check', 'test', 'review', 'commit', 'done'] as const;
export type AttemptStage = (typeof ATTEMPT_STAGES)[number];

/** One file as an attempt leaves it; null deletes it. */
export interface ChangedFile {
  readonly path: string;
  readonly content: string | null;
}

export interface TestOutcome {
  readonly passed: boolean;
  readonly exitCode: number | null;
  /** Why it failed when it did not end by itself: 'wall-clock', 'output', 'tampered', a signal's name. */
  readonly cut: string | null;
  /** Numbers of tests as the coach's reporter counted them; null where the command has no such reporter. */
  readonly counted: { readonly passed: number; readonly failed: number; readonly skipped: number } | null;
  readonly milliseconds: number;
  /** The tests that models see passed and the hidden ones failed: the output is for people only. */
  readonly hidden?: true;
}

export interface Attempt {
  readonly id: number;
  readonly taskId: string;
  readonly runId: string;
  /** 1 for the task's first attempt, counting abandoned ones too. */
  readonly number: number;
  readonly leaseToken: number;
  readonly status: AttemptStatus;
  readonly stage: AttemptStage;
  readonly agent: string;
  readonly model: string;
  /** The commit it started from. */
  readonly baseCommit: string;
  readonly prompt: string;
  readonly answer: string;
  readonly files: readonly ChangedFile[];
  /** Unified diff of `files` against the base. */
  readonly diff: string;
  readonly testOutput: string;
  readonly test: TestOutcome | null;
  /** What the next attempt is told; empty when accepted. */
  readonly feedback: string;
  /** The best of the task's attempts so far. */
  readonly best: boolean;
  readonly commit: string | null;
  readonly startedAt: number;
  readonly endedAt: number | null;
}

/** What may be written into a running attempt. */
export type AttemptUpdate = Partial<
  Pick<
    Attempt,
    'stage' | 'model' | 'prompt' | 'answer' | 'files' | 'diff' | 'testOutput' | 'test' | 'feedback' | 'commit'
  >
>;

export interface Review {
  readonly id: number;
  readonly attemptId: number;
  readonly taskId: string;
  readonly agent: string;
  readonly model: string;
  /** 1 to 10. */
  readonly score: number;
  readonly mustFix: readonly string[];
  readonly niceToHave: readonly string[];
  readonly summary: string;
  readonly createdAt: number;
}

export type NewReview = Pick<Review, 'agent' | 'model' | 'score' | 'mustFix' | 'niceToHave' | 'summary'>;

export const CALL_PURPOSES = ['generate', 'review'] as const;
export type CallPurpose = (typeof CALL_PURPOSES)[number];

export interface TokenUsage {
  readonly inputTokens: number;
  /** Includes reasoning tokens. */
  readonly outputTokens: number;
  /** Part of the input tokens. */
  readonly cachedTokens: number;
  /** Part of the output tokens. */
  readonly reasoningTokens: number;
}

/** One call of an agent. `reserved` until it is settled; a call that nobody settles counts with its whole reservation. */
export interface Call {
  readonly id: number;
  readonly runId: string;
  readonly taskId: string;
  readonly attemptId: number;
  readonly phase: string;
  readonly purpose: CallPurpose;
  readonly agent: string;
  readonly model: string;
  readonly paid: boolean;
  /** `lost`: its process died before it settled the call; the reservation is what it cost as far as anybody knows. */
  readonly status: 'reserved' | 'settled' | 'lost';
  readonly reserved: Amount;
  /** Null until it is settled. */
  readonly cost: Amount | null;
  readonly usage: TokenUsage | null;
  readonly error: string | null;
  /** Day in UTC, `2026-11-25`. */
  readonly day: string;
  readonly startedAt: number;
  readonly endedAt: number | null;
}

export const COST_SCOPES = ['task', 'run', 'day'] as const;
export type CostScope = (typeof COST_SCOPES)[number];

/** What was spent in a task, run or day: settled costs, and what open and lost calls hold. */
export interface Cost {
  readonly scope: CostScope;
  readonly key: string;
  readonly settled: Amount;
  readonly reserved: Amount;
  readonly calls: number;
}

export interface NewCall {
  readonly attemptId: number;
  readonly purpose: CallPurpose;
  readonly agent: string;
  readonly model: string;
  readonly paid: boolean;
  /** The most it can cost. */
  readonly reserved: Amount;
  /** Checked together with the reservation, in one transaction; absent: no limit. */
  readonly limits: { readonly call?: Amount; readonly task?: Amount; readonly run?: Amount; readonly day?: Amount };
}

export interface Settlement {
  readonly cost: Amount;
  readonly usage: TokenUsage;
  /** The model that answered, as it named itself. */
  readonly model?: string;
  readonly error?: string;
}

export interface Run {
  readonly id: string;
  readonly branch: string;
  readonly baseCommit: string;
  readonly status: 'running' | 'finished' | 'interrupted';
  readonly processId: number;
  /** The command's options, as JSON. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly startedAt: number;
  readonly endedAt: number | null;
}

/** Where an accepted commit came from. */
export interface Lineage {
  readonly commit: string;
  readonly parentCommit: string;
  readonly runId: string;
  readonly branch: string;
  readonly taskId: string;
  /** Null when a person approved it without one. */
  readonly attemptId: number | null;
  readonly generator: string;
  readonly reviewer: string | null;
  readonly cost: Amount;
  readonly createdAt: number;
}

export interface Change {
  readonly id: number;
  readonly taskId: string;
  readonly from: TaskStatus | null;
  readonly to: TaskStatus;
  readonly who: string;
  readonly why: string;
  readonly at: number;
}

/** Who changes something, and why. */
export interface Author {
  readonly who: string;
  readonly why: string;
}

/** The right to work on a task. Everything a worker writes names it; a later claim makes it worthless. */
export interface Lease {
  readonly taskId: string;
  readonly runId: string;
  readonly owner: string;
  readonly token: number;
}

export interface ClaimOptions {
  readonly runId: string;
  readonly owner: string;
  readonly leaseMilliseconds: number;
  /** Only tasks of these phases; absent: all. */
  readonly phases?: readonly string[] | undefined;
}

export interface TaskFilter {
  readonly phase?: string | undefined;
  readonly status?: TaskStatus | undefined;
  /** At most so many; 1000 when absent. */
  readonly limit?: number | undefined;
  /** Only tasks whose sequence is larger: for paging. */
  readonly after?: number | undefined;
}

export interface PhaseSummary {
  readonly phase: string;
  readonly total: number;
  readonly byStatus: Readonly<Record<TaskStatus, number>>;
}

export interface CallFilter {
  readonly runId?: string | undefined;
  readonly taskId?: string | undefined;
  readonly attemptId?: number | undefined;
  readonly day?: string | undefined;
}

export interface Store extends AsyncDisposable {
  // Tasks, by people and roadmaps. `task-exists`, `unknown-task` (a dependency), `bad-roadmap` (a circle): nothing is added.
  addTasks(tasks: readonly TaskDefinition[], author: Author): Promise<void>;
  /** Throws `unknown-task`. */
  getTask(id: string): Promise<Task>;
  /** In order of sequence. */
  listTasks(filter?: TaskFilter): Promise<Task[]>;
  /** Ready tasks in the order in which they would be claimed now. */
  nextTasks(limit: number, phases?: readonly string[]): Promise<Task[]>;
  listPhases(): Promise<PhaseSummary[]>;
  /** Throws `version-conflict` when the task is no longer at `version`, `lease-lost` never: a running task's next attempt sees it. */
  editTask(id: string, version: number, edits: Partial<Omit<TaskDefinition, 'id'>>, author: Author): Promise<Task>;
  /**
   * Brings a task into another status by a person's hand: block, unblock, retry, approve, reject, cancel. Takes a running task's
   * lease away. `ready` becomes `pending` where dependencies are open; `ready` from needs_human, failed or done starts counting
   * attempts anew. Throws `illegal-transition`, `version-conflict` if a version is given.
   */
  setStatus(id: string, to: TaskStatus, author: Author, version?: number): Promise<Task>;
  listChanges(taskId: string): Promise<Change[]>;

  // Runs.
  createRun(run: Pick<Run, 'id' | 'branch' | 'baseCommit' | 'processId' | 'options'>): Promise<Run>;
  /** Leases that the run still holds are taken back. */
  finishRun(id: string, status: 'finished' | 'interrupted'): Promise<Run>;
  /** Throws `unknown-run`. */
  getRun(id: string): Promise<Run>;
  /** Newest first. */
  listRuns(limit?: number): Promise<Run[]>;

  // Work. All of these throw `lease-lost` when the lease is no longer valid, and then change nothing.
  /** The ready task that comes first, or undefined. Expired leases are taken back before. */
  claim(options: ClaimOptions): Promise<{ lease: Lease; task: Task } | undefined>;
  heartbeat(lease: Lease, leaseMilliseconds: number): Promise<void>;
  /** Ends the work on a task without acceptance. */
  release(
    lease: Lease,
    to: 'ready' | 'needs_human' | 'failed',
    author: Author,
    options?: { readonly notBefore?: number },
  ): Promise<Task>;
  /** Takes back every lease that has expired: its task becomes ready, its open attempt abandoned, its open calls lost. */
  recoverExpired(): Promise<string[]>;

  startAttempt(lease: Lease, attempt: Pick<Attempt, 'agent' | 'model' | 'baseCommit'>): Promise<Attempt>;
  updateAttempt(lease: Lease, attemptId: number, update: AttemptUpdate): Promise<void>;
  /** `rejected` uses one of the task's attempts, `abandoned` does not. */
  endAttempt(lease: Lease, attemptId: number, status: 'rejected' | 'abandoned', feedback: string): Promise<void>;
  markBest(lease: Lease, attemptId: number): Promise<void>;
  addReview(lease: Lease, attemptId: number, review: NewReview): Promise<Review>;
  /**
   * Accepts an attempt (a running one, or one that was broken off while its commit was published): notes its commit, calls `publish` (which moves the branch), and makes the task done, all while nobody else
   * can take the lease. If `publish` throws, nothing has changed.
   */
  accept(
    lease: Lease,
    attemptId: number,
    lineage: Omit<Lineage, 'createdAt' | 'taskId' | 'runId' | 'attemptId'>,
    options: { readonly unproven: boolean; readonly author: Author; readonly publish: () => void },
  ): Promise<Task>;
  /** As accept, by a person: the task waits for one, and no worker holds it. */
  approve(
    taskId: string,
    attemptId: number,
    lineage: Omit<Lineage, 'createdAt' | 'taskId' | 'attemptId'>,
    options: { readonly unproven: boolean; readonly author: Author; readonly publish: () => void },
  ): Promise<Task>;
  /** Throws `unknown-attempt`. */
  getAttempt(id: number): Promise<Attempt>;
  /** In order of number. */
  listAttempts(taskId: string): Promise<Attempt[]>;
  listReviews(taskId: string): Promise<Review[]>;
  listLineage(filter?: { readonly runId?: string; readonly taskId?: string }): Promise<Lineage[]>;

  // Money.
  /** Throws `budget-exceeded` (details: scope, limit, spent, asked) or `lease-lost`; then nothing is reserved. */
  reserveCall(lease: Lease, call: NewCall): Promise<Call>;
  /** Counts what a call cost. Needs no lease: what was spent was spent, also by a worker that came too late. */
  settleCall(callId: number, settlement: Settlement): Promise<Call>;
  listCalls(filter?: CallFilter): Promise<Call[]>;
  getCost(scope: CostScope, key: string): Promise<Cost>;
  listCosts(scope: CostScope): Promise<Cost[]>;

  // A switch that all workers of the project look at before they claim.
  setPaused(paused: boolean, author: Author): Promise<void>;
  isPaused(): Promise<boolean>;
}
