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
