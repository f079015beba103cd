/**
 * The models a site keeps in the browser's storage: a folder each, named after its URL's hash. It is whole when its entry is there,
 * which is written last. Listing and removing work in a page, too.
 */
import * as z from 'zod';
import { PixelError } from '../core/errors.ts';
import type { PartFacts } from '../download/download-file.ts';
import { parseModelUrl, type RemoteModel } from '../download/model-url.ts';
import { JOURNAL_NAME, journalUrl } from './kept-part.ts';
import { readText, sizeOf, storageError, writeFile } from './opfs-file.ts';

/** A model in the browser's storage, or what has arrived of one. */
export interface KeptModel {
  /** The same for every file of a set. */
  readonly key: string;
  /** The file that the URL named. */
  readonly name: string;
  /** Without what was secret in it. */
  readonly url: string;
  readonly byteLength: number;
  /** False for a download that is not finished: `loadModel` goes on with it. */
  readonly isWhole: boolean;
  /** True while a page downloads or opens it. */
  readonly isActive: boolean;
  /** ISO 8601. */
  readonly lastUsed: string;
}

export interface CleanOptions {
  /** These models, by the URL they came from. */
  readonly urls?: readonly (string | URL)[] | undefined;
  /** These models, as `listKeptModels` names them. */
  readonly keys?: readonly string[] | undefined;
  /** What was not used for so many days. */
  readonly olderThanDays?: number | undefined;
  readonly all?: boolean | undefined;
}

const entrySchema = z.object({
  version: z.literal(1),
  name: z.string(),
  url: z.string(),
  files: z.array(
    z.object({
      name: z.string(),
      size: z.int().nonnegative(),
      etag: z.string().optional(),
      lastModified: z.string().optional(),
    }),
  ),
});

/** A file of a kept model, with what the server said of it. */
export interface KeptFile extends Omit<PartFacts, 'synced'> {
  readonly name: string;
}

const ENTRY_NAME = '.entry.json';
/** Written at each use, so that the entry itself is written once. */
const USED_NAME = '.used';
const FOLDER = 'pixel-llm';
const DAY_MILLISECONDS = 86_400_000;
const STALE_PART_DAYS = 7;

/** All models and unfinished downloads, the last used first. Empty where the browser keeps nothing. */
export async function listKeptModels(): Promise<readonly KeptModel[]> {
  const folder = await keptFolder();
  if (!folder) return [];
  const models: KeptModel[] = [];
  const active = await activeKeys();
  for await (const [key, handle] of entriesOf(folder)) {
    if (handle.kind === 'directory') models.push(await describe(key, handle as FileSystemDirectoryHandle, active));
  }
  return models.sort((one, other) => other.lastUsed.localeCompare(one.lastUsed));
}

/**
 * Removes models and gives what was removed; without options, downloads that nobody went on with for 7 days. What a page works on
 * stays. Throws `bad-argument`, `io`.
 */
export async function cleanKeptModels({
  urls,
  keys,
  olderThanDays,
  all = false,
}: CleanOptions = {}): Promise<readonly KeptModel[]> {
  const named = urls?.map((url) => parseModelUrl(new URL(url, globalThis.location?.href).href).key);
  const isChosen = ({ key, isWhole, lastUsed }: KeptModel): boolean => {
    if (keys ?? named) return keys?.includes(key) === true || named?.includes(key) === true;
    const days = olderThanDays ?? (isWhole ? undefined : STALE_PART_DAYS);
    return all || (days !== undefined && Date.now() - Date.parse(lastUsed) >= days * DAY_MILLISECONDS);
  };
  const chosen = (await listKeptModels()).filter((model) => !model.isActive && isChosen(model));
  for (const { key } of chosen) await removeKept(key);
  return chosen;
}

/** The folder of a model, made if need be. Throws `io`, `storage-full`. */
export async function openFolder(key: string): Promise<FileSystemDirectoryHandle> {
  try {
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER, { create: true });
    return await root.getDirectoryHandle(key, { create: true });
  } catch (error) {
    throw storageError(error, 'models');
  }
}

