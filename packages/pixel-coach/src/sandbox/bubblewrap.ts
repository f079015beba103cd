/**
 * The sandbox of Linux: bubblewrap. The command gets its own mount, process, network, IPC and host name spaces; the system read-only,
 * the work folder read-only, a private /tmp of limited size, an empty environment, a seccomp filter, limits that it cannot raise, and
 * an ordinary user: when the coach is root, one that exists nowhere else on the machine.
 */

import { randomInt } from 'node:crypto';
import { closeSync, existsSync, lstatSync, mkdtempSync, openSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { CoachError } from '../core/errors.ts';
import { seccompFilter } from './seccomp.ts';
import { supervise } from './supervise.ts';
import {
  BASE_ENVIRONMENT,
  DEFAULT_LIMITS,
  NODE_FOLDER,
  type ReadOnlyMount,
  type Sandbox,
  type SandboxAvailability,
  type SandboxCommand,
  type SandboxLimits,
  type SandboxResult,
  WORK_FOLDER,
} from './types.ts';

const REMEDY =
  'Install it: apt-get install bubblewrap (Debian, Ubuntu), dnf install bubblewrap (Fedora), pacman -S bubblewrap (Arch); ' +
  'or set sandbox.container in the configuration to podman or docker.';
const PROBE_MILLISECONDS = 10_000;
const OPEN_FILES = 4096;
const RESERVED_BYTES = 4 * 2 ** 30;
/** Users of the sandbox when the coach is root: one at random from a range that no system hands out. */
const FIRST_USER = 0x3000_0000;
const USERS = 0x1000_0000;
/** The system's folders; in a merged /usr some are links, which are kept as links. */
const SYSTEM_FOLDERS = ['/usr', '/bin', '/sbin', '/lib', '/lib64', '/lib32'];
const SYSTEM_FILES = ['/etc/ld.so.cache', '/etc/alternatives', '/etc/localtime'];

export interface BubblewrapOptions {
  readonly limits?: Partial<SandboxLimits>;
  /** Lets the command use /dev/dri. */
  readonly gpu?: boolean;
  readonly program?: string;
}

export function createBubblewrap({ limits, gpu = false, program = 'bwrap' }: BubblewrapOptions = {}): Sandbox {
  const defaults = { ...DEFAULT_LIMITS, ...limits };
  return {
    name: 'bubblewrap',
    availability: () => probe(program, gpu),
    run: (command) => runIn(program, command, { ...defaults, ...command.limits }, gpu),
  };
}

async function runIn(
  program: string,
  command: SandboxCommand,
  limits: SandboxLimits,
  gpu: boolean,
): Promise<SandboxResult> {
  const folder = mkdtempSync(join(tmpdir(), 'pixel-coach-sandbox-'));
  const filter = openFilter(folder);
  try {
    const argv = [program, ...bubblewrapArguments(command, limits, { gpu, folder, filter: filter !== undefined })];
    const { input = '', signal } = command;
    let status = '';
    const onStatus = (text: string): void => {
      status += text;
    };
    const result = await supervise({ argv, input, limits, extraFile: filter, onStatus, signal });
    // bubblewrap tells an exit code only of a command that it did start; what the command prints says nothing.
    if (result.cut === null && result.exitCode !== 0 && !status.includes('exit-code'))
      throw new CoachError('sandbox-failed', `bubblewrap did not start: ${firstLine(result.output)}`);
    return result;
  } finally {
    if (filter !== undefined) closeSync(filter);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Everything bubblewrap is told. `folder` is a private one for the files that the sandbox finds in /etc. */
export function bubblewrapArguments(
  { argv, folder: work, writable = [], mounts = [], environment = {} }: SandboxCommand,
  limits: SandboxLimits,
  { gpu, folder, filter }: { readonly gpu: boolean; readonly folder: string; readonly filter: boolean },
): string[] {
  const root = process.getuid?.() === 0;
  const user = root ? FIRST_USER + randomInt(USERS) : 1000;
  const scratch = (target: string): string[] => [
    '--perms',
    '1777',
    '--size',
    `${limits.scratchBytes}`,
    '--tmpfs',
    target,
  ];
  return [
    ...['--die-with-parent', '--new-session', '--unshare-pid', '--unshare-net', '--unshare-ipc', '--unshare-uts'],
    ...['--unshare-cgroup-try', '--hostname', 'sandbox', '--json-status-fd', '4'],
    // Root's bubblewrap mounts as root and setpriv below takes root away; everybody else's needs a user namespace to mount at all.
    ...(root ? [] : ['--unshare-user', '--disable-userns', '--uid', `${user}`, '--gid', `${user}`]),
    ...(filter ? ['--seccomp', '3'] : []),
    '--clearenv',
    ...Object.entries({ ...BASE_ENVIRONMENT, ...environment }).flatMap(([name, value]) => ['--setenv', name, value]),
    // Made on the way to something below, they would be closed to everybody but root.
    ...['/etc', dirname(NODE_FOLDER), ...foldersAbove(mounts)].flatMap((path) => ['--perms', '0755', '--dir', path]),
    ...systemMounts(),
    ...accounts(folder, user),
    ...['--ro-bind', dirname(process.execPath), NODE_FOLDER],
    ...['--proc', '/proc', '--dev', '/dev', ...scratch('/dev/shm')],
    ...(gpu ? ['--dev-bind-try', '/dev/dri', '/dev/dri', '--ro-bind-try', '/sys', '/sys'] : []),
    ...['--remount-ro', '/dev', ...scratch('/tmp')],
    ...['--ro-bind', work, WORK_FOLDER],
    ...mounts.flatMap(({ source, target }) => ['--ro-bind', source, target]),
    ...writable.flatMap((path) => scratch(join(WORK_FOLDER, path))),
    ...['--remount-ro', '/', '--chdir', WORK_FOLDER, '--'],
    ...(root ? dropRoot(user) : []),
    ...limitsCommand(limits),
    ...argv,
  ];
}

function foldersAbove(mounts: readonly ReadOnlyMount[]): string[] {
  const outside = mounts.filter(({ target }) => !target.startsWith(`${WORK_FOLDER}/`));
  return [...new Set(outside.map(({ target }) => dirname(target)))];
}

function dropRoot(user: number): string[] {
  const names = [`--reuid=${user}`, `--regid=${user}`, '--clear-groups'];
  return ['setpriv', ...names, '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs'];
}

function limitsCommand({ cpuSeconds, memoryBytes, processes, fileBytes }: SandboxLimits): string[] {
  // A coarse bound for each process; the supervisor counts what the tree really uses. --data and not --as, and with room: WebAssembly
  // and V8 reserve far more than they use.
  const memory = `--data=${memoryBytes + RESERVED_BYTES}`;
  const counts = [`--cpu=${cpuSeconds}`, `--nproc=${processes}`, `--nofile=${OPEN_FILES}`, `--fsize=${fileBytes}`];
  return ['prlimit', memory, ...counts, '--core=0', '--'];
}

function systemMounts(): string[] {
  const folders = SYSTEM_FOLDERS.filter((path) => existsSync(path)).flatMap((path) =>
    lstatSync(path).isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : ['--ro-bind', path, path],
  );
  return [...folders, ...SYSTEM_FILES.flatMap((path) => ['--ro-bind-try', path, path])];
}

/** A user list that holds nobody of this machine. */
function accounts(folder: string, user: number): string[] {
  const files = {
    passwd: `coach:x:${user}:${user}::/tmp:/bin/sh\n`,
    group: `coach:x:${user}:\n`,
    hosts: '127.0.0.1 localhost sandbox\n::1 localhost\n',
  };
  return Object.entries(files).flatMap(([name, text]) => {
    writeFileSync(join(folder, name), text, { mode: 0o644 });
    return ['--ro-bind', join(folder, name), `/etc/${name}`];
  });
}

function openFilter(folder: string): number | undefined {
  const filter = seccompFilter();
  if (filter === undefined) return undefined;
  const path = join(folder, 'seccomp');
  writeFileSync(path, filter);
  return openSync(path, 'r');
}

async function probe(program: string, gpu: boolean): Promise<SandboxAvailability> {
  const folder = mkdtempSync(join(tmpdir(), 'pixel-coach-probe-'));
  const tried = `${program} ... true`;
  try {
    const limits = { ...DEFAULT_LIMITS, wallClockMilliseconds: PROBE_MILLISECONDS };
    const { exitCode, output } = await runIn(program, { argv: ['true'], folder }, limits, gpu);
    if (exitCode === 0) return { usable: true, reason: 'bubblewrap runs commands here', remedy: '', tried };
    return { usable: false, reason: `bubblewrap fails: ${firstLine(output)}`, remedy: REMEDY, tried };
  } catch (error) {
    return { usable: false, reason: error instanceof Error ? error.message : String(error), remedy: REMEDY, tried };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
