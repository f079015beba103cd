/** A real HTTP server on the loopback that serves files from memory, and breaks off, lies, stalls or redirects when told to. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname } from 'node:path';

export interface ServedRequest {
  readonly path: string;
  readonly url: string;
  /** How many requests for this path came before. */
  readonly number: number;
  /** First byte asked for by a range; undefined without one. */
  readonly start: number | undefined;
  readonly authorization: string | undefined;
}

/** How an answer differs from an honest one. */
interface Misbehaviour {
  status?: number;
  headers?: Record<string, string>;
  /** Where to redirect to. */
  location?: string;
  /** null: none. */
  etag?: string | null;
  /** Served instead of the file, with its length. */
  bytes?: Uint8Array;
  ranges?: false;
  contentRange?: string;
  /** Closes the connection after so many bytes of the body. */
  breakAfter?: number;
  /** Sends no more after so many bytes of the body, and keeps the connection. */
  stallAfter?: number;
  /** Sends the body in pieces of so many bytes, one every few milliseconds. */
  trickle?: number;
  chunked?: true;
  /** Bytes sent after the body, or left out of it. */
  extra?: number;
}

export type Misbehave = (request: ServedRequest) => Misbehaviour | undefined;

export class FileServer {
  readonly files: Map<string, Uint8Array> = new Map();
  /** All requests so far. */
  readonly requests: ServedRequest[] = [];
  misbehave: Misbehave = () => undefined;
  /** Sent with every answer. */
  headers: Readonly<Record<string, string>> = {};
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  static async start(files: Iterable<readonly [string, Uint8Array]> = []): Promise<FileServer> {
    const server = new FileServer();
    for (const [name, bytes] of files) server.files.set(`/${name}`, bytes);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  url(name: string, credentials = ''): string {
    return `http://${credentials}127.0.0.1:${(this.#server.address() as AddressInfo).port}/${name}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(incoming: IncomingMessage, response: ServerResponse): void {
    const url = incoming.url ?? '/';
    const path = decodeURIComponent(url.replace(/\?.*/, ''));
    const number = this.requests.filter((request) => request.path === path).length;
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(incoming.headers.range ?? '') ?? [];
    const start = from === undefined ? undefined : Number(from);
    const end = to ? Number(to) + 1 : undefined;
    const request = { path, url, number, start, authorization: incoming.headers.authorization };
    this.requests.push(request);
    const how = this.misbehave(request) ?? {};
    for (const [name, value] of Object.entries(this.headers)) response.setHeader(name, value);
    response.setHeader('content-type', TYPES[extname(path)] ?? 'application/octet-stream');
    const file = how.bytes ?? this.files.get(path);
    if (how.location !== undefined) return void response.writeHead(302, { location: how.location }).end();
    if (how.status !== undefined || !file) return void response.writeHead(how.status ?? 404, how.headers).end('sorry');
    const range = start === undefined || how.ranges === false ? undefined : { start, end: end ?? file.length };
    serve(response, file, range, how);
  }
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
};

interface Range {
  start: number;
  end: number;
}

function serve(response: ServerResponse, file: Uint8Array, asked: Range | undefined, how: Misbehaviour): void {
  const { etag = '"one"' } = how;
  const tag: Record<string, string> = etag === null ? {} : { etag };
  if (asked && asked.start >= file.length) {
    response.writeHead(416, { 'content-range': `bytes */${file.length}` }).end();
    return;
  }
  const { extra = 0 } = how;
  const right = file.subarray(asked?.start, asked?.end);
  const body = extra > 0 ? Buffer.concat([right, new Uint8Array(extra)]) : right.subarray(0, right.length + extra);
  const range = how.contentRange ?? `bytes ${asked?.start}-${(asked?.end ?? 0) - 1}/${file.length}`;
  const place: Record<string, string> = asked ? { 'content-range': range } : {};
  const length: Record<string, string> = how.chunked ? {} : { 'content-length': String(body.length) };
  response.writeHead(asked ? 206 : 200, { ...tag, ...place, ...length, ...how.headers });
  const breakOff = () => response.destroy();
  const { breakAfter, stallAfter, trickle } = how;
  // Later, so that the client has seen the bytes: fetch drops what arrives together with an error.
  if (breakAfter !== undefined) response.write(body.subarray(0, breakAfter), () => setTimeout(breakOff, 20));
  else if (stallAfter !== undefined) response.write(body.subarray(0, stallAfter));
  else if (trickle !== undefined) sendSlowly(response, body, trickle);
  else response.end(body);
}

function sendSlowly(response: ServerResponse, body: Uint8Array, pieceBytes: number): void {
  let at = 0;
  const timer = setInterval(() => {
    response.write(body.subarray(at, at + pieceBytes));
    at += pieceBytes;
    if (at < body.length) return;
    clearInterval(timer);
    response.end();
  }, 5);
  response.on('close', () => clearInterval(timer));
}
