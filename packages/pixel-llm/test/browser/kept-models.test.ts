/**
 * Models from a server, kept in a real browser's storage: resumed after the page was closed, checked line by line, fetched again where
 * damaged, whatever the server does. Every answer of the server is a real one over HTTP.
 */
import assert from 'node:assert/strict';
import { before } from 'node:test';
import type { Page } from 'playwright-core';
import { recordStride } from '../../src/png/line-record.ts';
import { toPictures } from '../../src/pxi/testing.ts';
import { makeTinyModel, tinyGguf } from '../tiny-model.ts';
import { browserTests, inPage } from './chromium.ts';

const browserTest = browserTests();
const gguf = tinyGguf(makeTinyModel());
let picture: Uint8Array = gguf;
let set: Map<string, Uint8Array> = new Map();
before(async () => {
  picture = (await toPictures(gguf)).get('model.pxi.png') ?? gguf;
  set = await toPictures(gguf, { shardSize: 60_000 });
});

interface Loaded {
  readonly text: string;
  readonly code: string;
  readonly message: string;
  readonly notes: readonly string[];
  readonly phases: readonly string[];
}

/** Loads the model and lets it write; or gives the error. */
function load(page: Page, name: string, options: object = {}): Promise<Loaded> {
  return inPage(
    page,
    async (pixel, { name, options }) => {
      const notes: string[] = [];
      const phases = new Set<string>();
      const outcome = { text: '', code: 'none', message: '' };
      try {
        await using model = await pixel.loadModel(name, {
          threads: 1,
          ...options,
          onNote: (note) => void notes.push(note),
          onProgress: ({ phase }) => void phases.add(phase),
        });
        const made = model
          .createSession()
          .generate('the robot', { maxTokens: 4, temperature: 0, ignoreEndOfText: true });
        outcome.text = (await made.complete()).text;
      } catch (error) {
        outcome.code = pixel.isPixelError(error) ? error.code : 'other';
        outcome.message = String(error);
      }
      return { ...outcome, notes, phases: [...phases] };
    },
    { name, options },
  );
}

async function emptyStorage(page: Page): Promise<void> {
  await inPage(page, (pixel) => pixel.cleanKeptModels({ all: true }), undefined);
}

/** Where a line's record begins in the picture. */
function lineStart(line: number): number {
  const stride = recordStride(pictureWidth());
  return picture.length - 33 - (pictureHeight() - line) * stride;
}

function pictureWidth(): number {
  return Buffer.from(picture).readUInt32BE(16);
}

function pictureHeight(): number {
  return Buffer.from(picture).readUInt32BE(20);
}

browserTest('A model is pulled once, kept, listed and removed', async ({ server, openPage }) => {
  server.files.set('/model.pxi.png', picture);
  for (const [name, bytes] of set) server.files.set(`/${name}`, bytes);
  const first = await load(await openPage(), 'model.pxi.png');
  assert.deepEqual([first.code, first.notes], ['none', []]);
  assert.deepEqual(first.phases, ['pulling', 'loading']);
  server.requests.length = 0;
  const page = await openPage();
  const second = await load(page, 'model.pxi.png#again');
  assert.equal(second.text, first.text);
  assert.deepEqual(second.phases, ['loading']);
  assert.deepEqual(
    server.requests.filter(({ path }) => path.endsWith('.png')),
    [],
  );
  const [, name = ''] = [...set.keys()];
  assert.equal((await load(page, name)).text, first.text);
  const { listed, removed, left } = await inPage(
    page,
    async (pixel) => {
      const listed = await pixel.listKeptModels();
      const removed = await pixel.cleanKeptModels({ urls: ['model.pxi.png'] });
      await pixel.cleanKeptModels();
      return { listed, removed, left: (await pixel.listKeptModels()).map(({ name }) => name) };
    },
    undefined,
  );
  assert.deepEqual(
    listed.map(({ name, isWhole, isActive }) => [name, isWhole, isActive]),
    [
      [name, true, false],
      ['model.pxi.png', true, false],
    ],
  );
  const sizes = [[...set.values()].reduce((sum, { length }) => sum + length, 0), picture.length];
  assert.deepEqual(
    listed.map(({ byteLength }) => byteLength),
    sizes,
  );
  assert.equal(listed[1]?.url, server.url('model.pxi.png'));
  assert.deepEqual([removed.length, left], [1, [name]]);
});

for (const name of ['model.pxi.png', 'model.gguf']) {
  browserTest(
    `What has arrived of ${name} stays when the page is closed; the next page goes on with it`,
    async ({ server, openPage }) => {
      const bytes = name === 'model.gguf' ? gguf : picture;
      server.files.set(`/${name}`, bytes);
      const page = await openPage();
      await emptyStorage(page);
      server.misbehave = ({ path, start }) =>
        path.endsWith(name) && start === undefined ? { stallAfter: 40_000 } : undefined;
      const arrived = inPage(
        page,
        (pixel, name) =>
          new Promise<void>((resolve) => {
            void pixel.loadModel(name, { onProgress: ({ done }) => done === 40_000 && resolve() });
          }),
        name,
      );
      await arrived;
      await page.close();
      const next = await openPage();
      const [part] = await inPage(next, (pixel) => pixel.listKeptModels(), undefined);
      assert.deepEqual([part?.isWhole, part?.byteLength], [false, 40_000]);
      server.misbehave = () => undefined;
      const loaded = await load(next, name);
      assert.equal(loaded.code, 'none', loaded.message);
      const starts = server.requests.filter(({ path }) => path.endsWith(name)).map(({ start }) => start);
      assert.equal(starts.length, 2);
      // Of a picture, what its lines' checksums prove is believed; a GGUF file has none, and starts over.
      if (name === 'model.gguf') assert.equal(starts[1], undefined);
      else assert.ok((starts[1] ?? 0) > 38_000 && (starts[1] ?? 0) <= 40_000, String(starts[1]));
    },
  );
}

