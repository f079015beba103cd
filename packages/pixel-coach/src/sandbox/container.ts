/**
 * The sandbox of machines without bubblewrap: a container of podman or docker, by configuration. The image must hold what the tests
 * need (`node:24` for most); the rules are the same: no network, no privileges, everything read-only but scratch, limits.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { supervise } from './supervise.ts';
import {
  BASE_ENVIRONMENT,
  DEFAULT_LIMITS,
  type Sandbox,
  type SandboxAvailability,
  type SandboxCommand,
  type SandboxLimits,
  WORK_FOLDER,
} from './types.ts';

export interface ContainerOptions {
  /** `podman` or `docker`, or a path to one. */
  readonly command: string;
  readonly image: string;
  readonly limits?: Partial<SandboxLimits>;
  readonly gpu?: boolean;
}

export function createContainerSandbox({ command: program, image, limits, gpu = false }: ContainerOptions): Sandbox {
  const defaults = { ...DEFAULT_LIMITS, ...limits };
  return {
    name: `${program} ${image}`,
    availability: () => probe(program, image),
    run: (command) => {
      const name = `pixel-coach-${randomBytes(8).toString('hex')}`;
      const merged = { ...defaults, ...command.limits };
      const argv = [program, ...containerArguments(command, merged, { image, name, gpu })];
      // Killing the client leaves the container running.
      const afterKill = (): void =>
        void spawn(program, ['rm', '--force', name], { stdio: 'ignore' }).on('error', () => {});
      return supervise({ argv, input: command.input ?? '', limits: merged, signal: command.signal, afterKill });
    },
  };
}

export function containerArguments(
  { argv, folder, writable = [], mounts = [], environment = {} }: SandboxCommand,
  limits: SandboxLimits,
  { image, name, gpu }: { readonly image: string; readonly name: string; readonly gpu: boolean },
): string[] {
  const scratch = (target: string): string[] => ['--tmpfs', `${target}:rw,mode=1777,size=${limits.scratchBytes}`];
  const readOnly = (source: string, target: string): string[] => ['--volume', `${source}:${target}:ro`];
  // The image brings its own Node and its own PATH.
  const { PATH: _, ...variables } = { ...BASE_ENVIRONMENT, ...environment };
  return [
    ...['run', '--rm', '--interactive', '--name', name, '--network=none', '--read-only', '--user=1000:1000'],
    ...['--cap-drop=ALL', '--security-opt=no-new-privileges', `--pids-limit=${limits.processes}`],
    ...[`--memory=${limits.memoryBytes}`, `--memory-swap=${limits.memoryBytes}`, '--ulimit', 'core=0'],
    ...['--ulimit', `cpu=${limits.cpuSeconds}`, '--ulimit', `fsize=${limits.fileBytes}`],
    ...(gpu ? ['--device', '/dev/dri'] : []),
    ...Object.entries(variables).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    ...readOnly(folder, WORK_FOLDER),
    ...mounts.flatMap(({ source, target }) => readOnly(source, target)),
    ...scratch('/tmp'),
    ...writable.flatMap((path) => scratch(join(WORK_FOLDER, path))),
    ...['--workdir', WORK_FOLDER, image, ...argv],
  ];
}

async function probe(program: string, image: string): Promise<SandboxAvailability> {
  const argv = [program, 'image', 'inspect', image];
  const tried = argv.join(' ');
  try {
    const limits = { ...DEFAULT_LIMITS, wallClockMilliseconds: 10_000 };
    const { exitCode, output } = await supervise({ argv, input: '', limits });
    if (exitCode === 0) return { usable: true, reason: `${program} has the image ${image}`, remedy: '', tried };
    return { usable: false, reason: output.trim().split('\n')[0] ?? '', remedy: `${program} pull ${image}`, tried };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { usable: false, reason, remedy: `Install ${program}, or bubblewrap on Linux.`, tried };
  }
}
