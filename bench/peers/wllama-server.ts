/**
 * A server for one page and one model on this machine. The two headers make the page isolated, without which browsers give it no
 * SharedArrayBuffer and so no threads.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { extname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';

const PAGE = '<!doctype html><title>wllama</title><script type="module" src="/page.js"></script>';
const FILES: Readonly<Record<string, string>> = {
  '/page.js': './wllama-page.js',
  '/wllama/index.js': './node_modules/@wllama/wllama/esm/index.js',
  '/wllama/wasm/wllama.wasm': './node_modules/@wllama/wllama/esm/wasm/wllama.wasm',
};
const TYPES: Readonly<Record<string, string>> = { '.js': 'text/javascript', '.wasm': 'application/wasm' };

/** Serves the page, what it needs, and the model, on a port of the system's choice. */
export async function serveWllama(modelPath: string): Promise<{ server: Server; url: string }> {
  const server = createServer(async (request, response) => {
    response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
    response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    const path = request.url === '/model.gguf' ? modelPath : fileOf(request.url ?? '/');
    if (request.url === '/') response.setHeader('Content-Type', 'text/html').end(PAGE);
    else if (path === undefined) response.writeHead(404).end();
    else {
      response.setHeader('Content-Type', TYPES[extname(path)] ?? 'application/octet-stream');
      response.setHeader('Content-Length', (await stat(path)).size);
      // A page that goes away in the middle of a file is no failure.
      await pipeline(createReadStream(path), response).catch(() => {});
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  return { server, url: `http://127.0.0.1:${address.port}/` };
}

function fileOf(url: string): string | undefined {
  const file = FILES[url];
  return file === undefined ? undefined : fileURLToPath(new URL(file, import.meta.url));
}
