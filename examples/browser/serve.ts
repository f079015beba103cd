/**
 * `npm run example:browser [-- MODEL.pxi.png]`: serves the page with the two headers under which browsers give it threads, on this machine
 * only. Without a model of yours, a small random one is made: what it writes is noise.
 */
import { spawnSync } from 'node:child_process';
import { createReadStream, existsSync, mkdirSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '../..');
const bundle = join(root, 'packages/pixel-llm/dist/bundle');

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
  '.png': 'image/png',
};

/** Serves the page, the library as `pixel-llm/`, and the folder of the model as `models/`. */
export function createExampleServer(modelFolder: string): Server {
  return createServer((request, response) => {
    answer(request, response, modelFolder).catch(() => response.destroy());
  });
}

async function answer(request: IncomingMessage, response: ServerResponse, modelFolder: string): Promise<void> {
  response.setHeader('cross-origin-opener-policy', 'same-origin');
  response.setHeader('cross-origin-embedder-policy', 'require-corp');
  const path = placeOf(request.url ?? '/', modelFolder);
  const facts = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false });
  if (!path || !facts?.isFile()) return void response.writeHead(404).end('There is no such file.');
  response.setHeader('content-type', TYPES[extname(path)] ?? 'application/octet-stream');
  response.setHeader('etag', `"${facts.size}-${facts.mtimeMs}"`);
  response.setHeader('accept-ranges', 'bytes');
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  const [start, end] = [Number(from ?? 0), Math.min(facts.size, to ? Number(to) + 1 : facts.size)];
  if (start >= end && facts.size > 0) {
    return void response.writeHead(416, { 'content-range': `bytes */${facts.size}` }).end();
  }
  response.setHeader('content-length', end - start);
  if (from !== undefined) response.setHeader('content-range', `bytes ${start}-${end - 1}/${facts.size}`);
  response.writeHead(from === undefined ? 200 : 206);
  if (request.method === 'HEAD' || facts.size === 0) return void response.end();
  await pipeline(createReadStream(path, { start, end: end - 1 }), response);
}

/** Only names of files in the three folders: no path leads out of them. */
function placeOf(url: string, modelFolder: string): string | undefined {
  const found = /^\/(pixel-llm\/|models\/)?([^/\\]*)$/.exec(decoded(url.replace(/[?#].*/, '')));
  if (!found) return undefined;
  const [, folder = '', name = ''] = found;
  if (name.startsWith('..')) return undefined;
  if (folder === 'pixel-llm/') return join(bundle, name);
  if (folder === 'models/') return join(modelFolder, name);
  return join(import.meta.dirname, name === '' ? 'index.html' : name);
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return '';
  }
}

function makeModel(): string {
  const [gguf, picture] = [join(root, 'demo/example.gguf'), join(root, 'demo/example.pxi.png')];
  if (existsSync(picture)) return picture;
  console.log('Making a small model with random weights: what it writes is noise.');
  mkdirSync(join(root, 'demo'), { recursive: true });
  const command = join(root, 'packages/pixel-llm/bin/pixel-llm.js');
  for (const words of [
    ['make-model', '--shape', 'toy', '--type', 'Q8_0', '--seed', '1', gguf],
    ['convert', gguf, picture],
  ]) {
    const { status } = spawnSync(process.execPath, [command, ...words], { stdio: 'inherit' });
    if (status !== 0) process.exit(status ?? 1);
  }
  return picture;
}

function main(): void {
  const given = process.argv[2];
  const model = given === undefined ? makeModel() : resolve(process.env.INIT_CWD ?? '.', given);
  if (!existsSync(model) || !existsSync(bundle)) {
    console.error(existsSync(model) ? 'The library is not built: npm run build' : `${given} does not exist.`);
    process.exit(2);
  }
  const server = createExampleServer(dirname(model));
  server.on('error', (error) => {
    console.error(`The page cannot be served: ${error.message}. PORT=0 takes any free port.`);
    process.exit(1);
  });
  server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () => {
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const name = encodeURIComponent(basename(model));
    console.log(`Open http://localhost:${port}/?model=models/${name}    (Ctrl-C ends it)`);
  });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) main();
