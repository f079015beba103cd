import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { toPictures } from '../src/pxi/testing.ts';
import { type CommandOutcome, type CommandSettings, runCommand } from './command-line.ts';
import { FileServer } from './file-server.ts';
import { tinyGguf } from './tiny-model.ts';

const root = mkdtempSync(join(tmpdir(), 'pixel-llm-pull-command-'));
after(() => rmSync(root, { recursive: true, force: true }));

const gguf = tinyGguf();
let picture: Uint8Array;
before(async () => {
  picture = (await toPictures(gguf)).get('model.pxi.png') ?? new Uint8Array(0);
});

let server: FileServer;
let cache: string;
beforeEach(async () => {
  server = await FileServer.start([
    ['tiny.pxi.png', picture],
    ['tiny.gguf', gguf],
  ]);
  cache = mkdtempSync(join(root, 'cache-'));
});
afterEach(() => server.close());

function pixelLlm(parameters: string[], settings: CommandSettings = {}): Promise<CommandOutcome> {
  return runCommand(parameters, { ...settings, covered: false, environment: { PIXEL_LLM_CACHE: cache } });
}

/** Resolves once so many bytes of a download are on the disk. */
async function untilArrived(name: string, bytes: number): Promise<void> {
  for (;;) {
    const folder = readdirSync(cache).find((item) => item.endsWith('.part'));
    const path = join(cache, folder ?? '', name);
    if (folder && existsSync(path) && statSync(path).size >= bytes) return;
    await sleep(10);
  }
}

/** Pulls from a server that falls silent, and sends the signal when half of it has arrived. */
async function interruptedPull(signal: NodeJS.Signals): Promise<CommandOutcome> {
  const half = Math.floor(picture.length / 2);
  server.misbehave = ({ number }) => (number === 0 ? { stallAfter: half } : undefined);
  let child: ChildProcess | undefined;
  const pulling = pixelLlm(['pull', server.url('tiny.pxi.png')], {
    onStart: (started) => {
      child = started;
    },
  });
  await untilArrived('tiny.pxi.png', half);
  child?.kill(signal);
  return pulling;
}

describe('pixel-llm pull', () => {
  test('goes on where it was after kill -9, without waiting for the dead', async () => {
    await interruptedPull('SIGKILL');
    const begun = performance.now();
    const { code, stdout, stderr } = await pixelLlm(['pull', server.url('tiny.pxi.png')]);
    assert.equal(code, 0, stderr);
    assert.deepEqual(readFileSync(stdout.trim()), Buffer.from(picture));
    assert.ok(Number(server.requests[1]?.start) >= Math.floor(picture.length / 2));
    assert.ok(performance.now() - begun < 10_000);
    assert.match(stderr, /tiny\.pxi\.png: \d+ kB, pulled in .* s and verified/);
  });

  test('says after Ctrl-C that what has arrived is kept', async () => {
    const { code, stdout, stderr } = await interruptedPull('SIGINT');
    assert.equal(code, 130, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, /^Stopped\. What has arrived is kept: the same command goes on from there\.$/m);
    assert.ok(readdirSync(cache).every((name) => name.endsWith('.part')));
  });

  test('lets one of two processes download and the other wait', async () => {
    server.misbehave = () => ({ trickle: 2000 });
    const url = server.url('tiny.gguf');
    const outcomes = await Promise.all([pixelLlm(['pull', url]), pixelLlm(['run', url, 'Once', '--max-tokens', '1'])]);
    for (const { code, stderr } of outcomes) assert.equal(code, 0, stderr);
    assert.equal(server.requests.length, 1);
    assert.deepEqual(readFileSync(outcomes[0].stdout.trim()), Buffer.from(gguf));
  });

  test('fails with one line: what the server does not have, what is no URL, where no cache can be', async () => {
    const missing = await pixelLlm(['pull', server.url('none.gguf')]);
    assert.deepEqual([missing.code, missing.stdout], [1, '']);
    assert.match(missing.stderr, /^pixel-llm: http.*none\.gguf: the server answered with status 404.*\n$/);
    const nonsense = await pixelLlm(['pull', 'model.gguf']);
    assert.equal(nonsense.code, 2);
    assert.match(nonsense.stderr, /^pixel-llm: This is no URL: give the http: or https: URL/);
    cache = 'here';
    const relative = await pixelLlm(['cache', 'list']);
    assert.equal(relative.code, 2);
    assert.match(relative.stderr, /PIXEL_LLM_CACHE must be an absolute path/);
  });
});

