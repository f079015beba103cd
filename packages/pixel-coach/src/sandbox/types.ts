/**
 * What runs model-written code. A sandbox gives a command one folder to read, a private /tmp, no network, no secrets, an ordinary
 * user and hard limits; what it wrote is gone when it ends. Nothing of what it leaves is ever read by the coach but the text that it
 * printed.
 */

export interface SandboxLimits {
  readonly wallClockMilliseconds: number;
  /** Of each process. */
  readonly cpuSeconds: number;
  /** Of all processes together. */
  readonly memoryBytes: number;
  readonly processes: number;
  /** Of each file. */
  readonly fileBytes: number;
  /** Of /tmp, and of each writable folder. */
  readonly scratchBytes: number;
  /** Of what it prints. More ends it. */
  readonly outputBytes: number;
}

export const DEFAULT_LIMITS: SandboxLimits = {
  wallClockMilliseconds: 300_000,
  cpuSeconds: 600,
  memoryBytes: 4 * 2 ** 30,
  processes: 256,
  fileBytes: 256 * 2 ** 20,
  scratchBytes: 2 ** 30,
  outputBytes: 8 * 2 ** 20,
};

export interface ReadOnlyMount {
  /** On this machine. */
  readonly source: string;
  /** In the sandbox, absolute. */
  readonly target: string;
}

export interface SandboxCommand {
  /** The program and its arguments, as the sandbox sees them. */
  readonly argv: readonly string[];
  /** Becomes /work, read-only; also the working folder. */
  readonly folder: string;
  /** Folders below /work that are writable: each is empty at the start and gone at the end. They must exist in `folder`. */
  readonly writable?: readonly string[];
  readonly mounts?: readonly ReadOnlyMount[];
  readonly environment?: Readonly<Record<string, string>>;
  /** What the command reads from its standard input. */
  readonly input?: string;
  readonly limits?: Partial<SandboxLimits>;
  readonly signal?: AbortSignal | undefined;
}

/** Why a command did not end by itself. */
export type SandboxCut = 'wall-clock' | 'output' | 'memory' | 'aborted';

export interface SandboxResult {
  readonly exitCode: number | null;
  /** Name of the signal that ended it. */
  readonly endedBy: string | null;
  readonly cut: SandboxCut | null;
  /** Standard output and standard error as they came, at most `outputBytes`. */
  readonly output: string;
  readonly milliseconds: number;
}

export interface SandboxAvailability {
  readonly usable: boolean;
  readonly reason: string;
  readonly remedy: string;
  /** The command that was tried. */
  readonly tried: string;
}

export interface Sandbox {
  readonly name: string;
  /** Runs a command that does nothing. */
  availability(): Promise<SandboxAvailability>;
  /** Throws `sandbox-failed` when the sandbox itself does not start. */
  run(command: SandboxCommand): Promise<SandboxResult>;
}

/** Where things lie in every sandbox. */
export const WORK_FOLDER = '/work';
export const NODE_FOLDER = '/opt/node';

/** Everything the command finds in its environment, but for what the project adds. */
export const BASE_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: `${NODE_FOLDER}:${WORK_FOLDER}/node_modules/.bin:/usr/local/bin:/usr/bin:/bin`,
  HOME: '/tmp',
  TMPDIR: '/tmp',
  LANG: 'C.UTF-8',
  TZ: 'UTC',
  CI: '1',
  NO_COLOR: '1',
};
