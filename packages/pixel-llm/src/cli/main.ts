/**
 * The `pixel-llm` command as a process: signals, broken pipes, and an exit code for every end
 * (0 done, 1 the work failed, 2 the request makes no sense, 128 + n ended by signal n). It knows nothing of tensors.
 */
import { CommanderError } from 'commander';
import { PixelError } from '../core/errors.ts';
import { removeTemporaryFiles } from '../core/node.ts';
import { createContext } from './command.ts';
import { describeFailure } from './failure.ts';
import { createProgram } from './program.ts';

/** Signals that end a command, and the exit codes that say so. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

const interrupt = new AbortController();
let interruptCode: number | undefined;
for (const [name, code] of Object.entries(SIGNALS)) {
  process.on(name, () => {
    // The first signal lets the work end in order, the second does not wait for it.
    if (interrupt.signal.aborted) void leave(code);
    interruptCode ??= code;
    interrupt.abort();
  });
}
// Whoever read our output has seen enough (`| head`): that is no failure.
process.stdout.on('error', (cause) => {
  if (isBrokenPipe(cause)) void leave(0);
  else fail(new PixelError('io', `stdout cannot be written: ${cause.message}.`, { cause }));
});
process.stderr.on('error', () => {});
process.on('uncaughtException', fail);

const context = createContext(interrupt.signal);
const program = createProgram(context);

try {
  if (process.argv.length <= 2) program.outputHelp();
  else await program.parseAsync();
} catch (error) {
  const code = report(error);
  // What was interrupted may have left a timer or a connection behind that would keep the process waiting.
  if (interruptCode !== undefined) await leave(code);
  await removeTemporaryFiles();
  process.exitCode = code;
}

/** For errors that reach nobody else. */
function fail(error: unknown): void {
  void leave(report(error));
}

async function leave(code: number): Promise<void> {
  await removeTemporaryFiles();
  process.exit(code);
}

/** Says what happened, in one line, and gives the exit code. */
function report(error: unknown): number {
  if (program.opts().debug && !(error instanceof CommanderError)) console.error(error);
  if (interruptCode !== undefined) return interruptCode;
  const { exitCode, message } = describeFailure(error, program);
  if (message !== undefined) context.note(message);
  return exitCode;
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE';
}
