/** The part of a download in the browser's storage, and what is known of it. It stays when the page is closed. */
import * as z from 'zod';
import type { DownloadJournal, PartFacts, PartFile } from '../download/download-file.ts';
import { openSync, readText, type SyncAccessHandle, storageError, writeAll, writeFile } from './opfs-file.ts';

const READ_BYTES = 4 * 1024 * 1024;

export class KeptPart implements PartFile {
  readonly #name: string;
  readonly #handle: SyncAccessHandle;
  #length: number;

  private constructor(name: string, handle: SyncAccessHandle) {
    this.#name = name;
    this.#handle = handle;
    this.#length = handle.getSize();
  }

  /** Opens what is there, or begins a new file. Throws `io`, `storage-full`. */
  static async open(folder: FileSystemDirectoryHandle, name: string): Promise<KeptPart> {
    return new KeptPart(name, await openSync(folder, name, 'readwrite'));
  }

  get length(): number {
    return this.#length;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#try(() => writeAll(this.#handle, bytes, this.#length));
    this.#length += bytes.length;
  }

  async truncate(length: number): Promise<void> {
    this.#try(() => this.#handle.truncate(length));
    this.#length = length;
  }

  async sync(): Promise<void> {
    this.#try(() => this.#handle.flush());
  }

  async *read(): AsyncGenerator<Uint8Array, void, void> {
    for (let at = 0; at < this.#length; ) {
      const block = new Uint8Array(Math.min(READ_BYTES, this.#length - at));
      const count = this.#try(() => this.#handle.read(block, { at }));
      if (count === 0) return;
      at += count;
      yield block.subarray(0, count);
      // Messages, such as one that stops this, get their turn.
      await new Promise((resolve) => setTimeout(resolve));
    }
  }

  async close(): Promise<void> {
    this.#handle.close();
  }

  #try<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      throw storageError(error, this.#name);
    }
  }
}

const partSchema = z.object({
  size: z.int().nonnegative(),
  etag: z.string().optional(),
  lastModified: z.string().optional(),
  synced: z.int().nonnegative().optional(),
});

const journalSchema = z.object({ version: z.literal(1), url: z.string(), parts: z.record(z.string(), partSchema) });

export const JOURNAL_NAME = '.journal.json';

export class KeptJournal implements DownloadJournal {
  readonly #folder: FileSystemDirectoryHandle;
  readonly #url: string;
  readonly #parts: Record<string, PartFacts>;

  private constructor(folder: FileSystemDirectoryHandle, url: string, parts: Record<string, PartFacts>) {
    this.#folder = folder;
    this.#url = url;
    this.#parts = parts;
  }

  /** The folder's journal; one that cannot be read is a new one, and the download starts over. */
  static async open(folder: FileSystemDirectoryHandle, url: string): Promise<KeptJournal> {
    const found = parsed(await readText(folder, JOURNAL_NAME));
    return new KeptJournal(folder, url, found?.parts ?? {});
  }

  part(name: string): PartFacts | undefined {
    return Object.hasOwn(this.#parts, name) ? this.#parts[name] : undefined;
  }

  async setPart(name: string, facts: PartFacts | undefined): Promise<void> {
    if (facts) this.#parts[name] = facts;
    else delete this.#parts[name];
    const journal = { version: 1, url: this.#url, parts: this.#parts };
    await writeFile(this.#folder, JOURNAL_NAME, JSON.stringify(journal));
  }
}

/** From where the parts in a folder come; undefined without a readable journal. */
export async function journalUrl(folder: FileSystemDirectoryHandle): Promise<string | undefined> {
  return parsed(await readText(folder, JOURNAL_NAME))?.url;
}

function parsed(text: string | undefined): z.infer<typeof journalSchema> | undefined {
  try {
    return text === undefined ? undefined : journalSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
