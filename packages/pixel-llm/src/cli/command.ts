/**
 * What every command shares: the shape of a command, its signal, and how it reports. Text a program may read goes to stdout;
 * everything for people goes to stderr.
 */
import { type Command, InvalidArgumentError } from 'commander';
import type { OnProgress } from '../core/progress.ts';
import { createProgressBar } from './progress-bar.ts';

/** One file a command exports one of these. */
export type RegisterCommand = (program: Command, context: CommandContext) => void;

export interface CommandContext {
  /** Fires on Ctrl-C and on SIGTERM. */
  readonly signal: AbortSignal;
  /** Writes one line to stderr. */
  note(line: string): void;
  /** Writes to stdout, as it is. Resolves when it may go on (a slow pipe holds it back); where it cannot be written, main.ts ends the command. */
  print(output: string | Uint8Array): Promise<void>;
  /** Shows a progress bar on stderr while the work runs, when stderr is a terminal. `note` writes a line beside the bar. */
  withProgress<Result>(
    work: (onProgress: OnProgress, note: (line: string) => void) => Promise<Result>,
  ): Promise<Result>;
}

export function createContext(signal: AbortSignal): CommandContext {
  return {
    signal,
    note: (line) => void process.stderr.write(`${line}\n`),
    print: (output) =>
      new Promise((resolve) => {
        process.stdout.write(output, (error) => {
          if (!error) resolve();
        });
      }),
    async withProgress(work) {
      const bar = createProgressBar(process.stderr);
      try {
        return await work(bar.onProgress, (line) => {
          bar.clear();
          process.stderr.write(`${line.replace(/\p{Cc}+/gu, ' ')}\n`);
        });
      } finally {
        bar.clear();
      }
    },
  };
}

/** An option's parser for whole numbers within bounds: `.option('--seed <n>', 'text', wholeNumber(0))`. */
export function wholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^[+-]?\d+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}

/** The same for numbers with a fraction. */
export function decimalNumber(least: number, most: number = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value < least || value > most) {
      throw new InvalidArgumentError(`It must be a number from ${least} to ${most}.`);
    }
    return value;
  };
}
