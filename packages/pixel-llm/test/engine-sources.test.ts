import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { isPixelError, loadModel, MemoryByteSource } from '../src/node.ts';
import { tinyGguf, tinyWeights } from './tiny-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'pixel-llm-sources-'));
const path = join(folder, 'tiny.gguf');
const file = tinyGguf();
let server: Server;
let address = '';

before(async () => {
  writeFileSync(path, file);
  server = createServer((request, response) => {
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    if (request.url !== '/tiny.gguf' || start === undefined) return void response.writeHead(404).end();
    const body = file.subarray(Number(start), Number(end) + 1);
    response.writeHead(206, { 'content-range': `bytes ${start}-${end}/${file.length}` }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const place = server.address();
  address = `http://127.0.0.1:${typeof place === 'object' ? place?.port : ''}/tiny.gguf`;
});
after(() => {
  rmSync(folder, { recursive: true, force: true });
  server.closeAllConnections();
  server.close();
});

describe('A model', () => {
  test('is the same from a path, a file URL, a server, a Blob, bytes, and open weights', async () => {
    const sources = [
      path,
      pathToFileURL(path),
      new URL(address),
      address,
      new Blob([file]),
      new MemoryByteSource(file),
      tinyWeights(),
    ];
    const texts = new Set<string>();
    for (const source of sources) {
      await using model = await loadModel(source, { device: 'reference' });
      const { tokens } = await model.createSession().generate('the cat', { seed: 5, maxTokens: 12 }).complete();
      texts.add(tokens.join());
    }
    assert.equal(texts.size, 1);
  });

  test('that is not there, or is no source at all, is a clear error', async () => {
    const fails = (source: Parameters<typeof loadModel>[0], code: string) =>
      assert.rejects(loadModel(source), (error) => isPixelError(error) && error.code === code);
    await fails(join(folder, 'nowhere.gguf'), 'file-not-found');
    await fails(`${address}x`, 'http');
    await fails(new URL(`${address}x`), 'http');
    await fails(new Blob(['neither']), 'unknown-format');
    await fails(17 as never, 'bad-argument');
  });

  test('closes what it opened, whether loading goes well or not, but leaves weights that were given to it open', async () => {
    const source = new MemoryByteSource(file);
    let closed = 0;
    const counted = Object.assign(source, { dispose: async () => void closed++ });
    await (await loadModel(counted, { device: 'reference' })).dispose();
    assert.equal(closed, 1);
    await assert.rejects(loadModel(counted, { device: 'reference', availableMemory: () => 0 }));
    assert.equal(closed, 2);

    const weights = tinyWeights();
    await (await loadModel(weights, { device: 'reference' })).dispose();
    assert.equal(weights.disposed, 0);
  });
});
