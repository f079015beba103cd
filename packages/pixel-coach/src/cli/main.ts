/** The `pixel-coach` command as a process: signals, broken pipes, and an exit code for every end (failure.ts). */
import { CommanderError } from 'commander';
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
    if (interrupt.signal.aborted) process.exit(code);
    interruptCode = code;
    interrupt.abort();
  });
}
// Whoever read our output has seen enough (`| head`): that is no failure.
process.stdout.on('error', (cause) => process.exit('code' in cause && cause.code === 'EPIPE' ? 0 : 1));
process.stderr.on('error', () => {});
process.on('uncaughtException', (error) => process.exit(report(error)));

const context = createContext(interrupt.signal, (exitCode) => {
  process.exitCode = exitCode;
});
const program = createProgram(context);

try {
  if (process.argv.length <= 2) program.outputHelp();
  else await program.parseAsync();
  if (interruptCode !== undefined) process.exit(interruptCode);
} catch (error) {
  const code = report(error);
  // What was interrupted may have left a timer or a connection behind that would keep the process waiting.
  if (interruptCode !== undefined) process.exit(code);
  process.exitCode = code;
}

/** Says what happened, and gives the exit code. */
function report(error: unknown): number {
  if (program.opts().debug && !(error instanceof CommanderError)) console.error(error);
  if (interruptCode !== undefined) return interruptCode;
  const { exitCode, message } = describeFailure(error, program);
  if (message !== undefined) for (const line of message.split('\n')) context.note(line);
  return exitCode;
}
