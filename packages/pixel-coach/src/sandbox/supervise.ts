/**
 * Starts a sandbox's process and watches it from outside: wall clock, memory of the whole tree, amount of output. Whatever goes
 * beyond its limit is killed with everything it started.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { CoachError } from '../core/errors.ts';
import type { SandboxCut, SandboxLimits, SandboxResult } from './types.ts';

const MEMORY_POLL_MILLISECONDS = 100;
const PAGE_BYTES = 4096;
/** A killed tree closes its pipes at once; should one stay open all the same, nobody waits for it. */
const CLOSE_MILLISECONDS = 5000;

export interface SupervisedProcess {
  readonly argv: readonly string[];
  readonly input: string;
  readonly limits: SandboxLimits;
  /** An open file that the process finds as descriptor 3. Descriptor 4 is a pipe that `onStatus` hears. */
  readonly extraFile?: number | undefined;
  readonly onStatus?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Ends what killing the process does not reach: a container. */
  readonly afterKill?: (() => void) | undefined;
}

export async function supervise(options: SupervisedProcess): Promise<SandboxResult> {
  const { argv, input, limits, extraFile, onStatus, signal, afterKill } = options;
  const begun = performance.now();
  const child = spawn(argv[0] ?? '', argv.slice(1), {
    stdio: ['pipe', 'pipe', 'pipe', extraFile ?? 'ignore', onStatus === undefined ? 'ignore' : 'pipe'],
    detached: true,
    env: { PATH: process.env.PATH },
  });
  child.stdio[4]?.on('data', (chunk: Buffer) => onStatus?.(chunk.toString('utf8')));
  let cut: SandboxCut | null = null;
  const stop = (why: SandboxCut): void => {
    if (cut !== null) return;
    cut = why;
    killTree(child);
    afterKill?.();
  };
  const output = collect(child, limits.outputBytes, () => stop('output'));
  const clock = setTimeout(() => stop('wall-clock'), limits.wallClockMilliseconds);
  const memory = setInterval(() => {
    if (residentBytes(child.pid) > limits.memoryBytes) stop('memory');
  }, MEMORY_POLL_MILLISECONDS);
  const abort = (): void => stop('aborted');
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  child.stdin?.on('error', () => {});
  child.stdin?.end(input);
  try {
    const { exitCode, endedBy } = await ended(child);
    return { exitCode, endedBy, cut, output: output(), milliseconds: Math.round(performance.now() - begun) };
  } finally {
    clearTimeout(clock);
    clearInterval(memory);
    signal?.removeEventListener('abort', abort);
  }
}

function ended(child: ChildProcess): Promise<{ exitCode: number | null; endedBy: string | null }> {
  return new Promise((resolve, reject) => {
    child.once('error', (cause) =>
      reject(new CoachError('sandbox-failed', `The sandbox does not start: ${cause.message}.`, { cause })),
    );
    child.once('exit', (exitCode, endedBy) => {
      const done = (): void => {
        clearTimeout(patience);
        resolve({ exitCode, endedBy });
      };
      const patience = setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
        done();
      }, CLOSE_MILLISECONDS);
      child.once('close', done);
    });
  });
}

/** Keeps the first `most` bytes of both streams in the order of their arrival, and calls `onMore` for the next one. */
function collect(child: ChildProcess, most: number, onMore: () => void): () => string {
  const chunks: Buffer[] = [];
  let length = 0;
  const take = (chunk: Buffer): void => {
    if (length < most) chunks.push(chunk.subarray(0, most - length));
    length += chunk.length;
    if (length > most) onMore();
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  return () => Buffer.concat(chunks).toString('utf8');
}

/** The sandbox's own first process dies with its parent, and its process namespace with it. */
function killTree(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
}

/** Resident memory of a process and everything below it; 0 where there is no /proc. */
function residentBytes(root: number | undefined): number {
  let bytes = 0;
  const waiting = root === undefined ? [] : [root];
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    try {
      bytes += Number(readFileSync(`/proc/${id}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES;
      const children = readFileSync(`/proc/${id}/task/${id}/children`, 'utf8').trim();
      if (children !== '') waiting.push(...children.split(' ').map(Number));
    } catch {
      // It ended in between.
    }
  }
  return bytes;
}
