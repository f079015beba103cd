/**
 * Downloads one file into a part that outlives the process or page: goes on where it broke off if the server still has the same
 * file, tries again when the server fails, and lets no wrong line of a picture pass. Where parts are kept is the caller's: files
 * (cli/pull/) or a browser's storage (browser/).
 */
import { isPixelError, PixelError, throwIfAborted } from '../core/errors.ts';
import {
  type HttpFileFacts,
  type HttpStream,
  isSameHttpFile,
  isTransient,
  openHttpStream,
} from '../core/http-stream.ts';
import type { WorkOptions } from '../core/progress.ts';
import { Arrival } from './arrival.ts';
import type { RemoteFile } from './model-url.ts';

export interface RetryOptions {
  /** Without a byte for so long, the connection counts as broken. Default 30,000. */
  readonly stallMilliseconds?: number | undefined;
  /** Failures in a row, without a byte gained, after which it gives up. Default 5. */
  readonly retries?: number | undefined;
  /** Wait before the second try; twice as long each time after. Default 500. */
  readonly retryMilliseconds?: number | undefined;
  /** Hears of what was in the way and is tried again, a sentence each. */
  readonly onNote?: ((sentence: string) => void) | undefined;
}

export interface DownloadOptions extends RetryOptions, WorkOptions {
  readonly headers: Readonly<Record<string, string>>;
  /** What the progress is called. */
  readonly phase: string;
  /** Called before each write: throws when this process must not write any more. */
  readonly mayWrite: () => Promise<void>;
}

/** A file that grows while it is downloaded and may be cut back: what is written stays there when the process ends. */
export interface PartFile {
  readonly length: number;
  /** Appends. Throws `io`, and `storage-full` where it is known that room is what lacks. */
  write(bytes: Uint8Array): Promise<void>;
  truncate(length: number): Promise<void>;
  /** What has been written survives a crash of the system once this resolves. */
  sync(): Promise<void>;
  read(): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** What the server said of a file. */
export interface PartFacts extends HttpFileFacts {
  /** Bytes that are safely on the disk, for files whose bytes cannot be checked. */
  readonly synced?: number | undefined;
}

/** What is known of the parts of one model. */
export interface DownloadJournal {
  part(name: string): PartFacts | undefined;
  /** Resolves when it is written. Throws `io`. */
  setPart(name: string, facts: PartFacts | undefined): Promise<void>;
}

/** Where a download is kept until it is whole. The part is closed in any case. */
export interface DownloadPlace {
  readonly part: PartFile;
  readonly journal: DownloadJournal;
  /** Throws when there is no room for so many bytes more, as far as that can be known. */
  checkSpace(bytes: number): Promise<void>;
}

/**
 * Completes the file in its part; gives its size. Throws `http`, `damaged-picture` (naming the line), `bad-png`, `truncated`,
 * `unknown-format`, `io`, `aborted`. What has arrived stays for another call, except of a file that is no whole model on the server either.
 */
export async function downloadFile(
  remote: RemoteFile,
  place: DownloadPlace,
  options: DownloadOptions,
): Promise<number> {
  const download = new FileDownload(remote, place, options);
  try {
    return await download.run();
  } finally {
    await download.close();
  }
}

/** GGUF bytes are made safe so often: as many are lost at most when the system crashes. */
const SYNC_BYTES = 64 * 1024 * 1024;
const MOST_WAIT_MILLISECONDS = 30_000;
/** A line that arrives wrong is asked for so often: the fault may lie on the way. */
const MOST_DAMAGES = 3;

class FileDownload {
  readonly #remote: RemoteFile;
  readonly #part: PartFile;
  readonly #place: DownloadPlace;
  readonly #options: DownloadOptions;
  #facts: PartFacts | undefined;
  #arrival: Arrival | undefined;
  /** The most bytes there ever were: more is progress. */
  #furthest = 0;
  /** How often the bytes from there on arrived damaged. */
  #damages = 0;
  #damagedAt = -1;

  constructor(remote: RemoteFile, place: DownloadPlace, options: DownloadOptions) {
    this.#remote = remote;
    this.#place = place;
    this.#part = place.part;
    this.#options = options;
    this.#facts = place.journal.part(remote.name);
  }

