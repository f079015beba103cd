/** What a run measured, for people on stdout and as JSON in bench/results/. */
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { basename, dirname, isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import { machineFacts } from '../harness.ts';
import type { Peer, PeerName } from './peers.ts';

/** One line of results: each runtime's number, and this project's as a share of the others'. */
export interface PeerRow {
  readonly what: string;
  readonly unit: string;
  readonly values: Partial<Record<PeerName, number>>;
  /** For ratios below 1 to be the better ones. */
  readonly lessIsBetter?: boolean;
  /** By the runtime it is compared with. */
  readonly targets?: Partial<Record<PeerName, number>>;
  /** How it was measured, where that differs between rows: rounds, tokens, what was left out. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Runtimes seen in this run, with what they say of themselves. */
const versions = new Map<PeerName, string>();

export function noteVersions(peers: readonly Peer[]): void {
  for (const { name, loaded } of peers) versions.set(name, `${loaded.version} (${loaded.device})`);
}

function ratios({ values }: PeerRow): Partial<Record<PeerName, number>> {
  const { pixel, ...others } = values;
  if (pixel === undefined) return {};
  return Object.fromEntries(
    Object.entries(others).map(([name, value]) => [name, Number((pixel / value).toPrecision(3))]),
  );
}

export function printRow(row: PeerRow): void {
  const values = Object.entries(row.values).map(([name, value]) => `${name} ${value}`);
  const against = Object.entries(ratios(row)).map(([name, ratio]) => {
    const target = row.targets?.[name as PeerName];
    const sign = row.lessIsBetter ? '<=' : '>=';
    return `${ratio} x ${name}${target === undefined ? '' : ` (target ${sign} ${target})`}`;
  });
  const others = row.details?.coresBusyWithOthers;
  const warning = typeof others === 'number' && others > 0.1 ? [`others kept ${others} cores busy`] : [];
  console.log(`${row.what} [${row.unit}]: ${[...values, ...against, ...warning].join(', ')}`);
}

/** Writes bench/results/peers-PART.json, or `path`. Returns where. */
export async function saveRows(part: string, rows: readonly PeerRow[], path: string | undefined): Promise<string> {
  const file = path ?? fileURLToPath(new URL(`../results/peers-${part}.json`, import.meta.url));
  const { dependencies } = JSON.parse(readFileSync(new URL('./package.json', import.meta.url), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const facts = {
    command: `node bench/peers/run.ts ${process.argv.slice(2).map(withoutFolder).join(' ')}`.trim(),
    machine: machineFacts(),
    packages: dependencies,
    versions: Object.fromEntries(versions),
    /** Above the number of threads in use, others were at work on the machine too. */
    loadAverage: loadavg().map((load) => Number(load.toFixed(2))),
  };
  const text = JSON.stringify({ ...facts, rows: rows.map((row) => ({ ...row, ratios: ratios(row) })) }, null, 2);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${text}\n`);
  return file;
}

/** Whose folders they are is nobody's business. */
function withoutFolder(argument: string): string {
  return isAbsolute(argument) ? basename(argument) : argument;
}
