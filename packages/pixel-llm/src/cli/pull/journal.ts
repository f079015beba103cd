/**
 * What is known of a download that is not finished, in a file beside its parts: from where, and which bytes the server said they
 * are. A part goes on only while the server says the same.
 */
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { fileError } from '../../core/node.ts';
import type { DownloadJournal, PartFacts } from '../../download/download-file.ts';
import type { RemoteModel } from '../../download/model-url.ts';

interface Journal {
  version: 1;
  key: string;
  /** For people. */
  url: string;
  parts: Record<string, PartFacts>;
}

const partSchema: z.ZodType<PartFacts> = z.object({
  size: z.int().nonnegative(),
  etag: z.string().optional(),
  lastModified: z.string().optional(),
  synced: z.int().nonnegative().optional(),
});

const journalSchema: z.ZodType<Journal> = z.object({
  version: z.literal(1),
  key: z.string(),
  url: z.string(),
  parts: z.record(z.string(), partSchema),
});

export const JOURNAL_NAME = '.journal.json';

export class JournalFile implements DownloadJournal {
  readonly #path: string;
  readonly #journal: Journal;

  private constructor(path: string, journal: Journal) {
    this.#path = path;
    this.#journal = journal;
  }

  /** The folder's journal. Parts of another model are removed. Throws `io`. */
  static async open(folder: string, { key, named }: RemoteModel): Promise<JournalFile> {
    const path = join(folder, JOURNAL_NAME);
    const found = await readJournal(path);
    if (found && found.key !== key) await clear(folder);
    const fresh: Journal = { version: 1, key, url: named.display, parts: {} };
    return new JournalFile(path, found?.key === key ? found : fresh);
  }

  part(name: string): PartFacts | undefined {
    return Object.hasOwn(this.#journal.parts, name) ? this.#journal.parts[name] : undefined;
  }

  async setPart(name: string, facts: PartFacts | undefined): Promise<void> {
    if (facts) this.#journal.parts[name] = facts;
    else delete this.#journal.parts[name];
    const aside = `${this.#path}.new`;
    try {
      await writeFile(aside, JSON.stringify(this.#journal));
      await rename(aside, this.#path);
    } catch (error) {
      throw fileError(error, this.#path);
    }
  }
}

/** From where the parts in a folder come; undefined without a readable journal. */
export async function journalUrl(folder: string): Promise<string | undefined> {
  return (await readJournal(join(folder, JOURNAL_NAME)))?.url;
}

async function clear(folder: string): Promise<void> {
  try {
    for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true, force: true });
  } catch (error) {
    throw fileError(error, folder);
  }
}

async function readJournal(path: string): Promise<Journal | undefined> {
  try {
    return journalSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}
