/**
 * The `pixel-llm` command. It joins the commands, turns every failure into one clear line and an exit code
 * (0 done, 1 the work failed, 2 the request makes no sense, 130 interrupted), and knows nothing of tensors.
 */
import { Command, CommanderError } from 'commander';
import packageFacts from '../../package.json' with { type: 'json' };
import { PixelError, type PixelErrorCode } from '../core/errors.ts';
import { removeTemporaryFiles } from '../core/node.ts';
import { createContext, type RegisterCommand } from './command.ts';
import { registerConvert } from './convert.ts';
import { registerFs } from './fs.ts';
import { registerMakeModel } from './make-model.ts';
import { registerVerify } from './verify.ts';

/** In the order the help lists them. */
const COMMANDS: readonly RegisterCommand[] = [registerConvert, registerVerify, registerFs, registerMakeModel];

/** Failures that are the caller's mistake rather than the work's. */
const USAGE_ERRORS: ReadonlySet<PixelErrorCode> = new Set([
  'bad-argument',
  'file-not-found',
  'file-exists',
  'unknown-format',
  'unknown-device',
]);

const interrupt = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (interrupt.signal.aborted) void removeTemporaryFiles().finally(() => process.exit(130));
    interrupt.abort();
  });
}
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const program = new Command('pixel-llm')
  .description('Language models that live in pixels: convert, look at, verify and run them.')
  .version(packageFacts.version, '-V, --version')
  .option('--debug', 'show the stack trace of an error')
  .showSuggestionAfterError()
  .configureHelp({ sortOptions: false, showGlobalOptions: false })
  .exitOverride()
  .configureOutput({ writeErr: () => {} });

const context = createContext(interrupt.signal);
for (const register of COMMANDS) register(program, context);

try {
  if (process.argv.length <= 2) program.outputHelp();
  else await program.parseAsync();
} catch (error) {
  process.exitCode = await report(error);
}

async function report(error: unknown): Promise<number> {
  await removeTemporaryFiles();
  if (error instanceof CommanderError) return reportUsage(error);
  if (program.opts().debug) console.error(error);
  if (error instanceof PixelError) {
    if (error.code === 'aborted') return 130;
    context.note(`pixel-llm: ${error.message}`);
    return USAGE_ERRORS.has(error.code) ? 2 : 1;
  }
  context.note(
    `pixel-llm: unexpected error: ${error instanceof Error ? error.message : String(error)} (--debug shows where)`,
  );
  return 1;
}

function reportUsage(error: CommanderError): number {
  if (error.exitCode === 0) return 0;
  context.note(error.message.replace(/^error: /, 'pixel-llm: ').replaceAll('\n', ' '));
  return 2;
}