describe('A command that takes a URL', () => {
  test('pulls it once, if it needs all of it; then every command finds it in the cache', async () => {
    const url = server.url('tiny.pxi.png');
    const write = ['run', url, 'Once', '--max-tokens', '4', '--temperature', '0'];
    const first = await pixelLlm(write);
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stderr, /pulled in/);
    assert.equal(server.requests.length, 1);
    const second = await pixelLlm(write);
    assert.deepEqual([second.stdout, second.code], [first.stdout, 0]);
    assert.doesNotMatch(second.stderr, /pulled in/);
    const inspected = await pixelLlm(['inspect', url]);
    assert.equal(inspected.code, 0, inspected.stderr);
    assert.equal(server.requests.length, 1);
    const direct = await pixelLlm([...write, '--no-cache']);
    assert.deepEqual([direct.stdout, direct.code], [first.stdout, 0], direct.stderr);
    assert.ok(server.requests.length > 1);
  });

  test('reads on the server what it needs, if it needs but a part', async () => {
    const inspected = await pixelLlm(['inspect', server.url('tiny.pxi.png')]);
    assert.equal(inspected.code, 0, inspected.stderr);
    assert.ok(server.requests.length > 0);
    assert.deepEqual(readdirSync(cache), []);
  });
});

describe('pixel-llm cache', () => {
  test('lists models and unfinished downloads, and removes what it is told to', async () => {
    const empty = await pixelLlm(['cache', 'list']);
    assert.equal(empty.stdout, `${cache}: 0 models, 0 unfinished downloads, 0 bytes\n`);
    await interruptedPull('SIGKILL');
    server.misbehave = () => undefined;
    server.files.set('/old.gguf', gguf);
    const old = dirname((await pixelLlm(['pull', server.url('old.gguf')])).stdout.trim());
    await pixelLlm(['pull', server.url('tiny.gguf')]);
    const lastYear = new Date(Date.now() - 300 * 86_400_000);
    utimesSync(join(old, '.entry.json'), lastYear, lastYear);

    const { stdout } = await pixelLlm(['cache', 'list', '--json']);
    const { folder, models, parts } = JSON.parse(stdout);
    assert.equal(folder, cache);
    assert.deepEqual(
      models.map(({ name, url, byteLength }: Record<string, unknown>) => [name, url, byteLength]),
      [
        ['tiny.gguf', server.url('tiny.gguf'), gguf.length],
        ['old.gguf', server.url('old.gguf'), gguf.length],
      ],
    );
    assert.equal(models[1].lastUsed, lastYear.toISOString());
    assert.deepEqual([parts.length, parts[0].url, parts[0].isActive], [1, server.url('tiny.pxi.png'), false]);

    const nothing = await pixelLlm(['cache', 'clean']);
    assert.match(nothing.stdout, /^0 removed, 0 bytes freed; .* are left in/);
    const unknown = await pixelLlm(['cache', 'clean', 'nope.gguf']);
    assert.deepEqual([unknown.code, readdirSync(cache).length], [2, 3]);
    assert.match(unknown.stderr, /The cache has no nope\.gguf/);
    const byAge = await pixelLlm(['cache', 'clean', '--older-than', '30']);
    assert.match(byAge.stdout, /^removed old\.gguf .*\n1 removed, /);
    const byName = await pixelLlm(['cache', 'clean', 'tiny.gguf']);
    assert.match(byName.stdout, /^removed tiny\.gguf .*\n1 removed, /);
    const all = await pixelLlm(['cache', 'clean', '--all']);
    assert.match(all.stdout, /^removed \(unfinished\) .*tiny\.pxi\.png\n1 removed, .* freed; 0 bytes are left/);
    assert.deepEqual(readdirSync(cache), []);
  });
});
