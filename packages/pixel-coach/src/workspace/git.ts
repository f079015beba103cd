/**
 * The coach's git: plumbing commands on the user's own repository, never in a folder where a sandbox wrote. No hooks, no file-system
 * monitor, no external programs, no question at the terminal; nothing here touches the index, the working tree or a branch that is
 * not the coach's.
 */
import { execFile, execFileSync } from 'node:child_process';
import { CoachError } from '../core/errors.ts';

const MOST_OUTPUT_BYTES = 2 ** 30;

/** On every command line, so that no configuration of the repository makes git run a program. */
const SAFE_SETTINGS = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.sshCommand=false',
  'core.pager=cat',
  'diff.external=',
  'gc.auto=0',
  'maintenance.auto=false',
  'protocol.allow=never',
].flatMap((setting) => ['-c', setting]);

export interface GitOptions {
  readonly input?: string | Buffer;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Runs git in `folder` and gives back what it printed. Throws `git` with git's own words. */
export function git(folder: string, parameters: readonly string[], options: GitOptions = {}): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      'git',
      [...SAFE_SETTINGS, ...parameters],
      { cwd: folder, encoding: 'buffer', maxBuffer: MOST_OUTPUT_BYTES, env: environmentOf(options) },
      (error, stdout, stderr) => (error === null ? resolve(stdout) : reject(gitError(parameters, stderr, error))),
    );
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
  });
}

export async function gitLine(
  folder: string,
  parameters: readonly string[],
  options: GitOptions = {},
): Promise<string> {
  return (await git(folder, parameters, options)).toString('utf8').trim();
}

/** As git, but waits: for the one step that must happen inside a transaction of the store. */
export function gitNow(folder: string, parameters: readonly string[]): string {
  try {
    return execFileSync('git', [...SAFE_SETTINGS, ...parameters], {
      cwd: folder,
      encoding: 'utf8',
      env: environmentOf({}),
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  } catch (cause) {
    const stderr = cause instanceof Error && 'stderr' in cause ? String(cause.stderr) : '';
    throw gitError(parameters, Buffer.from(stderr), cause);
  }
}

/** Variables like GIT_DIR would point all of this at another repository. */
function environmentOf({ environment = {} }: GitOptions): Record<string, string | undefined> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_'));
  return {
    ...Object.fromEntries(inherited),
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_NO_REPLACE_OBJECTS: '1',
    ...environment,
  };
}

function gitError(parameters: readonly string[], stderr: Buffer, cause: unknown): CoachError {
  const said = stderr.toString('utf8').trim().split('\n').slice(0, 3).join(' ');
  const what = said === '' && cause instanceof Error ? cause.message : said;
  return new CoachError('git', `git ${parameters.slice(0, 2).join(' ')} failed: ${what}`, { cause });
}
