import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import {
  findCachedPath,
  type PulledModel,
  type PullOptions,
  pullToCache,
  pullToFile,
} from '../src/cli/pull/pull-model.ts';
import { isPixelError, type PixelError, type PixelErrorCode } from '../src/core/errors.ts';
import { adler32 } from '../src/core/hashing.ts';
import type { MetadataValue } from '../src/gguf/head.ts';
import { gguf as ggufOf, tensorOf } from '../src/gguf/testing.ts';
import { RECORD_HEAD, recordStride } from '../src/png/line-record.ts';
import { encodeTail } from '../src/png/picture-frame.ts';
import { makeFile } from '../src/png/testing.ts';
import { oddGguf, smallModel, toPictures } from '../src/pxi/testing.ts';
import { FileServer, type ServedRequest } from './file-server.ts';

const root = mkdtempSync(join(tmpdir(), 'pixel-llm-pull-'));
after(() => rmSync(root, { recursive: true, force: true }));

const gguf = oddGguf(smallModel());
let picture: Uint8Array;
let set: Map<string, Uint8Array>;
before(async () => {
  picture = (await toPictures(gguf)).get('model.pxi.png') ?? new Uint8Array(0);
  set = await toPictures(gguf, { shardSize: 120_000 });
});

let server: FileServer;
let cache: string;
beforeEach(async () => {
  server = await FileServer.start([['model.pxi.png', picture], ['model.gguf', gguf], ...set]);
  cache = mkdtempSync(join(root, 'cache-'));
});
afterEach(() => server.close());

function pull(name: string, options: Partial<PullOptions> = {}): Promise<PulledModel> {
  return pullToCache(server.url(name), { cache, retryMilliseconds: 1, stallMilliseconds: 5000, ...options });
}

/** What each request asked for: the first byte, or "all". */
function asked(): (number | 'all')[] {
  return server.requests.map(({ start }) => start ?? 'all');
}

function fails(code: PixelErrorCode, says: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isPixelError(error, code), String(error));
    assert.match(error.message, says);
    return true;
  };
}

/** The one part file of the cache. */
function partPath(name: string): string {
  const folder = readdirSync(cache).find((item) => item.endsWith('.part')) ?? 'none';
  return join(cache, folder, name);
}

