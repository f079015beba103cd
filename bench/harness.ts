/**
 * What every benchmark shares: timing that compares fairly, the facts of the machine, a table for people and rows for
 * bench/results. A benchmark checks its results first, then times; what it compares runs in turns (A B C A B C), so that a
 * busy moment of the machine falls on all alike.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { basename, dirname, isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface MachineFacts {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGB: number;
  readonly node: string;
  readonly platform: string;
  readonly commit: string;
  readonly date: string;
}

/** One line of a benchmark's results. */
export interface ResultRow {
  /** What was measured, as a person would say it. */
  readonly what: string;
  /** The number that is judged: a ratio to the yardstick, or a rate if there is none. */
  readonly ratio?: number;
  /** What the ratio or the rate has to reach, if a target is set. */
  readonly target?: number;
  /** Rates by name, with the unit in the name: `{ rawGBps: 6.5, pictureGBps: 5.7 }`. */
  readonly rates: Readonly<Record<string, number>>;
}

/** Runs all cases once to warm up, then in turns for `rounds` rounds. Returns the median seconds of each. */
export async function interleave<Name extends string>(
  cases: Readonly<Record<Name, () => Promise<void>>>,
  { rounds = 7 }: { rounds?: number } = {},
): Promise<Record<Name, number>> {
  const names = Object.keys(cases) as Name[];
  const seconds = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, number[]>;
  for (const name of names) await cases[name]();
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const begun = performance.now();
      await cases[name]();
      seconds[name].push((performance.now() - begun) / 1000);
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(seconds[name])])) as Record<Name, number>;
}

/** Cases that note the processor time of all threads too: it does not depend on who else uses the machine. */
export function countProcessorTime<Name extends string>(
  cases: Readonly<Record<Name, () => Promise<void>>>,
): { cases: Record<Name, () => Promise<void>>; cpuSeconds(name: Name): number } {
  const noted = new Map<Name, number[]>();
  const counted = (name: Name) => async () => {
    const begun = process.cpuUsage();
    await cases[name]();
    const { user, system } = process.cpuUsage(begun);
    noted.set(name, [...(noted.get(name) ?? []), (user + system) / 1e6]);
  };
  const names = Object.keys(cases) as Name[];
  return {
    cases: Object.fromEntries(names.map((name) => [name, counted(name)])) as Record<Name, () => Promise<void>>,
    cpuSeconds: (name) => rounded(median(noted.get(name) ?? [])),
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Gigabytes a second (10^9), to three digits. */
export function gigabytesPerSecond(bytes: number, seconds: number): number {
  return rounded(bytes / seconds / 1e9);
}

export function rounded(value: number): number {
  return Number(value.toPrecision(3));
}

export function machineFacts(): MachineFacts {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryGB: Math.round(totalmem() / 1e9),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    commit: currentCommit(),
    date: new Date().toISOString(),
  };
}

/**
 * Writes the rows to bench/results/NAME.json (or to `path`), each with the machine's facts, under the command that made
 * them. Returns the path.
 */
export async function saveResults(
  name: string,
  rows: readonly ResultRow[],
  { path = fileURLToPath(new URL(`results/${name}.json`, import.meta.url)) }: { path?: string | undefined } = {},
): Promise<string> {
  const command = ['node', `bench/${name}.ts`, ...process.argv.slice(2).map(withoutFolder)].join(' ');
  const machine = machineFacts();
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${JSON.stringify({ command, rows: rows.map((row) => ({ ...row, machine })) }, null, 2)}\n`);
  return path;
}

/** Prints the rows as a table on stdout. */
export function printTable(rows: readonly ResultRow[]): void {
  const lines = [
    ['what', 'ratio', 'target', ''],
    ...rows.map(({ what, ratio, target, rates }) => [
      what,
      ratio === undefined ? '' : ratio.toFixed(2),
      target === undefined ? '' : `>= ${target}`,
      Object.entries(rates)
        .map(([rate, value]) => `${rate} ${value}`)
        .join('  '),
    ]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...lines.map((line) => line[column]!.length)));
  for (const line of lines)
    console.log(
      line
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    );
}

/** Whose folders they are is nobody's business. */
function withoutFolder(argument: string): string {
  return isAbsolute(argument) ? basename(argument) : argument;
}

/** The commit, with a mark if the working tree differs from it. */
function currentCommit(): string {
  try {
    const git = (...parts: string[]) => execFileSync('git', parts, { encoding: 'utf8', stdio: 'pipe' }).trim();
    return (
      git('rev-parse', '--short', 'HEAD') +
      (git('status', '--porcelain', '--untracked-files=no', '--', '.', ':!bench/results') ? '+changes' : '')
    );
  } catch {
    return 'unknown';
  }
}
