/** What a process and those it started take of memory and of the processor, as Linux's /proc tells it. */
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ, the same on every Linux that Node runs on. */
const TICKS_A_SECOND = 100;

/** In megabytes. */
export interface Memory {
  /** The most that was resident at once, mapped files included; summed over the processes. */
  readonly peakMB: number;
  /** Resident now, what several processes share counted once. */
  readonly nowMB: number;
  /** What of it is no mapped file, and so cannot be dropped and read again. */
  readonly anonymousMB: number;
}

export function memoryOf(root: number): Memory {
  const total = { peakMB: 0, nowMB: 0, anonymousMB: 0 };
  for (const id of withDescendants(root)) {
    const rollup = read(`/proc/${id}/smaps_rollup`);
    total.peakMB += megabytes(read(`/proc/${id}/status`), 'VmHWM');
    total.nowMB += megabytes(rollup, 'Pss');
    total.anonymousMB += megabytes(rollup, 'Pss_Anon');
  }
  const round = (value: number) => Number(value.toPrecision(4));
  return { peakMB: round(total.peakMB), nowMB: round(total.nowMB), anonymousMB: round(total.anonymousMB) };
}

/** A reading of the machine's work and this program's, to tell later what others did in between. */
interface WorkReading {
  readonly milliseconds: number;
  readonly machineTicks: number;
  readonly ownTicks: number;
}

/** Of this program and all it started: those must live through both readings. */
export function readWork(): WorkReading {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0] = read('/proc/stat').split(/\s+/, 9).map(Number);
  let ownTicks = 0;
  for (const id of withDescendants(process.pid)) {
    // User and system time, fields 14 and 15, counted after the name.
    const fields = read(`/proc/${id}/stat`).split(') ').at(-1)?.split(' ') ?? [];
    ownTicks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }
  return { milliseconds: performance.now(), machineTicks: user + nice + system + irq + softIrq, ownTicks };
}

/** How many cores others kept busy since then, on average: 0 on a machine that a benchmark can be believed from. */
export function othersSince(before: WorkReading): number {
  const now = readWork();
  const ticks = now.machineTicks - before.machineTicks - (now.ownTicks - before.ownTicks);
  const seconds = (now.milliseconds - before.milliseconds) / 1000;
  return Math.max(0, Number((ticks / TICKS_A_SECOND / seconds).toFixed(2)));
}

function withDescendants(root: number): Set<number> {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    // The parent's id is the second field after the name, which stands in brackets and may hold anything.
    const fields = read(`/proc/${name}/stat`).split(') ').at(-1)?.split(' ');
    parents.set(Number(name), Number(fields?.[1]));
  }
  const found = new Set([root]);
  for (let before = 0; before < found.size; ) {
    before = found.size;
    for (const [id, parent] of parents) if (found.has(parent)) found.add(id);
  }
  return found;
}

function megabytes(text: string, field: string): number {
  return (Number(text.match(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm'))?.[1] ?? 0) * 1024) / 1e6;
}

/** '' for a process that has just ended. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
