/**
 * The folder where pulled models are kept. Each has a folder of its own, named after its URL's hash, which is there only when the
 * model is whole and verified: it was made under another name (`.part`) and renamed.
 */
import { readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import * as z from 'zod';
import { PixelError } from '../../core/errors.ts';
import { fileError } from '../../core/node.ts';
import type { RemoteModel } from '../../download/model-url.ts';
import { JOURNAL_NAME, journalUrl } from './journal.ts';
import { isLeased, removeDeadLease } from './lease.ts';

interface Entry {
  version: 1;
  /** The file the URL named. */
  name: string;
  /** For people: without what was secret in it. */
  url: string;
  files: { name: string; byteLength: number }[];
  /** ISO 8601. */
  pulledAt: string;
}

const entrySchema: z.ZodType<Entry> = z.object({
  version: z.literal(1),
  name: z.string(),
  url: z.string(),
  files: z.array(z.object({ name: z.string(), byteLength: z.int().nonnegative() })).min(1),
  pulledAt: z.iso.datetime(),
});

/** A model in the cache. */
export interface CachedModel extends Omit<Entry, 'version'> {
  readonly key: string;
  readonly folder: string;
  readonly byteLength: number;
  /** ISO 8601. */
  readonly lastUsed: string;
}

/** A download that is not finished. */
export interface CachedPart {
  readonly key: string;
  readonly folder: string;
  readonly url: string;
  readonly byteLength: number;
  /** ISO 8601: when something was last written to it. */
  readonly lastUsed: string;
  /** True while a process works on it. */
  readonly isActive: boolean;
}

/** Begins with a dot, as no model's file does. */
const ENTRY_NAME = '.entry.json';
const KEY = /^[0-9a-f]{16}$/;

/** Where the cache is: PIXEL_LLM_CACHE, or where the system keeps such things. Throws `bad-argument`. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env, platform: string = process.platform): string {
  const { PIXEL_LLM_CACHE: own, XDG_CACHE_HOME: xdg, LOCALAPPDATA: local } = environment;
  if (own !== undefined && own !== '') {
    if (isAbsolute(own)) return own;
    throw new PixelError('bad-argument', `PIXEL_LLM_CACHE must be an absolute path, but is "${own}".`);
  }
  if (platform === 'win32') return join(local ?? join(homedir(), 'AppData', 'Local'), 'pixel-llm', 'Cache');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'pixel-llm');
  // The XDG specification: a relative path there is to be ignored.
  return join(xdg && isAbsolute(xdg) ? xdg : join(homedir(), '.cache'), 'pixel-llm');
}

/** The places of a model in the cache. */
export function cachePlaces(cache: string, key: string): { folder: string; part: string; lease: string } {
  const folder = join(cache, key);
  return { folder, part: `${folder}.part`, lease: `${folder}.lock` };
}

/** The model, if the cache has all of its files in their full length. */
export async function findCached(cache: string, { key }: RemoteModel): Promise<CachedModel | undefined> {
  const model = await readEntry(cache, key);
  if (!model) return undefined;
  for (const { name, byteLength } of model.files) {
    const facts = await stat(join(model.folder, name)).catch(() => undefined);
    if (!facts?.isFile() || facts.size !== byteLength) return undefined;
  }
  return model;
}

/** Remembers that the model was used now. */
export async function markUsed({ folder }: CachedModel): Promise<void> {
  const now = new Date();
  // A cache that may only be read serves as well.
  await utimes(join(folder, ENTRY_NAME), now, now).catch(() => {});
}

/** Makes the folder of a verified download the model's folder in the cache. Throws `io`. */
export async function addToCache(
  cache: string,
  { key, named }: RemoteModel,
  files: Entry['files'],
): Promise<CachedModel> {
  const { folder, part } = cachePlaces(cache, key);
  const entry: Entry = { version: 1, name: named.name, url: named.display, files, pulledAt: new Date().toISOString() };
  try {
    await writeFile(join(part, ENTRY_NAME), JSON.stringify(entry));
    await rm(join(part, JOURNAL_NAME), { force: true });
    await removeFolder(folder);
    await rename(part, folder);
  } catch (error) {
    throw fileError(error, part);
  }
  const { version: _, ...facts } = entry;
  return { ...facts, key, folder, byteLength: totalOf(files), lastUsed: entry.pulledAt };
}

/** All models and unfinished downloads, the last used first. A cache that does not exist is empty. */
export async function listCache(cache: string): Promise<{ models: CachedModel[]; parts: CachedPart[] }> {
  const names = await readdir(cache).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw fileError(error, cache);
  });
  const models = await Promise.all(names.filter((name) => KEY.test(name)).map((key) => readEntry(cache, key)));
  const keys = names.filter((name) => name.endsWith('.part')).map((name) => name.slice(0, -'.part'.length));
  const parts = await Promise.all(keys.filter((key) => KEY.test(key)).map((key) => readPart(cache, key)));
  return { models: models.filter((model) => model !== undefined).sort(byUse), parts: parts.sort(byUse) };
}

/** Removes a folder of the cache so that nobody ever sees half of it. */
export async function removeFolder(folder: string): Promise<void> {
  const aside = `${folder}.${process.pid}.gone`;
  try {
    await rename(folder, aside);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw fileError(error, folder);
  }
  await rm(aside, { recursive: true, force: true });
}

/** Removes what interrupted removals and killed processes left. */
export async function removeLeftovers(cache: string): Promise<void> {
  const names = await readdir(cache).catch(() => []);
  const gone = names.filter((name) => /^[0-9a-f]{16}(?:\.part)?\.\d+\.gone$/.test(name));
  await Promise.all(gone.map((name) => rm(join(cache, name), { recursive: true, force: true })));
  const leases = names.filter((name) => /^[0-9a-f]{16}\.lock$/.test(name));
  await Promise.all(leases.map((name) => removeDeadLease(join(cache, name))));
}

async function readEntry(cache: string, key: string): Promise<CachedModel | undefined> {
  const { folder } = cachePlaces(cache, key);
  const path = join(folder, ENTRY_NAME);
  try {
    const { version: _, ...entry } = entrySchema.parse(JSON.parse(await readFile(path, 'utf8')));
    const lastUsed = (await stat(path)).mtime.toISOString();
    return { ...entry, key, folder, byteLength: totalOf(entry.files), lastUsed };
  } catch {
    return undefined;
  }
}

async function readPart(cache: string, key: string): Promise<CachedPart> {
  const { part: folder, lease } = cachePlaces(cache, key);
  const names = await readdir(folder).catch(() => []);
  const facts = await Promise.all(names.map((name) => stat(join(folder, name)).catch(() => undefined)));
  return {
    key,
    folder,
    url: (await journalUrl(folder)) ?? 'unknown',
    byteLength: facts.reduce((sum, file) => sum + (file?.size ?? 0), 0),
    lastUsed: new Date(Math.max(0, ...facts.map((file) => file?.mtimeMs ?? 0))).toISOString(),
    isActive: await isLeased(lease),
  };
}

function totalOf(files: Entry['files']): number {
  return files.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

function byUse(one: { lastUsed: string }, other: { lastUsed: string }): number {
  return other.lastUsed.localeCompare(one.lastUsed);
}
