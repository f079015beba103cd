/**
 * Pulls a model, all files of its set, from a server: into the cache, or under a name of the caller's. It appears there only whole and
 * verified; until then its parts wait beside it, for this call or a later one to go on with.
 */
import { mkdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isPixelError, PixelError } from '../../core/errors.ts';
import { fileError, openFileByteSource, pathExists } from '../../core/node.ts';
import type { WorkOptions } from '../../core/progress.ts';
import { downloadFile, type RetryOptions } from '../../download/download-file.ts';
import { parseModelUrl, type RemoteModel } from '../../download/model-url.ts';
import { createWorkerHasher } from '../../pxi/node.ts';
import { verifyModelFile } from '../../pxi/verify-file.ts';
import { formatBytes } from '../progress-bar.ts';
import { JournalFile } from './journal.ts';
import { type Lease, takeLease } from './lease.ts';
import { addToCache, cachePlaces, findCached, markUsed, removeFolder } from './model-cache.ts';
import { DiskPartFile } from './part-file.ts';

export interface PullOptions extends RetryOptions, WorkOptions {
  /** The cache's folder. */
  readonly cache: string;
}

export interface PulledModel {
  /** The file that the URL named. */
  readonly path: string;
  readonly files: readonly string[];
  readonly byteLength: number;
  /** False when the cache had it. */
  readonly isNew: boolean;
}

/**
 * The model of a URL, from the cache, which pulls it if need be. Of several processes one pulls; the others wait for it.
 * Throws `bad-argument`, `http`, `damaged-picture`, `bad-png`, `bad-gguf`, `truncated`, `unknown-format`, `missing-part`, `io`,
 * `aborted`.
 */
export async function pullToCache(url: string, options: PullOptions): Promise<PulledModel> {
  const remote = parseModelUrl(url);
  const { cache } = options;
  const found = await findCachedPath(url, cache);
  if (found) return found;
  const { part, lease } = cachePlaces(cache, remote.key);
  await makeFolder(cache);
  return withLease(lease, remote, options, async (held) => {
    const meanwhile = await findCachedPath(url, cache);
    if (meanwhile) return meanwhile;
    const files = await downloadModel(remote, part, held, options);
    const { folder, byteLength } = await addToCache(cache, remote, files);
    const paths = files.map(({ name }) => join(folder, name));
    return { path: join(folder, remote.named.name), files: paths, byteLength, isNew: true };
  });
}

/** The model of a URL, if the cache has it whole; it counts as used now. Throws `bad-argument`. */
export async function findCachedPath(url: string, cache: string): Promise<PulledModel | undefined> {
  const remote = parseModelUrl(url);
  const found = await findCached(cache, remote);
  if (!found) return undefined;
  await markUsed(found);
  const files = found.files.map(({ name }) => join(found.folder, name));
  // Another part of the set may have named it when it was pulled.
  return { path: join(found.folder, remote.named.name), files, byteLength: found.byteLength, isNew: false };
}

/**
 * Pulls a model to a file, or into a folder under its own name. Several files of a set are named after it, as `convert` names them.
 * Throws as `pullToCache`, and `file-exists`.
 */
export async function pullToFile(url: string, out: string, options: PullOptions): Promise<PulledModel> {
  const remote = parseModelUrl(url);
  const isFolder = await stat(out).then(
    (facts) => facts.isDirectory(),
    () => false,
  );
  const folder = isFolder ? out : dirname(out);
  const names = isFolder ? remote.files.map(({ name }) => name) : outputNames(basename(out), remote);
  const paths = names.map((name) => join(folder, name));
  for (const path of paths) {
    if (await pathExists(path))
      throw new PixelError('file-exists', `${path} already exists: remove it, or name another.`);
  }
  const beside = join(folder, `.${isFolder ? remote.named.name : basename(out)}`);
  return withLease(`${beside}.lock`, remote, options, async (lease) => {
    const files = await downloadModel(remote, `${beside}.part`, lease, options);
    for (const [index, { name }] of files.entries()) await rename(join(`${beside}.part`, name), paths[index] ?? out);
    await rm(`${beside}.part`, { recursive: true, force: true });
    const byteLength = files.reduce((sum, file) => sum + file.byteLength, 0);
    return { path: paths[remote.files.indexOf(remote.named)] ?? out, files: paths, byteLength, isNew: true };
  });
}

