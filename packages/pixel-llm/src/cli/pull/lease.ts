/**
 * Only one process downloads a model at a time; the others wait for it. The lease is a file that its holder touches every few
 * seconds: it ends by itself when the holder is killed, sleeps too long, or its machine is gone.
 */
import { randomUUID } from 'node:crypto';
import { constants, copyFile, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { PixelError, throwIfAborted } from '../../core/errors.ts';
import { fileError } from '../../core/node.ts';

const BEAT_MILLISECONDS = 2000;
/** Without a beat for so long, nobody holds it. Several beats, for disks that are slow and clocks that differ. */
const STALE_MILLISECONDS = 20_000;
const POLL_MILLISECONDS = 250;

interface Holder {
  token: string;
  pid: number;
  host: string;
}

const holderSchema: z.ZodType<Holder> = z.object({ token: z.string(), pid: z.int(), host: z.string() });

export interface LeaseOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once when another process holds it. */
  readonly onWait?: (pid: number) => void;
}

/** Waits until nobody else holds the lease, and takes it. Throws `aborted`, `io`, `file-not-found` (its folder is missing). */
export async function takeLease(path: string, { signal, onWait }: LeaseOptions = {}): Promise<Lease> {
  const holder: Holder = { token: randomUUID(), pid: process.pid, host: hostname() };
  for (let waits = 0; ; waits++) {
    throwIfAborted(signal);
    if (await create(path, holder)) return new Lease(path, holder.token);
    const other = await heldBy(path);
    if (other === 'nobody') await removeStale(path, holder.token);
    else {
      if (waits === 0) onWait?.(other.pid);
      await sleep(POLL_MILLISECONDS, undefined, { signal }).catch(() => {});
    }
  }
}

/** True while a process holds the lease. */
export async function isLeased(path: string): Promise<boolean> {
  return (await heldBy(path)) !== 'nobody';
}

/** Removes the lease of a process that was killed. */
export async function removeDeadLease(path: string): Promise<void> {
  if (!(await isLeased(path))) await removeStale(path, randomUUID());
}

export class Lease {
  readonly #path: string;
  readonly #token: string;
  readonly #timer: NodeJS.Timeout;
  #beatAt = performance.now();

  constructor(path: string, token: string) {
    this.#path = path;
    this.#token = token;
    this.#timer = setInterval(() => void this.#beat(), BEAT_MILLISECONDS);
    this.#timer.unref();
  }

  /** Throws `io` when a process that slept too long has lost the lease to another. Costs nothing while beats go out. */
  async check(): Promise<void> {
    if (performance.now() - this.#beatAt < STALE_MILLISECONDS / 2) return;
    if ((await readHolder(this.#path))?.token !== this.#token) {
      throw new PixelError(
        'io',
        `Another process went on with this download (${this.#path} says so): leave it to that one.`,
      );
    }
    await this.#beat();
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    if ((await readHolder(this.#path))?.token === this.#token) await rm(this.#path, { force: true });
  }

  async #beat(): Promise<void> {
    const holder = await readHolder(this.#path);
    if (holder?.token !== this.#token) return;
    const now = new Date();
    await utimes(this.#path, now, now).then(
      () => {
        this.#beatAt = performance.now();
      },
      () => {},
    );
  }
}

async function create(path: string, holder: Holder): Promise<boolean> {
  try {
    await writeFile(path, JSON.stringify(holder), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw fileError(error, dirname(path));
  }
}

async function heldBy(path: string): Promise<Holder | 'nobody'> {
  const holder = await readHolder(path);
  const facts = await stat(path).catch(() => undefined);
  if (!facts || Date.now() - facts.mtimeMs > STALE_MILLISECONDS) return 'nobody';
  // Just made, and not yet written.
  if (!holder) return { token: '', pid: 0, host: '' };
  return holder.host !== hostname() || isRunning(holder.pid) ? holder : 'nobody';
}

/** Moves a stale lease away: of several that try, one succeeds. If it was taken anew meanwhile, it is put back. */
async function removeStale(path: string, token: string): Promise<void> {
  const aside = `${path}.${token}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  if ((await heldBy(aside)) !== 'nobody') await copyFile(aside, path, constants.COPYFILE_EXCL).catch(() => {});
  await rm(aside, { force: true });
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    return holderSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
