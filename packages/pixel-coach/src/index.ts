/** The public entry of the coach. What is exported here is kept stable; nothing imports deeper. */
export type {
  Agent,
  AgentAnswer,
  AgentKind,
  AgentRequest,
  Availability,
  PriceList,
  ReviewAnswer,
  Team,
} from './agents/types.ts';
export { AGENT_KINDS, FINISH_REASONS } from './agents/types.ts';
export {
  COACH_ERROR_CODES,
  CoachError,
  type CoachErrorCode,
  type CoachErrorOptions,
  isCoachError,
} from './core/errors.ts';
export { type Amount, amountOfDollars, formatAmount, NANO_DOLLARS } from './core/money.ts';
export { parseRoadmap, ROADMAP_FILES, readRoadmap, tasksOfRoadmap } from './roadmap/read-roadmap.ts';
export { type Roadmap, type RoadmapPhase, type RoadmapTask, roadmapJsonSchema } from './roadmap/schema.ts';
export { type BubblewrapOptions, createBubblewrap } from './sandbox/bubblewrap.ts';
export { chooseSandbox, type SandboxOptions } from './sandbox/choose.ts';
export { type ContainerOptions, createContainerSandbox } from './sandbox/container.ts';
export type * from './sandbox/types.ts';
export { openSqliteStore, type SqliteStoreOptions } from './store/sqlite-store.ts';
export { isLegal, TASK_STATUSES, type TaskStatus, TRANSITIONS } from './store/status.ts';
export type * from './store/types.ts';
export {
  ATTEMPT_STAGES,
  ATTEMPT_STATUSES,
  CALL_PURPOSES,
  COST_SCOPES,
  TASK_ACTIONS,
} from './store/types.ts';
export { type Block, type Edit, type ParsedAnswer, parseAnswer } from './workspace/answer.ts';
export { type AppliedChange, applyEdits, type ChangeLimits } from './workspace/apply.ts';
export { branchTip, createBranch, diffOf, mergeCommits, moveBranch, writeCommit } from './workspace/commit.ts';
export { type ExportedTree, type ExportOptions, exportTree } from './workspace/export.ts';
export { createPathRules, type PathRules, PROTECTED_PATHS, TEST_PATHS } from './workspace/path-rules.ts';
export {
  isAncestor,
  openRepository,
  openSnapshot,
  type Repository,
  resolveCommit,
  type Snapshot,
  type TreeEntry,
} from './workspace/repository.ts';
export { syntaxProblems } from './workspace/syntax.ts';
