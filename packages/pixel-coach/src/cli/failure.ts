/** Every failure as one clear line and an exit code; docs/coach-commands.md lists the codes. */
import { type Command, CommanderError } from 'commander';
import { CoachError, type CoachErrorCode } from '../core/errors.ts';

export const EXIT_CODES = {
  done: 0,
  failed: 1,
  usage: 2,
  noAgent: 3,
  noSandbox: 4,
  budget: 5,
  needsHuman: 6,
} as const;

export interface Failure {
  readonly exitCode: number;
  /** Undefined when there is nothing to say (help was asked for). */
  readonly message: string | undefined;
}

/** What ends with another code than 1. */
const CODES: Readonly<Partial<Record<CoachErrorCode, number>>> = {
  'bad-argument': EXIT_CODES.usage,
  'no-config': EXIT_CODES.usage,
  'bad-config': EXIT_CODES.usage,
  'bad-roadmap': EXIT_CODES.usage,
  'unknown-task': EXIT_CODES.usage,
  'unknown-attempt': EXIT_CODES.usage,
  'unknown-run': EXIT_CODES.usage,
  'task-exists': EXIT_CODES.usage,
  'illegal-transition': EXIT_CODES.usage,
  'not-a-repository': EXIT_CODES.usage,
  'unknown-price': EXIT_CODES.noAgent,
  'agent-unavailable': EXIT_CODES.noAgent,
  'no-sandbox': EXIT_CODES.noSandbox,
  'budget-exceeded': EXIT_CODES.budget,
};

/** What to say of an error that `program` threw. */
export function describeFailure(error: unknown, program: Command): Failure {
  if (error instanceof CommanderError) return describeUsage(error, program);
  if (error instanceof CoachError) return failure(CODES[error.code] ?? EXIT_CODES.failed, error.message);
  const said = error instanceof Error ? error.message : String(error);
  return failure(EXIT_CODES.failed, `unexpected error: ${said} (--debug shows where)`);
}

function describeUsage({ exitCode, code, message }: CommanderError, program: Command): Failure {
  if (exitCode === 0) return { exitCode, message: undefined };
  if (code === 'commander.help') {
    const names = program.commands.map((command) => command.name()).join(', ');
    return failure(EXIT_CODES.usage, `a command is missing: one of ${names} (--help says more)`);
  }
  return failure(EXIT_CODES.usage, message.replace(/^error: /, ''));
}

function failure(exitCode: number, message: string): Failure {
  return { exitCode, message: `pixel-coach: ${message}` };
}
