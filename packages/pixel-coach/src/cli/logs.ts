/** `pixel-coach logs`: a run's log for people, or as the JSON lines it is kept in; `--follow` goes on as it grows. */
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CoachError } from '../core/errors.ts';
import { humanLine } from '../logs/human-line.ts';
import { addCommonFlags, type CommandContext, type CommonFlags, type RegisterCommand, wholeNumber } from './command.ts';
import { openProject } from './project.ts';

interface LogFlags extends CommonFlags {
  readonly run?: string;
  readonly follow?: boolean;
  readonly lines?: number;
}

const FOLLOW_MILLISECONDS = 250;
const CHUNK_BYTES = 1 << 16;

export const registerLogs: RegisterCommand = (program, context) => {
  addCommonFlags(
    program
      .command('logs')
      .description('The log of a run: the newest, unless another is named.')
      .option('--run <id>', 'which run')
      .option('-f, --follow', 'go on as the log grows, until Ctrl-C')
      .option('--lines <n>', 'only the last lines', wholeNumber(0, 10_000_000)),
  )
    .addHelpText('after', '\nExamples:\n  pixel-coach logs --follow\n  pixel-coach logs --json --lines 100')
    .action((flags: LogFlags) => showLogs(flags, context));
};

async function showLogs({ run, follow = false, lines, ...flags }: LogFlags, context: CommandContext): Promise<void> {
  await using project = await openProject(context, flags);
  const path =
    run === undefined ? await newestLog(project.logFolder) : join(project.logFolder, `${checkedId(run)}.jsonl`);
  const show = async (line: string): Promise<void> => context.print(`${flags.json ? line : humanLine(line)}\n`);
  const reader = new LineReader(path);
  const all = await reader.more();
  for (const line of lines === undefined ? all : all.slice(Math.max(0, all.length - lines))) await show(line);
  while (follow && !context.signal.aborted) {
    for (const line of await reader.more()) await show(line);
    await sleep(FOLLOW_MILLISECONDS, undefined, { signal: context.signal }).catch(() => {});
  }
}

/** Run ids are file names here: nothing else may be. */
function checkedId(run: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(run)) return run;
  throw new CoachError('unknown-run', `There is no run "${run}".`);
}

async function newestLog(folder: string): Promise<string> {
  const names = await readdir(folder).catch(() => []);
  const logs = await Promise.all(
    names
      .filter((name) => name.endsWith('.jsonl'))
      .map(async (name) => ({ path: join(folder, name), at: (await stat(join(folder, name))).mtimeMs })),
  );
  const newest = logs.sort((a, b) => b.at - a.at)[0];
  if (newest) return newest.path;
  throw new CoachError('unknown-run', 'Nothing has run yet, so there is no log.');
}

/** The whole lines of a growing file. */
class LineReader {
  readonly #path: string;
  #offset = 0;
  #rest = Buffer.alloc(0);

  constructor(path: string) {
    this.#path = path;
  }

  async more(): Promise<string[]> {
    const parts = [this.#rest];
    try {
      await using file = await open(this.#path);
      for (;;) {
        const { bytesRead, buffer } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, this.#offset);
        if (bytesRead === 0) break;
        this.#offset += bytesRead;
        parts.push(buffer.subarray(0, bytesRead));
      }
    } catch (cause) {
      throw new CoachError('unknown-run', `There is no log ${this.#path}.`, { cause });
    }
    const bytes = Buffer.concat(parts);
    const end = bytes.lastIndexOf('\n') + 1;
    this.#rest = bytes.subarray(end);
    return bytes
      .subarray(0, end)
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '');
  }
}
