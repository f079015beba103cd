/** How much memory a process and its children take, as Linux's /proc tells it. */
import { readdirSync, readFileSync } from 'node:fs';

/** In megabytes. */
export interface Memory {
  /** The most that was resident at once, mapped files included; summed over the processes. */
  readonly peakMB: number;
  /** Resident now, what several processes share counted once. */
  readonly nowMB: number;
  /** What of it is no mapped file, and so cannot be dropped and read again. */
  readonly anonymousMB: number;
}

export function memoryOf(process: number): Memory {
  const total = { peakMB: 0, nowMB: 0, anonymousMB: 0 };
  for (const id of withDescendants(process)) {
    const rollup = read(`/proc/${id}/smaps_rollup`);
    total.peakMB += megabytes(read(`/proc/${id}/status`), 'VmHWM');
    total.nowMB += megabytes(rollup, 'Pss');
    total.anonymousMB += megabytes(rollup, 'Pss_Anon');
  }
  const round = (value: number) => Number(value.toPrecision(4));
  return { peakMB: round(total.peakMB), nowMB: round(total.nowMB), anonymousMB: round(total.anonymousMB) };
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