/** "model.pxi.png" of three files becomes "model-00001-of-00003.pxi.png" and so on. */
function outputNames(out: string, { files }: RemoteModel): string[] {
  if (files.length === 1) return [out];
  const [, stem = out, ending = ''] = /^(.*?)((?:\.pxi)?\.png|\.gguf)$/i.exec(out) ?? [];
  const five = (number: number) => String(number).padStart(5, '0');
  return files.map((_, index) => `${stem}-${five(index + 1)}-of-${five(files.length)}${ending}`);
}

async function withLease<Result>(
  path: string,
  remote: RemoteModel,
  { signal, onNote }: PullOptions,
  work: (lease: Lease) => Promise<Result>,
): Promise<Result> {
  const onWait = (pid: number) =>
    onNote?.(`Another process (${pid || 'just begun'}) is pulling ${remote.named.display}: waiting for it.`);
  const lease = await takeLease(path, { signal, onWait });
  try {
    return await work(lease);
  } finally {
    await lease.release();
  }
}

/** Completes all files in `folder` and verifies the model; gives their names and sizes. */
async function downloadModel(
  remote: RemoteModel,
  folder: string,
  lease: Lease,
  options: PullOptions,
): Promise<{ name: string; byteLength: number }[]> {
  await makeFolder(folder);
  const journal = await JournalFile.open(folder, remote);
  const files: { name: string; byteLength: number }[] = [];
  for (const [index, file] of remote.files.entries()) {
    const phase = remote.files.length === 1 ? 'pulling' : `pulling ${index + 1} of ${remote.files.length}`;
    const part = await DiskPartFile.open(join(folder, file.name));
    const checkSpace = (bytes: number) => checkDisk(folder, bytes, file.display);
    const { headers } = remote;
    const mayWrite = () => lease.check();
    const byteLength = await downloadFile(
      file,
      { part, journal, checkSpace },
      { ...options, headers, phase, mayWrite },
    );
    files.push({ name: file.name, byteLength });
  }
  await lease.check();
  await verify(remote, folder, options);
  return files;
}

/** A model that is not what its own checksums say is removed: going on with it would lead to the same. */
async function verify(remote: RemoteModel, folder: string, { signal, onProgress }: PullOptions): Promise<void> {
  const path = join(folder, remote.named.name);
  const work = { signal, onProgress, createHasher: createWorkerHasher };
  const problem = await verifyModelFile(path, openFileByteSource, work).then(
    ({ findings: [first, ...others] }) => first && notSound(first.message, others.length),
    (error: unknown) => {
      if (isPixelError(error) && error.code !== 'aborted' && error.code !== 'io') return error;
      throw error;
    },
  );
  if (!problem) return;
  await removeFolder(folder);
  const sentence = problem.message.replaceAll(join(folder, '/'), '');
  const message = `${remote.named.display}: ${sentence} What had arrived was removed.`;
  throw new PixelError(problem.code, message, { cause: problem });
}

function notSound(message: string, others: number): PixelError {
  return new PixelError('damaged-picture', others === 0 ? message : `${message} (And ${others} findings more.)`);
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw fileError(error, path);
  }
}

/** Throws `io` when the disk has no room for so many bytes more. */
async function checkDisk(folder: string, bytes: number, display: string): Promise<void> {
  const disk = await statfs(folder).catch(() => undefined);
  if (!disk || disk.blocks === 0) return;
  const free = disk.bavail * disk.bsize;
  if (bytes <= free) return;
  throw new PixelError(
    'io',
    `${display} needs ${formatBytes(bytes)} in ${folder}, where the disk has ${formatBytes(free)} free.`,
  );
}
