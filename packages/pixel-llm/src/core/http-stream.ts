/**
 * The body of a file on a server, from a byte on, as it arrives: what a download that goes on after a break is made of.
 * What the server says is checked (status, range, size, encoding), silence is noticed, and an error says whether to try again.
 */
import { PixelError, throwIfAborted } from './errors.ts';

export interface HttpStreamOptions {
  /** First byte asked for; default 0. */
  readonly start?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Without a byte for so long, the stream ends with a transient error. */
  readonly stallMilliseconds: number;
  readonly signal?: AbortSignal | undefined;
}

/** Which file it is: two answers with the same facts are about the same bytes. */
export interface HttpFileFacts {
  /** Of the whole file, in bytes. */
  readonly size: number;
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
}

export interface HttpStream {
  readonly facts: HttpFileFacts;
  /** Offset of the first byte that arrives: 0, whatever was asked for, when the server knows no ranges. */
  readonly start: number;
  /** The bytes up to the file's end. Throws `http` when they break off, stall, or are more than announced. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Leaves the rest; for when `chunks` is not read. */
  cancel(): Promise<void>;
}

/**
 * Asks for a file, following redirects. `name` stands for it in messages: the URL may hold what is nobody's business.
 * Throws `aborted` and `http`; `isTransient` tells whether the same request may succeed later.
 */
export async function openHttpStream(url: URL, name: string, options: HttpStreamOptions): Promise<HttpStream> {
  const { start = 0, signal, headers } = options;
  throwIfAborted(signal);
  const watch = new StallWatch(name, options);
  const range = start > 0 ? { range: `bytes=${start}-` } : {};
  const response = await watch.during(() =>
    fetch(url, {
      headers: { ...headers, ...range, 'accept-encoding': 'identity' },
      signal: watch.signal,
      // A browser's own cache would keep the file a second time, and make a range request of ours out of a whole one.
      cache: 'no-store',
    }),
  );
  try {
    const place = placeOf(response, start, name);
    const etag = response.headers.get('etag') ?? undefined;
    const lastModified = response.headers.get('last-modified') ?? undefined;
    const facts = { size: place.size, etag, lastModified };
    const chunks = chunksOf(response, place, name, watch);
    return { facts, start: place.start, chunks, cancel: () => cancel(response) };
  } catch (error) {
    await cancel(response);
    throw error;
  }
}

/** True when the server says that both are the same bytes. Without ETag and date nobody can know: false. */
export function isSameHttpFile(one: HttpFileFacts, other: HttpFileFacts): boolean {
  if (one.size !== other.size) return false;
  if (one.etag !== undefined || other.etag !== undefined) return one.etag === other.etag;
  return one.lastModified !== undefined && one.lastModified === other.lastModified;
}

/** True for an error of `openHttpStream` after which trying again makes sense. */
export function isTransient(error: unknown): error is PixelError {
  return error instanceof PixelError && error.code === 'http' && error.details.transient === true;
}

/** Statuses that a later try may turn into success. */
const TRANSIENT_STATUSES: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

interface Place {
  readonly start: number;
  readonly size: number;
}

/** Where the body's bytes belong. Throws `http` for a refusal or an answer that contradicts the question. */
function placeOf(response: Response, start: number, name: string): Place {
  const { status, headers } = response;
  if (status !== 200 && status !== 206) throw refusal(response, name);
  const encoding = headers.get('content-encoding') ?? 'identity';
  if (encoding !== 'identity') {
    throw new PixelError(
      'http',
      `${name}: the server sends it compressed (${encoding}), though that was not asked for.`,
    );
  }
  if (status === 206) return rangePlace(headers.get('content-range') ?? '', start, name);
  const length = headers.get('content-length') ?? '';
  if (!/^\d+$/.test(length) || !Number.isSafeInteger(Number(length))) {
    throw new PixelError('http', `${name}: the server does not say how large the file is.`);
  }
  return { start: 0, size: Number(length) };
}

function rangePlace(contentRange: string, start: number, name: string): Place {
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(contentRange) ?? [];
  const size = Number(total);
  // A server may send less than asked for; the rest is then asked for again.
  const isRest = start > 0 && Number(first) === start && Number(last) < size && Number.isSafeInteger(size);
  if (isRest) return { start, size };
  const asked = start > 0 ? `the bytes from ${start} on` : 'the whole file';
  throw new PixelError('http', `${name}: asked for ${asked}, the server answered with "${contentRange}".`, {
    details: { wrongRange: true },
  });
}

function refusal({ status, headers }: Response, name: string): PixelError {
  const transient = TRANSIENT_STATUSES.has(status);
  const retryAfter = Number(headers.get('retry-after') ?? Number.NaN);
  const details = { status, transient, ...(retryAfter >= 0 && { retryAfterSeconds: retryAfter }) };
  return new PixelError('http', `${name}: the server answered with status ${status}${MEANING[status] ?? ''}.`, {
    details,
  });
}

const MEANING: Readonly<Record<number, string>> = {
  401: ' (it wants to know who asks)',
  403: ' (it does not allow this)',
  404: ' (there is no such file)',
  416: ' (it does not have the bytes asked for)',
  429: ' (too many requests)',
};

async function* chunksOf(
  response: Response,
  { start, size }: Place,
  name: string,
  watch: StallWatch,
): AsyncGenerator<Uint8Array, void, void> {
  const reader = response.body?.getReader();
  let at = start;
  try {
    while (reader) {
      const { done, value } = await watch.during(() => reader.read());
      if (done) break;
      at += value.length;
      if (at > size) throw new PixelError('http', `${name}: the server sent more than the ${size} bytes it announced.`);
      yield value;
    }
    if (at < size) throw brokenOff(name, `it ended after ${at} of ${size} bytes`);
  } finally {
    await reader?.cancel().catch(() => {});
  }
}

function brokenOff(name: string, how: string, cause?: unknown): PixelError {
  return new PixelError('http', `${name} could not be read: ${how}.`, { cause, details: { transient: true } });
}

async function cancel(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {});
}

/** Waits for the server, but not for ever. Time that the receiver takes does not count. */
class StallWatch {
  readonly signal: AbortSignal;
  readonly #stall = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #milliseconds: number;
  readonly #name: string;

  constructor(name: string, { signal, stallMilliseconds }: HttpStreamOptions) {
    this.#name = name;
    this.#outer = signal;
    this.#milliseconds = stallMilliseconds;
    this.signal = signal ? AbortSignal.any([signal, this.#stall.signal]) : this.#stall.signal;
  }

  async during<Result>(wait: () => Promise<Result>): Promise<Result> {
    const timer = setTimeout(() => this.#stall.abort(), this.#milliseconds);
    try {
      return await wait();
    } catch (error) {
      throwIfAborted(this.#outer);
      if (this.#stall.signal.aborted) {
        throw brokenOff(this.#name, `nothing arrived for ${this.#milliseconds / 1000} s`, error);
      }
      throw brokenOff(this.#name, describe(error), error);
    } finally {
      clearTimeout(timer);
    }
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message || error.message : error.message;
}