export async function removeKept(key: string): Promise<void> {
  try {
    await (await keptFolder())?.removeEntry(key, { recursive: true });
  } catch (error) {
    throw storageError(error, key);
  }
}

/** The model's files, if all of them are there in their full length; it counts as used now. */
export async function findKept(folder: FileSystemDirectoryHandle): Promise<readonly KeptFile[] | undefined> {
  const entry = await readEntry(folder);
  if (!entry) return undefined;
  for (const { name, size } of entry.files) if ((await sizeOf(folder, name)) !== size) return undefined;
  await markUsed(folder);
  return entry.files;
}

/** Declares the model whole. Throws `io`, `storage-full`. */
export async function writeEntry(
  folder: FileSystemDirectoryHandle,
  { named }: RemoteModel,
  files: readonly KeptFile[],
): Promise<void> {
  await markUsed(folder);
  const entry = { version: 1, name: named.name, url: named.display, files };
  await writeFile(folder, ENTRY_NAME, JSON.stringify(entry));
  await removeFile(folder, JOURNAL_NAME);
}

/** Declares it unfinished again. */
export async function removeEntry(folder: FileSystemDirectoryHandle): Promise<void> {
  await removeFile(folder, ENTRY_NAME);
}

/** One page at a time works on a model's files; the others wait. Throws `aborted`, and what the work throws. */
export async function withModelLock<Result>(
  key: string,
  { signal, onWait }: { readonly signal?: AbortSignal | undefined; readonly onWait: () => void },
  work: () => Promise<Result>,
): Promise<Result> {
  const { locks } = navigator;
  if (!locks) return work();
  if ((await activeKeys()).has(key)) onWait();
  try {
    return await locks.request(lockName(key), signal ? { signal } : {}, work);
  } catch (error) {
    if (signal?.aborted && !(error instanceof PixelError))
      throw new PixelError('aborted', 'Stopped.', { cause: error });
    throw error;
  }
}

async function markUsed(folder: FileSystemDirectoryHandle): Promise<void> {
  await writeFile(folder, USED_NAME, new Date().toISOString());
}

function lockName(key: string): string {
  return `pixel-llm ${key}`;
}

async function activeKeys(): Promise<ReadonlySet<string>> {
  const { held = [] } = (await navigator.locks?.query()) ?? {};
  return new Set(held.map(({ name = '' }) => name.slice(lockName('').length)));
}

async function keptFolder(): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    return await (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER);
  } catch {
    return undefined;
  }
}

async function describe(
  key: string,
  folder: FileSystemDirectoryHandle,
  active: ReadonlySet<string>,
): Promise<KeptModel> {
  const entry = await readEntry(folder);
  let byteLength = 0;
  let changed = 0;
  for await (const [name, handle] of entriesOf(folder)) {
    if (handle.kind !== 'file') continue;
    const file = await (handle as FileSystemFileHandle).getFile();
    changed = Math.max(changed, file.lastModified);
    if (!name.startsWith('.')) byteLength += file.size;
  }
  const url = entry?.url ?? (await journalUrl(folder)) ?? 'unknown';
  return {
    key,
    name: entry?.name ?? url.slice(url.lastIndexOf('/') + 1),
    url,
    byteLength,
    isWhole: entry !== undefined,
    isActive: active.has(key),
    lastUsed: new Date(changed).toISOString(),
  };
}

/** TypeScript knows the entries of folders in its newest libraries only. */
function entriesOf(folder: FileSystemDirectoryHandle): AsyncIterable<[string, FileSystemHandle]> {
  return (folder as unknown as { entries(): AsyncIterable<[string, FileSystemHandle]> }).entries();
}

async function readEntry(folder: FileSystemDirectoryHandle): Promise<z.infer<typeof entrySchema> | undefined> {
  try {
    return entrySchema.parse(JSON.parse((await readText(folder, ENTRY_NAME)) ?? ''));
  } catch {
    return undefined;
  }
}

async function removeFile(folder: FileSystemDirectoryHandle, name: string): Promise<void> {
  try {
    await folder.removeEntry(name);
  } catch (error) {
    const wrapped = storageError(error, name);
    if (wrapped.code !== 'file-not-found') throw wrapped;
  }
}
