/** Commands that are stopped in the middle of their work, as processes: by Ctrl-C, and by a kill that nothing can answer. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { gguf, noise } from '../src/gguf/testing.ts';
import { makeFile } from '../src/png/testing.ts';
import { smallModel, toPictures } from '../src/pxi/testing.ts';

const COMMAND = join(import.meta.dirname, '../bin/pixel-llm.js');
const OLD = 'what was there before';

let folder = '';
/** Answers ranges of the file, until so many outputs are begun: who asks then waits for ever, in the middle of the work. */
let server: Server;
let file: Uint8Array = new Uint8Array(0);
let stallsAt = 1;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pixel-llm-interrupted-'));
  server = createServer((request, response) => {
    const [, first = '', last = ''] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    if (readdirSync(folder).filter((name) => name.endsWith('.part')).length >= stallsAt) {
      return void server.emit('stalled');
    }
    const bytes = file.subarray(Number(first), Number(last) + 1);
    const range = `bytes ${first}-${Number(first) + bytes.length - 1}/${file.length}`;
    return void response.writeHead(206, { 'content-range': range }).end(bytes);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});
afterEach(async () => {
  for (const name of await readdir(folder)) await rm(join(folder, name));
});

/** Starts a command on the file, stops it when the server does, and returns its exit code. */
async function interrupt(parameters: readonly string[], signal: NodeJS.Signals): Promise<number | null> {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/input`;
  const child = spawn(process.execPath, [COMMAND, ...parameters.map((word) => (word === 'URL' ? url : word))], {
    cwd: folder,
    stdio: 'ignore',
  });
  const closed = once(child, 'close');
  await Promise.race([once(server, 'stalled'), closed]);
  child.kill(signal);
  const [code] = await closed;
  return code;
}

const model = gguf({}, smallModel());
const pictures = await toPictures(model);

for (const [what, parameters, input, output] of [
  ['fs put', ['fs', 'put', 'URL', 'out.png'], noise(9_000_000), 'out.png'],
  ['fs get', ['fs', 'get', 'URL', 'out.bin'], await makeFile(noise(12_000_000)), 'out.bin'],
  ['convert to a picture', ['convert', 'URL', 'out.pxi.png'], model, 'out.pxi.png'],
  ['convert to several', ['convert', 'URL', 'out.png', '--shard-size', '100kB'], model, 'out-00001-of-00004.png'],
  ['convert to GGUF', ['convert', 'URL', 'out.gguf'], [...pictures.values()][0], 'out.gguf'],
] as const) {
  describe(`Interrupted, ${what}`, () => {
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
      ['SIGKILL', null],
    ] as const) {
      test(`by ${signal} leaves the old file as it was, and nothing that looks like a new one`, async () => {
        file = input ?? file;
        stallsAt = what === 'convert to several' ? 3 : 1;
        await writeFile(join(folder, output), OLD);
        assert.equal(await interrupt(parameters, signal), code);
        assert.equal(await readFile(join(folder, output), 'utf8'), OLD);
        const others = (await readdir(folder)).filter((name) => name !== output);
        // Nothing can tidy up after a kill; what stays is hidden and named for what it is.
        assert.equal(others.length, signal === 'SIGKILL' ? stallsAt : 0, others.join());
        assert.ok(others.every((name) => /^\..*\.part$/.test(name)));
      });
    }
  });
}
