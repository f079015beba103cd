/** The public entry of the coach. What is exported here is kept stable; nothing imports deeper. */
export { type CreateAgentsOptions, createAgents } from './agents/create-agents.ts';
export { type AgentPrices, createPriceList, type PriceListOptions } from './agents/price-list.ts';
export {
  isNearThreshold,
  medianReview,
  type ReviewMaterial,
  reviewRequest,
} from './agents/review-request.ts';
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
export type * from './config/config.ts';
export { configJsonSchema, type LoadedConfig, loadConfig, parseConfig } from './config/load-config.ts';
export {
  COACH_ERROR_CODES,
  CoachError,
  type CoachErrorCode,
  type CoachErrorOptions,
  isCoachError,
} from './core/errors.ts';
export { type Amount, amountOfDollars, formatAmount, NANO_DOLLARS } from './core/money.ts';
export { type ApproveOptions, approveTask } from './loop/approve.ts';
export { recover, runCoach } from './loop/coach.ts';
export type { CallEvent, LoopEvent, LoopOptions, MoneyLimits, RunSummary } from './loop/options.ts';
export { PRICE_TABLE } from './money/price-table.ts';
export type { Pricing } from './money/pricing.ts';
export type { TestSettings } from './proof/run-tests.ts';
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
export { PROTECTED_PATHS, TEST_PATHS } from './workspace/path-rules.ts';
export { openRepository, type Repository } from './workspace/repository.ts';
