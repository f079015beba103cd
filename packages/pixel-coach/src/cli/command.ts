/**
 * What every command shares: the shape of a command, its surroundings, and how it reports. Text a program may read goes to stdout;
 * everything for people goes to stderr.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { cleanLine } from '../core/clean-text.ts';

/** One file a command exports one of these. */
export type RegisterCommand = (program: Command, context: CommandContext) => void;

export interface CommandContext {
  /** Fires on Ctrl-C and on SIGTERM. */
  readonly signal: AbortSignal;
  readonly environment: NodeJS.ProcessEnv;
  /** The folder the command was started in. */
  readonly folder: string;
  /** Columns of the terminal, or undefined where stdout is none. */
  readonly columns: number | undefined;
  /** Writes one line to stderr. */
  note(line: string): void;
  /** Writes to stdout, as it is. Resolves when it may go on. */
  print(text: string): Promise<void>;
  /** The exit code when nothing fails. */
  endWith(exitCode: number): void;
}

export interface CommonFlags {
  readonly json?: boolean;
  readonly config?: string;
}

export function createContext(signal: AbortSignal, endWith: (exitCode: number) => void): CommandContext {
  return {
    signal,
    environment: process.env,
    folder: process.cwd(),
    columns: process.stdout.isTTY ? process.stdout.columns || 80 : undefined,
    note: (line) => void process.stderr.write(`${cleanLine(line)}\n`),
    print: (text) =>
      new Promise((resolve) => {
        process.stdout.write(text, (error) => {
          if (!error) resolve();
        });
      }),
    endWith,
  };
}

/** The options that all commands have. */
export function addCommonFlags(command: Command): Command {
  return command
    .option('--json', 'write JSON instead of text')
    .option('--config <file>', 'another configuration than the nearest pixel-coach.config.json');
}

/** The value as JSON, or its text. */
export async function emit(
  context: CommandContext,
  { json }: CommonFlags,
  value: unknown,
  text: string,
): Promise<void> {
  await context.print(json ? `${JSON.stringify(value, null, 2)}\n` : `${text}\n`);
}

/** An option's parser for whole numbers within bounds. */
export function wholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^[+-]?\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}

/** An option's parser for amounts of dollars. */
export function dollars(text: string): number {
  const value = Number(text.replace(/^\$/, ''));
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError('It must be an amount of dollars, like 0.50.');
}

/** An option that may be given several times. */
export function collect(value: string, earlier: readonly string[] | undefined): string[] {
  return [...(earlier ?? []), value];
}
