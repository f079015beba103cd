/** Runs the real `pixel-llm` command as a process of its own, for tests of what a person at a terminal meets. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

const COMMAND: string = join(import.meta.dirname, '../bin/pixel-llm.js');

export interface CommandOutcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandSettings {
  /** What stdin holds; without it, stdin is empty. */
  readonly input?: string;
  /** An open file to be stdin instead. */
  readonly stdin?: number;
  readonly cwd?: string;
  /** Added to the environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Counts what runs for coverage, when the tests do; starting takes twice as long then. */
  readonly covered?: boolean;
  /** Called with the process on each piece of its output. */
  readonly onOutput?: (child: ChildProcess, stdout: string) => void;
  /** Called with the process as soon as it runs. */
  readonly onStart?: (child: ChildProcess) => void;
}

/** Resolves when the process has ended, however it did. */
export function runCommand(parameters: readonly string[], settings: CommandSettings = {}): Promise<CommandOutcome> {
  const { input = '', stdin = 'pipe', cwd, covered = true, onOutput, onStart } = settings;
  const { NODE_V8_COVERAGE: coverage, ...inherited } = process.env;
  const environment = { ...inherited, ...settings.environment };
  const env = covered && coverage ? { ...environment, NODE_V8_COVERAGE: coverage } : environment;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [COMMAND, ...parameters], { cwd, env, stdio: [stdin, 'pipe', 'pipe'] });
    onStart?.(child);
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      onOutput?.(child, stdout);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    // A command that fails before it reads leaves nobody at the other end.
    child.stdin?.on('error', () => {}).end(input);
    child.on('error', reject).on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
