/**
 * A ByteSource over HTTP range requests: a model on any static host, read in pieces.
 * What the server says is checked: the status, the Content-Range, the length, and that the file did not change meanwhile.
 */
import { type ByteSource, checkRange, MemoryByteSource, type ReadOptions, totalLength } from './byte-source.ts';
import { PixelError } from './errors.ts';

export interface HttpByteSourceOptions {
  signal?: AbortSignal | undefined;
  /** Headers sent with every request, for example an authorization. */
  headers?: Readonly<Record<string, string>>;
}

/** Asks the server for the file's size by a small range. Throws `http`. */
export async function openHttpByteSource(
  url: string | URL,
  { signal, headers = {} }: HttpByteSourceOptions = {},
): Promise<ByteSource> {
  // Two bytes: a server in wide use takes "0-0" for the whole file.
  const first = await request(String(url), 0, 2, headers, signal);
  return new HttpByteSource(String(url), first.size, first.validator, headers);
}

class HttpByteSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #validator: string | undefined;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(url: string, size: number, validator: string | undefined, headers: Readonly<Record<string, string>>) {
    this.name = url;
    this.size = size;
    this.#validator = validator;
    this.#headers = headers;
  }

  async read(offset: number, targets: readonly Uint8Array[], { signal }: ReadOptions = {}): Promise<void> {
    const length = totalLength(targets);
    checkRange(this, offset, length);
    if (length === 0) return;
    const answer = await request(this.name, offset, length, this.#headers, signal);
    if (answer.size !== this.size || answer.validator !== this.#validator) {
      throw new PixelError('http', `${this.name} changed on the server while it was read: start again.`);
    }
    await new MemoryByteSource(answer.bytes, this.name).read(0, targets);
  }

  async dispose(): Promise<void> {}
}

interface RangeAnswer {
  bytes: Uint8Array;
  size: number;
  validator: string | undefined;
}

async function request(
  url: string,
  offset: number,
  length: number,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<RangeAnswer> {
  const range = `bytes=${offset}-${offset + length - 1}`;
  let response: Response;
  let bytes: Uint8Array;
  try {
    response = await fetch(url, {
      headers: { ...headers, range, 'accept-encoding': 'identity' },
      signal: signal ?? null,
    });
    if (response.status !== 206) {
      await response.body?.cancel();
      throw refusal(url, response.status);
    }
    bytes = await readAtMost(response, length, url);
  } catch (error) {
    if (error instanceof PixelError) throw error;
    if (signal?.aborted) throw new PixelError('aborted', 'Stopped.', { cause: error });
    throw new PixelError('http', `${url} could not be read: ${describe(error)}.`, { cause: error });
  }
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
  const size = Number(match?.[3]);
  if (
    !match ||
    Number(match[1]) !== offset ||
    bytes.length !== Math.min(length, size - offset) ||
    !Number.isSafeInteger(size)
  ) {
    throw new PixelError(
      'http',
      `${url} did not answer with the bytes asked for (${range}): the server handles ranges wrongly.`,
    );
  }
  return { bytes, size, validator: response.headers.get('etag') ?? response.headers.get('last-modified') ?? undefined };
}

/** A server that sends more than was asked must not fill memory. */
async function readAtMost(response: Response, length: number, url: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let filled = 0;
  for await (const chunk of response.body ?? []) {
    if (filled + chunk.length > length) {
      throw new PixelError('http', `${url} sent more bytes than were asked for.`);
    }
    bytes.set(chunk, filled);
    filled += chunk.length;
  }
  return bytes.subarray(0, filled);
}

function refusal(url: string, status: number): PixelError {
  const reason =
    status === 200
      ? 'the server does not support range requests; download the file first'
      : `the server answered with status ${status}`;
  return new PixelError('http', `${url}: ${reason}.`, { details: { status } });
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