/** The file with one sample of a line's pixels changed. */
function damaged(bytes: Uint8Array, line: number): Uint8Array {
  const copy = bytes.slice();
  const at = bytes.length - 33 - (229 - line) * recordStride(256) + 500;
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

const first = (misbehaviour: object) => (request: ServedRequest) => (request.number === 0 ? misbehaviour : undefined);

describe('Pulling a model', { timeout: 60_000 }, () => {
  test('puts the file into the cache, byte for byte, and the next call finds it without asking', async () => {
    const pulled = await pull('model.pxi.png');
    assert.ok(pulled.isNew);
    assert.equal(basename(pulled.path), 'model.pxi.png');
    assert.deepEqual(readFileSync(pulled.path), Buffer.from(picture));
    const again = await pull('model.pxi.png');
    assert.deepEqual([again.path, again.isNew, asked()], [pulled.path, false, ['all']]);
    assert.equal(readdirSync(cache).length, 1);
    truncateSync(pulled.path, 1000);
    assert.equal(await findCachedPath(server.url('model.pxi.png'), cache), undefined);
    assert.deepEqual(readFileSync((await pull('model.pxi.png')).path), Buffer.from(picture));
  });

  for (const [kind, part] of [
    ['pictures', 'model-00002-of-00003.pxi.png'],
    ['GGUF files', 'split-00002-of-00002.gguf'],
  ] as const) {
    test(`gets a whole set of ${kind}, whichever part names it`, async () => {
      for (const number of [1, 2]) server.files.set(`/split-0000${number}-of-00002.gguf`, splitPart(number));
      const { path, files } = await pull(part);
      assert.equal(basename(path), part);
      assert.equal(files.length, kind === 'pictures' ? 3 : 2);
      for (const file of files) {
        assert.deepEqual(readFileSync(file), Buffer.from(server.files.get(`/${basename(file)}`) ?? []));
      }
      assert.equal((await pull(part.replace('00002-of', '00001-of'))).isNew, false);
    });
  }

  test('says which file of a set the server does not have', async () => {
    server.files.delete('/model-00003-of-00003.pxi.png');
    await assert.rejects(pull('model-00001-of-00003.pxi.png'), fails('http', /00003-of-00003\.pxi\.png: .*status 404/));
  });

  test('goes on at the byte where the connection broke, as often as it breaks', async () => {
    server.misbehave = ({ number }) => (number < 8 ? { breakAfter: 30_000 } : undefined);
    const { path } = await pull('model.pxi.png', { retries: 1 });
    assert.deepEqual(readFileSync(path), Buffer.from(picture));
    const starts = asked().slice(1).map(Number);
    assert.equal(starts.length, 8);
    assert.ok(
      starts.every((start, index) => start > 0 && start > (starts[index - 1] ?? 0)),
      starts.join(),
    );
  });

  test('goes on where an earlier call stopped, if the server still has the same file', async () => {
    for (const name of ['model.pxi.png', 'model.gguf']) {
      server.misbehave = first({ breakAfter: 100_000 });
      await assert.rejects(pull(name, { retries: 0 }), fails('http', /goes on from where it is/));
      const kept = statSync(partPath(name)).size;
      assert.ok(kept > 0 && kept <= 100_000);
      const { path } = await pull(name);
      assert.deepEqual(asked(), ['all', kept]);
      assert.deepEqual(readFileSync(path), Buffer.from(server.files.get(`/${name}`) ?? []));
      server.requests.length = 0;
    }
  });

  const changes: [string, object, object][] = [
    ['another ETag', { etag: '"one"' }, { etag: '"two"' }],
    [
      'another date',
      { etag: null, headers: { 'last-modified': 'a' } },
      { etag: null, headers: { 'last-modified': 'b' } },
    ],
    ['neither ETag nor date', { etag: null }, { etag: null }],
    ['no ranges', {}, { ranges: false }],
    ['wrong ranges', {}, { contentRange: 'bytes 7-99/100' }],
    ['another size', {}, { contentRange: 'bytes 100000-299999/300000' }],
  ];
  for (const [what, before, later] of changes) {
    test(`starts over when the server has ${what} at the next call`, async () => {
      server.misbehave = ({ start, number }) =>
        number === 0 ? { ...before, breakAfter: 100_000 } : start === undefined ? before : later;
      await assert.rejects(pull('model.gguf', { retries: 0 }), fails('http', /could not be read/));
      server.files.set('/model.gguf', oddGguf(smallModel().slice(1)));
      const { path } = await pull('model.gguf');
      assert.deepEqual(readFileSync(path), Buffer.from(server.files.get('/model.gguf') ?? []));
      if (what.startsWith('neither')) assert.deepEqual(asked(), ['all', 'all']);
    });
  }

  test('takes no more than was announced, and asks again for what is missing', async () => {
    server.misbehave = ({ number }) => (number === 0 ? { breakAfter: 100_000 } : { chunked: true, extra: 10 });
    await assert.rejects(pull('model.gguf'), fails('http', /more than the 216992 bytes it announced/));
    server.misbehave = ({ start }) =>
      start && start < 200_000
        ? { chunked: true, contentRange: `bytes ${start}-200000/216992`, extra: -16_991 }
        : undefined;
    assert.deepEqual(readFileSync((await pull('model.gguf')).path), Buffer.from(gguf));
  });

  test('notices a wrong line when it arrives, asks for it again, and goes on', async () => {
    server.misbehave = first({ bytes: damaged(picture, 100) });
    const notes: string[] = [];
    const { path } = await pull('model.pxi.png', { onNote: (note) => notes.push(note) });
    assert.deepEqual(readFileSync(path), Buffer.from(picture));
    const [, start = 0] = asked().map(Number);
    assert.equal(start, picture.length - 33 - 129 * recordStride(256));
    assert.match(notes[0] ?? '', /model\.pxi\.png, line 100: its CRC does not match/);
  });

  test('gives up on a line that the server insists on, and names it', async () => {
    server.misbehave = () => ({ bytes: damaged(picture, 100) });
    await assert.rejects(pull('model.pxi.png'), (error: PixelError) => {
      assert.equal(error.details.line, 100);
      return fails('damaged-picture', /line 100/)(error);
    });
    assert.equal(server.requests.length, 3);
    const lines = (statSync(partPath('model.pxi.png')).size - picture.length + 33) / recordStride(256) + 229;
    assert.equal(lines, 100);
  });

  test('does not believe a part that was changed on the disk: it goes on before the damage', async () => {
    server.misbehave = first({ breakAfter: 200_000 });
    await assert.rejects(pull('model.pxi.png', { retries: 0 }));
    const part = partPath('model.pxi.png');
    writeFileSync(part, damaged(picture, 50).subarray(0, statSync(part).size));
    const { path } = await pull('model.pxi.png');
    assert.deepEqual(readFileSync(path), Buffer.from(picture));
    assert.equal(server.requests[1]?.start, picture.length - 33 - 179 * recordStride(256));
  });

  test('refuses a model whose lines are right but whose tensors are not, and removes it', async () => {
    const [one = new Uint8Array(0), two = new Uint8Array(0)] = await Promise.all(
      [gguf, otherWeights()].map(async (bytes) => (await toPictures(bytes)).get('model.pxi.png')),
    );
    assert.equal(one.length, two.length);
    const lines = recordStride(256) * 150;
    const mixed = Buffer.concat([two.subarray(0, two.length - lines), one.subarray(one.length - lines)]);
    const tailBytes = encodeTail(0, { ended: false }).length;
    const adler = adlerOfLines(mixed.subarray(0, -tailBytes), mixed.readUInt32BE(20));
    mixed.set(encodeTail(adler, { ended: false }), mixed.length - tailBytes);
    server.files.set('/mixed.pxi.png', mixed);
    await assert.rejects(pull('mixed.pxi.png'), fails('damaged-picture', /mixed\.pxi\.png: .*SHA-256/));
    assert.deepEqual(readdirSync(cache), []);
  });

  test('refuses files that do not belong together, and removes them', async () => {
    const others = await toPictures(oddGguf(smallModel().slice(1)), { shardSize: 120_000 });
    const name = 'model-00003-of-00003.pxi.png';
    server.files.set(`/${name}`, others.get(name) ?? new Uint8Array(0));
    await assert.rejects(pull(name), fails('damaged-picture', /belongs to another model than .*removed/));
    assert.deepEqual(readdirSync(cache), []);
  });

  test('refuses pictures of other things, and what ends too early, also where a line ends', async () => {
    server.files.set('/note.pxi.png', await makeFile(new TextEncoder().encode('a note')));
    await assert.rejects(pull('note.pxi.png'), fails('unknown-format', /kind "bytes", not a model.*removed/));
    assert.deepEqual(readdirSync(cache), []);
    for (const cut of [33 + 10 * recordStride(256), 5000]) {
      server.files.set('/model.pxi.png', picture.subarray(0, -cut));
      await assert.rejects(
        pull('model.pxi.png'),
        fails(cut === 5000 ? 'damaged-picture' : 'truncated', /model\.pxi\.png/),
      );
    }
  });

  test('tries again after 500, 503 and silence, but not after 404', async () => {
    const troubles = [{ status: 500 }, { status: 503, headers: { 'retry-after': '0' } }, { stallAfter: 1000 }];
    server.misbehave = ({ number }) => troubles[number];
    const { path } = await pull('model.pxi.png', { stallMilliseconds: 150, retries: 3 });
    assert.deepEqual(readFileSync(path), Buffer.from(picture));
    assert.equal(server.requests.length, 4);
    server.misbehave = () => undefined;
    await assert.rejects(pull('nothing.gguf'), fails('http', /status 404 \(there is no such file\)/));
    assert.equal(server.requests.length, 5);
  });

  test('gives up after so many failures without a byte gained', async () => {
    server.misbehave = () => ({ status: 502 });
    await assert.rejects(pull('model.gguf', { retries: 2 }), fails('http', /status 502.*3 times in a row/));
    assert.equal(server.requests.length, 3);
  });

  test('waits out a server that is slow but not silent', async () => {
    server.misbehave = first({ trickle: 20_000 });
    const { path } = await pull('model.gguf', { stallMilliseconds: 1000, retries: 0 });
    assert.deepEqual(readFileSync(path), Buffer.from(gguf));
  });

  test('follows redirects over http only', async () => {
    server.misbehave = ({ path }) => {
      if (path === '/here.gguf') return { location: '/model.gguf' };
      return path === '/away.gguf' ? { location: 'file:///etc/passwd' } : undefined;
    };
    const { path } = await pull('here.gguf');
    assert.equal(basename(path), 'here.gguf');
    assert.deepEqual(readFileSync(path), Buffer.from(gguf));
    await assert.rejects(pull('away.gguf', { retries: 0 }), fails('http', /could not be read/));
  });

  test('refuses what is no model by its first bytes, and keeps nothing of it', async () => {
    server.files.set('/page.gguf', Buffer.from(`<!doctype html>${' '.repeat(600)}`));
    server.misbehave = () => ({ trickle: 520 });
    await assert.rejects(pull('page.gguf'), fails('unknown-format', /page\.gguf is no model.*web page/));
    assert.equal(statSync(partPath('page.gguf')).size, 0);
    await assert.rejects(pullToCache('ftp://example.org/model.gguf', { cache }), fails('bad-argument', /ftp:\/\//));
  });

  test('refuses a size that it is not told, that the disk cannot hold, or that is not kept', async () => {
    server.misbehave = () => ({ chunked: true });
    await assert.rejects(pull('model.gguf'), fails('http', /does not say how large/));
    server.misbehave = () => ({ headers: { 'content-length': String(2 ** 52) } });
    await assert.rejects(
      pull('model.gguf'),
      fails('io', /needs 4\.50e\+3 TB|needs .* TB in .*where the disk has .* free/),
    );
    server.misbehave = () => ({ headers: { 'content-encoding': 'gzip' } });
    await assert.rejects(pull('model.gguf'), fails('http', /compressed \(gzip\)/));
  });

  test('sends the name and password of the URL, to this server only, and shows them nowhere', async () => {
    const elsewhere = await FileServer.start([['model.gguf', gguf]]);
    try {
      const secret = `${server.url('model.gguf', 'me:s3cret@')}?token=s3cret`;
      server.misbehave = first({ breakAfter: 1000 });
      const notes: string[] = [];
      const { path } = await pullToCache(secret, { cache, retryMilliseconds: 1, onNote: (note) => notes.push(note) });
      assert.equal(server.requests[0]?.authorization, `Basic ${Buffer.from('me:s3cret').toString('base64')}`);
      assert.equal(server.requests[0]?.url, '/model.gguf?token=s3cret');
      assert.match(notes.join(), /model\.gguf\?\.\.\. could not be read/);
      const kept = readFileSync(join(path, '..', '.entry.json'), 'utf8');
      assert.doesNotMatch(notes.join() + kept + path, /s3cret/);
      server.misbehave = () => ({ location: elsewhere.url('model.gguf') });
      await pullToCache(server.url('other.gguf', 'me:s3cret@'), { cache });
      assert.deepEqual(elsewhere.requests[0]?.authorization, undefined);
    } finally {
      await elsewhere.close();
    }
  });

  test('stops when its signal fires, keeps what it has, and goes on later', async () => {
    server.misbehave = first({ stallAfter: 120_000 });
    const controller = new AbortController();
    const pulling = pull('model.gguf', {
      signal: controller.signal,
      onProgress: ({ done }) => done >= 60_000 && controller.abort(),
    });
    await assert.rejects(pulling, fails('aborted', /Stopped/));
    await pull('model.gguf');
    assert.ok(Number(asked()[1]) >= 60_000);
  });

  test('downloads once when two ask at once', async () => {
    server.misbehave = () => ({ trickle: 30_000 });
    const notes: string[] = [];
    const both = await Promise.all([1, 2].map(() => pull('model.pxi.png', { onNote: (note) => notes.push(note) })));
    assert.deepEqual(both.map(({ isNew }) => isNew).sort(), [false, true]);
    assert.equal(server.requests.length, 1);
    assert.match(notes.join(), /Another process \(\d+\) is pulling http.*waiting/);
  });
});

describe('Pulling a model to a file', () => {
  test('writes it there, only whole, and nothing else', async () => {
    const out = join(cache, 'mine.pxi.png');
    server.misbehave = first({ breakAfter: 100_000 });
    await assert.rejects(pullToFile(server.url('model.pxi.png'), out, { cache, retries: 0 }));
    assert.deepEqual(readdirSync(cache), ['.mine.pxi.png.part']);
    await pullToFile(server.url('model.pxi.png'), out, { cache });
    assert.ok(Number(asked()[1]) > 0);
    assert.deepEqual(readdirSync(cache), ['mine.pxi.png']);
    assert.deepEqual(readFileSync(out), Buffer.from(picture));
    await assert.rejects(
      pullToFile(server.url('model.pxi.png'), out, { cache }),
      fails('file-exists', /mine\.pxi\.png already exists/),
    );
  });

  test('does not go on with the part of another URL', async () => {
    const out = join(cache, 'mine.gguf');
    server.misbehave = first({ breakAfter: 100_000 });
    await assert.rejects(pullToFile(server.url('model.gguf'), out, { cache, retries: 0 }));
    server.misbehave = () => undefined;
    server.files.set('/other/model.gguf', otherWeights());
    await pullToFile(server.url('other/model.gguf'), out, { cache });
    assert.deepEqual(readFileSync(out), Buffer.from(otherWeights()));
  });

  test('names the files of a set after it, or puts them into a folder', async () => {
    await pullToFile(server.url('model-00002-of-00003.pxi.png'), join(cache, 'm.pxi.png'), { cache });
    const numbered = [1, 2, 3].map((number) => `m-0000${number}-of-00003.pxi.png`);
    assert.deepEqual(readdirSync(cache).sort(), numbered);
    const folder = mkdtempSync(join(root, 'out-'));
    const { path } = await pullToFile(server.url('model-00002-of-00003.pxi.png'), folder, { cache });
    assert.equal(path, join(folder, 'model-00002-of-00003.pxi.png'));
    assert.deepEqual(readdirSync(folder).sort(), [...set.keys()]);
  });
});

/** Of the same shape, with other bytes in its largest tensor. */
function otherWeights(): Uint8Array<ArrayBuffer> {
  const copy = gguf.slice();
  for (let at = 20_000; at < 60_000; at += 7) copy[at] = (copy[at] ?? 0) ^ 3;
  return copy;
}

/** One of two GGUF files as llama.cpp's splitter writes them, with a tensor each. */
function splitPart(number: number): Uint8Array<ArrayBuffer> {
  const metadata: Record<string, MetadataValue> = {
    'general.architecture': { type: 'string', value: 'llama' },
    'split.no': { type: 'uint16', value: number - 1 },
    'split.count': { type: 'uint16', value: 2 },
    'split.tensors.count': { type: 'int32', value: 2 },
  };
  return ggufOf(metadata, [tensorOf(`blk.${number}.attn_norm.weight`, 'F32', 64)]);
}

/** The checksum over the lines, each behind its filter byte, of a mappable picture of 256 pixels a line without its tail. */
function adlerOfLines(picture: Uint8Array, height: number): number {
  const stride = recordStride(256);
  let adler = 1;
  for (let at = picture.length - height * stride; at < picture.length; at += stride) {
    adler = adler32(picture.subarray(at + RECORD_HEAD - 1, at + RECORD_HEAD + 4 * 256), adler);
  }
  return adler;
}