browserTest('A server that breaks off, fails, stalls or trickles only takes longer', async ({ server, openPage }) => {
  server.files.set('/model.pxi.png', picture);
  const page = await openPage();
  await emptyStorage(page);
  const troubles = [{ breakAfter: 30_000 }, { status: 503 }, { breakAfter: 50_000 }, { trickle: 20_000 }];
  server.misbehave = ({ path, number }) => (path.endsWith('.png') ? troubles[number] : undefined);
  const { code, message, notes } = await load(page, 'model.pxi.png');
  assert.equal(code, 'none', message);
  assert.equal(notes.length, 3, notes.join('\n'));
  assert.match(notes.join('\n'), /could not be read[\s\S]*status 503/);
});

browserTest(
  'A line that arrives wrong is fetched again; one that stays wrong is named',
  async ({ server, openPage }) => {
    server.files.set('/model.pxi.png', picture);
    const page = await openPage();
    await emptyStorage(page);
    const wrong = picture.slice();
    wrong[lineStart(40) + 200]! ^= 1;
    server.misbehave = ({ path, number }) => (path.endsWith('.png') && number === 0 ? { bytes: wrong } : undefined);
    const healed = await load(page, 'model.pxi.png');
    assert.equal(healed.code, 'none', healed.message);
    assert.match(healed.notes.join(), /line 40: its CRC does not match/);
    const starts = server.requests.filter(({ path }) => path.endsWith('.png')).map(({ start }) => start);
    assert.deepEqual(starts, [undefined, lineStart(40)]);
    await emptyStorage(page);
    server.misbehave = ({ path }) => (path.endsWith('.png') ? { bytes: wrong } : undefined);
    const failed = await load(page, 'model.pxi.png');
    assert.equal(failed.code, 'damaged-picture');
    assert.match(failed.message, /line 40/);
  },
);

browserTest('What was damaged in the storage is found by a check, and fetched again', async ({ server, openPage }) => {
  server.files.set('/model.pxi.png', picture);
  const page = await openPage();
  await emptyStorage(page);
  const { text } = await load(page, 'model.pxi.png');
  await inPage(
    page,
    async (_, at) => {
      const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('pixel-llm');
      for await (const folder of (root as unknown as { values(): AsyncIterable<FileSystemDirectoryHandle> }).values()) {
        const file = await folder.getFileHandle('model.pxi.png');
        const writable = await file.createWritable({ keepExistingData: true });
        await writable.write({ type: 'write', position: at, data: new Uint8Array([1, 2, 3, 4]) });
        await writable.close();
      }
    },
    lineStart(50) + 100,
  );
  server.requests.length = 0;
  const checked = await load(page, 'model.pxi.png', { check: true });
  assert.equal(checked.code, 'none', checked.message);
  assert.equal(checked.text, text);
  assert.deepEqual(
    server.requests.filter(({ path }) => path.endsWith('.png')).map(({ start }) => start),
    [lineStart(50)],
  );
});

browserTest(
  'A server that lies about lengths or ranges, or has no model, is refused by code',
  async ({ server, openPage }) => {
    const page = await openPage();
    await emptyStorage(page);
    const lies: readonly [string, object, string][] = [
      ['longer', { chunked: true, extra: 10 }, 'http'],
      ['missing', { status: 404 }, 'http'],
      ['cut', { bytes: picture.subarray(0, lineStart(60)) }, 'truncated'],
      ['a web page', { bytes: Buffer.from('<!doctype html>'.padEnd(700)) }, 'unknown-format'],
      ['unreachable', { breakAfter: 0 }, 'http'],
    ];
    for (const [what, how, code] of lies) {
      server.files.set(`/${what}.pxi.png`, picture);
      server.misbehave = ({ path }) => (decodeURIComponent(path).startsWith(`/${what}`) ? how : undefined);
      const found = await load(page, `${what}.pxi.png`);
      assert.equal(found.code, code, `${what}: ${found.message}`);
    }
  },
);

browserTest('No room is a typed error that says how much is needed', async ({ server, openPage }) => {
  server.files.set('/model.pxi.png', picture);
  const page = await openPage();
  await emptyStorage(page);
  const session = await page.context().newCDPSession(page);
  const origin = new URL(server.url('')).origin;
  await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 20_000 });
  const { code, message } = await load(page, 'model.pxi.png');
  await session.send('Storage.overrideQuotaForOrigin', { origin });
  assert.equal(code, 'storage-full', message);
  assert.match(message, /no room left for|left for this site/);
});

browserTest('Of two pages, one pulls and the other waits for it', async ({ server, openPage }) => {
  server.files.set('/model.pxi.png', picture);
  const [one, other] = [await openPage(), await openPage()];
  await emptyStorage(one);
  server.misbehave = ({ path }) => (path.endsWith('.png') ? { trickle: 4000 } : undefined);
  const [first, second] = await Promise.all([load(one, 'model.pxi.png'), load(other, 'model.pxi.png')]);
  assert.deepEqual([first.code, second.code, second.text], ['none', 'none', first.text]);
  assert.equal(server.requests.filter(({ path }) => path.endsWith('.png')).length, 1);
  assert.match([...first.notes, ...second.notes].join(), /Another page works on/);
});
