/** A project for tests: a git repository with a configuration and a roadmap, and the command run in it as a user would. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createBubblewrap } from '../src/sandbox/bubblewrap.ts';

export const COMMAND: string = fileURLToPath(new URL('../bin/pixel-coach.js', import.meta.url));
const TIME_LIMIT_MILLISECONDS = 150_000;

interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CoachProject extends Disposable {
  readonly folder: string;
  run(...parameters: string[]): Promise<CommandResult>;
  /** Runs with --json; the exit code must be the given one. */
  json(exitCode: number, ...parameters: string[]): Promise<unknown>;
  git(...parameters: string[]): string;
}

export interface ProjectFiles {
  readonly config: object;
  /** A roadmap as JSON. */
  readonly roadmap?: object;
  /** Committed. */
  readonly files?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
}

export function createProject({ config, roadmap, files = {}, environment = {} }: ProjectFiles): CoachProject {
  const folder = mkdtempSync(join(tmpdir(), 'pixel-coach-project-'));
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  const git = (...parameters: string[]): string => execFileSync('git', parameters, { cwd: folder, encoding: 'utf8' });
  for (const [path, text] of Object.entries({ 'package.json': '{"type": "module"}\n', ...files })) write(path, text);
  git('init', '-q');
  git('config', 'user.name', 'Test');
  git('config', 'user.email', 'test@example.com');
  git('add', '.');
  git('commit', '-qm', 'First');
  write('pixel-coach.config.json', JSON.stringify({ roadmap: 'coach.roadmap.json', ...config }, null, 2));
  if (roadmap) write('coach.roadmap.json', JSON.stringify(roadmap, null, 2));
  const run = (...parameters: string[]): Promise<CommandResult> =>
    new Promise((resolve) => {
      const options = {
        cwd: folder,
        env: { ...process.env, ...environment },
        timeout: TIME_LIMIT_MILLISECONDS,
        maxBuffer: 1 << 28,
      };
      execFile(process.execPath, [COMMAND, ...parameters], options, (error, stdout, stderr) => {
        const exitCode = error ? (typeof error.code === 'number' ? error.code : -1) : 0;
        resolve({ exitCode, stdout, stderr });
      });
    });
  return {
    folder,
    run,
    git,
    async json(exitCode, ...parameters) {
      const result = await run(...parameters, '--json');
      if (result.exitCode !== exitCode) {
        throw new Error(`${parameters.join(' ')} ended with ${result.exitCode}:\n${result.stdout}\n${result.stderr}`);
      }
      return JSON.parse(result.stdout);
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Says loudly when there is none; fails where one is demanded. */
export async function sandboxIsHere(): Promise<boolean> {
  const { usable, reason } = await createBubblewrap().availability();
  if (!usable && process.env.REQUIRE_SANDBOX) throw new Error(`A sandbox is required here: ${reason}`);
  if (!usable) console.log(`NOT CHECKED: there is no sandbox here (${reason})`);
  return usable;
}
