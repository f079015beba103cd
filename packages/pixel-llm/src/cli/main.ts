/**
 * The `pixel-llm` command. It joins the commands, turns every failure into one clear line and an exit code
 * (0 done, 1 the work failed, 2 the request makes no sense, 128 + n ended by signal n), and knows nothing of tensors.
 */
import { Command, CommanderError } from 'commander';
import packageFacts from '../../package.json' with { type: 'json' };
import { PixelError, type PixelErrorCode } from '../core/errors.ts';
import { removeTemporaryFiles } from '../core/node.ts';
import { registerCache } from './cache.ts';
import { createContext, type RegisterCommand } from './command.ts';
import { registerConvert } from './convert.ts';
import { registerFs } from './fs.ts';
import { registerInspect } from './inspect.ts';
import { registerMakeModel } from './make-model.ts';
import { registerPull } from './pull.ts';
import { registerRender } from './render.ts';
import { registerRun } from './run.ts';
import { registerScore } from './score.ts';
import { registerVerify } from './verify.ts';

/** In the order the help lists them. */
const COMMANDS: readonly RegisterCommand[] = [
  registerConvert,
  registerInspect,
  registerRender,
  registerVerify,
  registerRun,
  registerScore,
  registerPull,
  registerCache,
  registerFs,
  registerMakeModel,
];

/** Failures that are the caller's mistake rather than the work's. */
const USAGE_ERRORS: ReadonlySet<PixelErrorCode> = new Set([
  'bad-argument',
  'file-not-found',
  'file-exists',
  'unknown-format',
  'unknown-device',
]);

/** Signals that end a command, and the exit codes that say so. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

const GETTING_STARTED = `
Getting started:
  pixel-llm make-model --shape toy toy.gguf        a small model with random weights, or take a GGUF file you have
  pixel-llm convert toy.gguf toy.pxi.png           the model as a picture: open it in any image viewer
  pixel-llm verify toy.pxi.png                     every line of pixels and every tensor
  pixel-llm run toy.pxi.png "Once upon a time"     let it write

"pixel-llm help COMMAND" says what a command takes, with examples.`;

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
process.stdout.on('error', (error) => (isBrokenPipe(error) ? void leave(0) : fail(error)));
process.stderr.on('error', () => {});
process.on('uncaughtException', fail);

const program = new Command('pixel-llm')
  .description('Language models that live in pixels: convert, look at, verify and run them.')
  .version(packageFacts.version, '-V, --version')
  .option('--debug', 'show the stack trace of an error')
  .showSuggestionAfterError()
  .configureHelp({ sortOptions: false, showGlobalOptions: false })
  .addHelpText('after', GETTING_STARTED)
  .exitOverride()
  .configureOutput({ writeErr: () => {} });

const context = createContext(interrupt.signal);
for (const register of COMMANDS) register(program, context);

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
  if (error instanceof CommanderError) return reportUsage(error);
  if (isBrokenPipe(error)) return 0;
  if (program.opts().debug) console.error(error);
  if (interruptCode !== undefined) return interruptCode;
  if (error instanceof PixelError) {
    note(error.message);
    return USAGE_ERRORS.has(error.code) ? 2 : 1;
  }
  note(`unexpected error: ${error instanceof Error ? error.message : String(error)} (--debug shows where)`);
  return 1;
}

function reportUsage(error: CommanderError): number {
  if (error.exitCode === 0) return 0;
  if (error.code === 'commander.help') note(`${missingCommand()} (--help says more)`);
  else note(error.message.replace(/^error: /, ''));
  return 2;
}

/** "a command is missing after "pixel-llm fs": put, get, info or verify" */
function missingCommand(): string {
  let command: Command = program;
  for (const word of process.argv.slice(2)) command = command.commands.find((item) => item.name() === word) ?? command;
  const path = command === program ? program.name() : `${program.name()} ${command.name()}`;
  const names = command.commands.map((item) => item.name());
  return `a command is missing after "${path}": one of ${names.join(', ')}`;
}

/** Names in messages may come out of hostile files: no line breaks, no control sequences reach the terminal. */
function note(message: string): void {
  context.note(`pixel-llm: ${message.replace(/\p{Cc}+/gu, ' ')}`);
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE';
}
