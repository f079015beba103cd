/**
 * The coach's one error class. Every failure a user can meet carries a stable `code` from the table below and a sentence that
 * says what happened and what to do; docs/errors.md lists the same table (a test compares them). It stands apart from
 * pixel-llm's class so that the coach starts without loading the runtime.
 */

/** Every error code, with what it means. Add a line here to add a code. */
export const COACH_ERROR_CODES = {
  aborted: 'The work was stopped by its AbortSignal.',
  'bad-argument': 'A function or command was given a value it cannot use.',
  'no-config': 'There is no configuration file; "pixel-coach init" makes one.',
  'bad-config': 'The configuration file has a value that is not allowed; the message names its path.',
  'bad-roadmap': 'The roadmap file has a value that is not allowed, or tasks that depend on each other in a circle.',
  'unknown-task': 'There is no task of that id.',
  'unknown-attempt': 'There is no attempt of that id.',
  'unknown-run': 'There is no run of that id.',
  'unknown-call': 'There is no reserved call of that id.',
  'task-exists': 'There is a task of that id already.',
  'version-conflict': 'Somebody else changed the task in the meantime; read it again and repeat the edit.',
  'illegal-transition': 'A task in this status cannot be brought into the other one.',
  'lease-lost': 'The work on the task was taken over, stopped or timed out; what comes late is not accepted.',
  'bad-store': 'The database was written by a newer version, or is damaged.',
  'budget-exceeded': 'The call could cost more than a limit still allows; the message names the limit.',
  'unknown-price': 'No price is known for a paid model; give one in the configuration.',
  'agent-unavailable': 'The agent cannot be used; the message says why and what to do.',
  'agent-failed': 'The agent was called and gave no usable answer.',
  'no-sandbox': 'There is no sandbox here, so nothing that a model wrote will be run; the message says how to get one.',
  'sandbox-failed': 'The sandbox itself could not start or broke off.',
  'not-a-repository': 'The folder is not inside a git repository with at least one commit.',
  git: 'A git command failed.',
  io: 'The operating system refused a read or a write.',
} as const;

export type CoachErrorCode = keyof typeof COACH_ERROR_CODES;

export interface CoachErrorOptions {
  cause?: unknown;
  /** Machine-readable facts: task, status, limit, amount. */
  details?: Readonly<Record<string, unknown>>;
}

export class CoachError extends Error {
  readonly code: CoachErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: CoachErrorCode, message: string, { cause, details = {} }: CoachErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CoachError';
    this.code = code;
    this.details = details;
  }
}

/** True for a CoachError, of the given code if one is named. */
export function isCoachError(error: unknown, code?: CoachErrorCode): error is CoachError {
  return error instanceof CoachError && (code === undefined || error.code === code);
}