  async run(): Promise<number> {
    const { retries = 5 } = this.#options;
    await this.#takeUp();
    for (let failures = 0; ; ) {
      const before = this.#furthest;
      try {
        return await this.#attempt();
      } catch (error) {
        if (!(await this.#mayRetry(error))) throw error;
        failures = this.#furthest > before ? 1 : failures + 1;
        if (failures > retries) throw gaveUp(error, failures);
        await this.#wait(error, failures);
      }
    }
  }

  async close(): Promise<void> {
    try {
      if (this.#facts && this.#arrival?.isChecked === false) await this.#sync();
    } finally {
      await this.#part.close();
    }
  }

  /** Believes of an earlier part what its own checksums prove, or, where there are none, what was surely written. */
  async #takeUp(): Promise<void> {
    if (!this.#facts) return this.#startOver();
    if (this.#part.length > this.#facts.size) await this.#part.truncate(this.#facts.size);
    const arrival = new Arrival(this.#remote.display, this.#facts.size);
    this.#arrival = arrival;
    const { signal, onProgress } = this.#options;
    let done = 0;
    try {
      for await (const block of this.#part.read()) {
        throwIfAborted(signal);
        await arrival.push(block);
        done += block.length;
        onProgress?.({ phase: 'checking what is there', done, total: this.#part.length, unit: 'bytes' });
      }
      if (!arrival.isChecked) return await this.#trustSynced();
    } catch (error) {
      if (isPixelError(error, 'aborted') || isPixelError(error, 'io')) throw error;
      await this.#part.truncate(arrival.rewind());
    }
    this.#furthest = this.#part.length;
  }

  async #trustSynced(): Promise<void> {
    const synced = this.#facts?.synced ?? 0;
    if (synced === 0) return this.#startOver();
    if (this.#part.length > synced) await this.#part.truncate(synced);
    this.#furthest = this.#part.length;
  }

  async #startOver(): Promise<void> {
    if (this.#part.length > 0) await this.#part.truncate(0);
    this.#arrival = undefined;
    this.#facts = undefined;
  }

  async #attempt(): Promise<number> {
    if (this.#facts && this.#part.length === this.#facts.size) return this.#complete(this.#facts.size);
    const stream = await this.#open();
    await this.#begin(stream);
    for await (const chunk of stream.chunks) {
      await this.#options.mayWrite();
      await this.#part.write(chunk);
      await this.#arrival?.push(chunk);
      this.#furthest = Math.max(this.#furthest, this.#part.length);
      this.#report(stream.facts.size);
      if (this.#arrival?.isChecked === false && this.#part.length - (this.#facts?.synced ?? 0) >= SYNC_BYTES) {
        await this.#sync();
      }
    }
    return this.#complete(stream.facts.size);
  }

  async #complete(size: number): Promise<number> {
    this.#report(size);
    this.#arrival?.finish();
    await this.#part.sync();
    return size;
  }

  /** The rest of the file; all of it, if the server has another one now or sends no parts. */
  async #open(): Promise<HttpStream> {
    const { url, display } = this.#remote;
    const { headers, signal, stallMilliseconds = 30_000 } = this.#options;
    const request = { headers, signal, stallMilliseconds };
    // A server that says nothing of its file's version could have changed it: then nothing is added to a part.
    const hasVersion = this.#facts && isSameHttpFile(this.#facts, this.#facts);
    const start = hasVersion ? this.#part.length : 0;
    if (start === 0) return openHttpStream(url, display, request);
    try {
      const stream = await openHttpStream(url, display, { ...request, start });
      const isRest = stream.start === start && this.#facts && isSameHttpFile(stream.facts, this.#facts);
      if (isRest || stream.start === 0) return stream;
      await stream.cancel();
    } catch (error) {
      const isRefused =
        isPixelError(error, 'http') && (error.details.status === 416 || error.details.wrongRange === true);
      if (!isRefused) throw error;
    }
    this.#options.onNote?.(`${display} changed on the server: it is pulled from the start.`);
    return openHttpStream(url, display, request);
  }

  async #begin({ start, facts }: HttpStream): Promise<void> {
    if (start === 0) {
      await this.#startOver();
      await this.#place.checkSpace(facts.size);
      this.#facts = facts;
      this.#arrival = new Arrival(this.#remote.display, facts.size);
      await this.#place.journal.setPart(this.#remote.name, facts);
    } else await this.#place.checkSpace(facts.size - start);
  }

  async #sync(): Promise<void> {
    if (!this.#facts) return;
    await this.#part.sync();
    this.#facts = { ...this.#facts, synced: this.#part.length };
    await this.#place.journal.setPart(this.#remote.name, this.#facts);
  }

  /** Leaves the part as it must be to go on from, now or later. */
  async #mayRetry(error: unknown): Promise<boolean> {
    if (isTransient(error)) return this.#furthest > 0 || !isHopeless(error);
    if (isPixelError(error, 'damaged-picture') || isPixelError(error, 'bad-png')) {
      return this.#dropDamage();
    }
    // All of it has arrived, or enough to know: going on would lead to the same.
    if (isPixelError(error, 'unknown-format') || isPixelError(error, 'truncated')) {
      await this.#startOver();
      await this.#place.journal.setPart(this.#remote.name, undefined);
    }
    return false;
  }

  /** False when the same place arrived damaged too often. */
  async #dropDamage(): Promise<boolean> {
    const right = this.#arrival?.rewind() ?? 0;
    await this.#part.truncate(right);
    this.#damages = right === this.#damagedAt ? this.#damages + 1 : 1;
    this.#damagedAt = right;
    return this.#damages < MOST_DAMAGES;
  }

  async #wait(error: unknown, failures: number): Promise<void> {
    const { retryMilliseconds = 500, signal, onNote } = this.#options;
    const asked = isPixelError(error) ? Number(error.details.retryAfterSeconds ?? 0) * 1000 : 0;
    const wait = Math.min(MOST_WAIT_MILLISECONDS, Math.max(asked, retryMilliseconds * 2 ** (failures - 1)));
    const sentence = error instanceof Error ? error.message : String(error);
    onNote?.(`${sentence} Trying again in ${wait / 1000} s.`);
    await pause(wait, signal);
    throwIfAborted(signal);
  }

  #report(size: number): void {
    const { onProgress, phase } = this.#options;
    onProgress?.({ phase, done: this.#part.length, total: size, unit: 'bytes' });
  }
}

/** Names that cannot be found are not found later either. (Once bytes came, it is the network that is gone.) */
function isHopeless(error: PixelError): boolean {
  const cause = error.cause instanceof Error ? error.cause.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOTFOUND';
}

function gaveUp(error: unknown, failures: number): unknown {
  if (!(error instanceof PixelError)) return error;
  const message = `${error.message} It failed ${failures} times in a row; the same command goes on from where it is.`;
  return new PixelError(error.code, message, { cause: error, details: error.details });
}

/** Waits, but not when the signal has fired. */
function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, signal?.aborted ? 0 : milliseconds);
    signal?.addEventListener('abort', end);
  });
}
