/**
 * A model by its URL through the browser's storage: from there if it is there whole, otherwise downloaded first, going on where an earlier
 * page stopped. Worker only (sync access handles).
 */
import type { ByteSource } from '../core/byte-source.ts';
import { isPixelError, PixelError } from '../core/errors.ts';
import type { WorkOptions } from '../core/progress.ts';
import { downloadFile } from '../download/download-file.ts';
import { parseModelUrl, type RemoteFile, type RemoteModel } from '../download/model-url.ts';
import { openWeights } from '../pxi/open-weights.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import {
  findKept,
  type KeptFile,
  openFolder,
  removeEntry,
  removeKept,
  withModelLock,
  writeEntry,
} from './kept-models.ts';
import { KeptJournal, KeptPart } from './kept-part.ts';
import { openKeptSource } from './kept-source.ts';

export interface OpenKeptOptions extends WorkOptions {
  readonly onNote: (sentence: string) => void;
  /** Checks every line of what is kept before it is used; what is damaged is fetched again. */
  readonly check?: boolean | undefined;
}

/** Failures in a row, without a byte gained, after which it gives up: a person is watching. */
const RETRIES = 3;

/**
 * Throws `bad-argument`, `http`, `damaged-picture`, `bad-png`, `bad-gguf`, `truncated`, `unknown-format`, `missing-part`, `storage-full`,
 * `io`, `aborted`. What has arrived stays for another call.
 */
export async function openKeptModel(href: string, options: OpenKeptOptions): Promise<WeightSource> {
  const remote = parseModelUrl(href);
  const { signal, onNote, check = false } = options;
  const onWait = (): void => onNote(`Another page works on ${remote.named.display}: waiting for it.`);
  return withModelLock(remote.key, { signal, onWait }, async () => {
    const folder = await openFolder(remote.key);
    const files = await findKept(folder);
    if (files) {
      if (check) await takeUpAgain(folder, remote, files);
      else {
        try {
          return await openFiles(folder, remote, options);
        } catch (error) {
          if (!isDamage(error)) throw error;
          onNote(`What was kept of ${remote.named.display} is damaged, and fetched again. (${error.message})`);
          await takeUpAgain(folder, remote, files);
        }
      }
    }
    await download(folder, remote, options);
    return openFiles(folder, remote, options);
  });
}

/** Makes a whole model a download again, which believes of a file what its own checksums prove. */
async function takeUpAgain(
  folder: FileSystemDirectoryHandle,
  remote: RemoteModel,
  files: readonly KeptFile[],
): Promise<void> {
  const journal = await KeptJournal.open(folder, remote.named.display);
  for (const { name, ...facts } of files) await journal.setPart(name, facts);
  await removeEntry(folder);
}

async function download(
  folder: FileSystemDirectoryHandle,
  remote: RemoteModel,
  options: OpenKeptOptions,
): Promise<void> {
  const journal = await KeptJournal.open(folder, remote.named.display);
  const files: KeptFile[] = [];
  for (const [index, file] of remote.files.entries()) {
    const phase = remote.files.length === 1 ? 'pulling' : `pulling ${index + 1} of ${remote.files.length}`;
    const part = await KeptPart.open(folder, file.name);
    const place = { part, journal, checkSpace: (bytes: number) => checkQuota(file, bytes) };
    const { headers } = remote;
    const size = await downloadFile(file, place, { ...options, headers, phase, retries: RETRIES, mayWrite });
    const { synced: _, ...facts } = journal.part(file.name) ?? { size };
    files.push({ ...facts, name: file.name, size });
  }
  await checkOpens(folder, remote, options);
  await writeEntry(folder, remote, files);
}

/** Files that are no model together would be none the next time either. */
async function checkOpens(
  folder: FileSystemDirectoryHandle,
  remote: RemoteModel,
  options: OpenKeptOptions,
): Promise<void> {
  try {
    const weights = await openFiles(folder, remote, options);
    await weights.dispose();
  } catch (error) {
    if (!isDamage(error) && !isPixelError(error, 'unknown-format') && !isPixelError(error, 'missing-part')) throw error;
    await removeKept(remote.key);
    throw new PixelError(error.code, `${error.message} What had arrived was removed.`, { cause: error });
  }
}

function openFiles(
  folder: FileSystemDirectoryHandle,
  { named, files }: RemoteModel,
  { signal }: OpenKeptOptions,
): Promise<WeightSource> {
  const open = async (url: string): Promise<ByteSource> => {
    const file = files.find((candidate) => candidate.display === url);
    if (!file) throw new PixelError('file-not-found', `${url} is not kept here.`);
    return openKeptSource(folder, file.name, file.display);
  };
  return open(named.display).then((source) => openWeights(source, { openSibling: open, signal }));
}

/** The lock keeps others away. */
async function mayWrite(): Promise<void> {}

/** Throws `storage-full` when the browser says that it has not so much room. */
async function checkQuota({ display }: RemoteFile, bytes: number): Promise<void> {
  const { quota, usage = 0 } = await navigator.storage.estimate();
  if (quota === undefined || bytes <= quota - usage) return;
  const gigabytes = (count: number): string => `${(count / 1e9).toFixed(2)} GB`;
  throw new PixelError(
    'storage-full',
    `${display} needs ${gigabytes(bytes)} in the browser's storage, which has ${gigabytes(Math.max(0, quota - usage))} left for this site: ` +
      'remove models that are no longer needed, or load this one without keeping it (`keep: false`).',
    { details: { need: bytes, have: quota - usage } },
  );
}

const DAMAGES = ['damaged-picture', 'bad-png', 'bad-manifest', 'bad-gguf', 'truncated', 'bad-metadata'] as const;

function isDamage(error: unknown): error is PixelError {
  return DAMAGES.some((code) => isPixelError(error, code));
}
