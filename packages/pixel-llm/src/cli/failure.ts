/** Every failure as one clear line and an exit code: 1 the work failed, 2 the request makes no sense. */
import { type Command, CommanderError } from 'commander';
import { PixelError, type PixelErrorCode } from '../core/errors.ts';

export interface Failure {
  readonly exitCode: number;
  /** Undefined when there is nothing to say (help was asked for). */
  readonly message: string | undefined;
}

/** Failures that ask for another command line: what it names does not exist, or is of no kind that the command can take. */
const USAGE_ERRORS: ReadonlySet<PixelErrorCode> = new Set([
  'bad-argument',
  'file-not-found',
  'file-exists',
  'unknown-format',
  'unknown-device',
  'unknown-architecture',
  'unknown-pre-tokenizer',
  'unknown-tensor',
  'unsupported-type',
  'bad-template',
  'context-full',
]);

/** What to say of an error that `program` threw. */
export function describeFailure(error: unknown, program: Command): Failure {
  if (error instanceof CommanderError) return describeUsage(error, program);
  if (error instanceof PixelError) return failure(USAGE_ERRORS.has(error.code) ? 2 : 1, error.message);
  return failure(
    1,
    `unexpected error: ${error instanceof Error ? error.message : String(error)} (--debug shows where)`,
  );
}

function describeUsage({ exitCode, code, message }: CommanderError, program: Command): Failure {
  if (exitCode === 0) return { exitCode, message: undefined };
  if (code === 'commander.help') return failure(2, `${missingCommand(program)} (--help says more)`);
  return failure(2, message.replace(/^error: /, ''));
}

/** "a command is missing after "pixel-llm fs": one of put, get, info, verify" */
function missingCommand(program: Command): string {
  let command: Command = program;
  let unknown: string | undefined;
  for (const word of program.args) {
    const next = command.commands.find((item) => item.name() === word);
    if (next) command = next;
    else if (word !== 'help' && !word.startsWith('-')) unknown ??= word;
  }
  const path = command === program ? program.name() : `${program.name()} ${command.name()}`;
  const problem = unknown === undefined ? `a command is missing after "${path}"` : `unknown command '${unknown}'`;
  return `${problem}: one of ${command.commands.map((item) => item.name()).join(', ')}`;
}

/** Names in messages may come out of hostile files: no line breaks, no control sequences reach the terminal. */
function failure(exitCode: number, message: string): Failure {
  return { exitCode, message: `pixel-llm: ${message.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')}` };
}
