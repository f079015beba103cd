/** `pixel-llm map` as a person uses it: the model that ships is mounted, changed, compared, and changed back. */
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openFileByteSink, openFileByteSource } from '../src/core/node.ts';
import { loadModel } from '../src/engine/node.ts';
import { temporaryFolder } from '../src/map/testing.ts';
import { encodeImage } from '../src/png/encode-image.ts';
import { runCommand } from './command-line.ts';

const PIXIE = join(import.meta.dirname, '../../../models/pixie.pxi.png');

/** Runs a command in a folder; its stdout. */
async function said(cwd: string, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(words, { cwd });
  assert.equal(code, 0, `${words.join(' ')}: ${stderr}`);
  return stdout;
}

async function refused(cwd: string, ...words: string[]): Promise<string> {
  const { code, stderr } = await runCommand(words, { cwd });
  assert.notEqual(code, 0, words.join(' '));
  return stderr;
}

const STORY = ['Once there was a', '--temperature', '0', '--max-tokens', '24', '--device', 'cpu', '--threads', '1'];

describe('pixel-llm map', () => {
  test('mounts models, zeroes a head, shows the difference, and undoes it', async () => {
    using folder = temporaryFolder();
    const cwd = folder.path;
    copyFileSync(PIXIE, folder.file('pixie.pxi.png'));
    const before = readFileSync(folder.file('pixie.pxi.png'));
    await said(cwd, 'map', 'create', 'plane.pxmap');
    await said(cwd, 'map', 'mount', 'plane.pxmap', 'pixie.pxi.png');
    await said(cwd, 'make-model', '--shape', 'toy', 'toy.gguf');
    assert.match(await refused(cwd, 'map', 'mount', 'plane.pxmap', 'toy.gguf'), /convert toy\.gguf toy\.pxi\.png/);
    await said(cwd, 'convert', 'toy.gguf', 'toy.pxi.png');
    await said(cwd, 'map', 'mount', 'plane.pxmap', 'toy.pxi.png', '--at=-5000,40', '--name', 'toy');
    const listed = JSON.parse(await said(cwd, 'map', 'list', 'plane.pxmap', '--json'));
    assert.deepEqual(
      listed.map(({ name, x, y }: { name: string; x: number; y: number }) => [name, x, y]),
      [
        ['pixie', 0, 0],
        ['toy', -5000, 40],
      ],
    );
    const story = await said(cwd, 'run', 'pixie.pxi.png', ...STORY);
    assert.equal(await said(cwd, 'run', 'plane.pxmap#pixie', ...STORY), story);

    const head = ['--region', 'pixie', '--tensor', 'blk.0.attn_output.weight', '--columns', '0:32', '--zero'];
    const edit = ['map', 'edit', 'plane.pxmap', ...head, '--overlay', 'no-head', '--json'];
    const report = JSON.parse(await said(cwd, ...edit));
    assert.deepEqual([report.weights, report.largestError, report.largestNeighbourChange], [128 * 32, 0, 0]);
    const through = ['--map', 'plane.pxmap', '--region', 'pixie', '--overlay', 'no-head'];
    const changed = await said(cwd, 'run', ...through, ...STORY);
    assert.notEqual(changed, story);
    const diff = JSON.parse(
      await said(cwd, 'diff', 'plane.pxmap#pixie', 'plane.pxmap#pixie+no-head', 'diff.png', '--json'),
    );
    assert.equal(diff.changed, 128 * 32);
    assert.ok(readFileSync(folder.file('diff.png')).length > 1000);

    await said(
      cwd,
      'map',
      'merge',
      'plane.pxmap',
      '--region',
      'pixie',
      '--overlay',
      'no-head',
      '--out',
      'merged.pxi.png',
    );
    assert.equal(await said(cwd, 'run', 'merged.pxi.png', ...STORY), changed);
    await said(cwd, 'verify', 'merged.pxi.png');
    await said(cwd, 'map', 'import', 'plane.pxmap', 'merged.pxi.png', '--region', 'pixie', '--overlay', 'again');
    assert.equal(await said(cwd, 'run', 'plane.pxmap#pixie+again', ...STORY), changed);
    assert.equal(await said(cwd, 'map', 'overlays', 'plane.pxmap'), 'no-head  of pixie\nagain    of pixie\n');

    for (const overlay of ['no-head', 'again']) await said(cwd, 'map', 'drop', 'plane.pxmap', '--overlay', overlay);
    assert.equal(await said(cwd, 'run', 'plane.pxmap#pixie', ...STORY), story);
    assert.match(await refused(cwd, 'run', 'plane.pxmap#pixie+no-head', ...STORY), /no overlay "no-head"/);
    assert.deepEqual(readFileSync(folder.file('pixie.pxi.png')), before);
    assert.match(await said(cwd, 'map', 'verify', 'plane.pxmap'), /sound/);
    rmSync(folder.file('pixie.pxi.png'));
    assert.match(await refused(cwd, 'run', 'plane.pxmap#pixie', ...STORY), /map move/);
  });

  test('writes and reads pixels at any place', async () => {
    using folder = temporaryFolder();
    const cwd = folder.path;
    const pixels = Uint8Array.from({ length: 30 * 20 * 4 }, (_, i) => (i * 7) % 251);
    writeFileSync(folder.file('in.png'), await encodeImage({ width: 30, height: 20, pixels }));
    writeFileSync(folder.file('in.rgba'), pixels);
    await said(cwd, 'map', 'create', 'a.pxmap', '--tile-size', '16');
    await said(
      cwd,
      'map',
      'write',
      'a.pxmap',
      '--at=-5,3',
      '--from',
      'in.png',
      '--name',
      'note',
      '--metadata',
      'by=me',
      '--metadata',
      'day=7',
    );
    await said(cwd, 'map', 'write', 'a.pxmap', '--at=9000000000,-77', '--width', '30', '--from', 'in.rgba');
    await said(cwd, 'map', 'read', 'a.pxmap', '--region', 'note', '--out', 'one.png');
    await said(cwd, 'map', 'read', 'a.pxmap', '--at=9000000000,-77', '--size', '30x20', '--out', 'two.png');
    const expected = readFileSync(folder.file('in.png'));
    for (const file of ['one.png', 'two.png']) assert.deepEqual(readFileSync(folder.file(file)), expected);
    const stats = JSON.parse(await said(cwd, 'map', 'stats', 'a.pxmap', '--json'));
    assert.equal(stats.regions, 1);
    await said(cwd, 'map', 'render', 'a.pxmap', 'plane.png', '--at=-20,-10', '--size', '80x60');
    assert.ok(readFileSync(folder.file('plane.png')).length > 500);
    assert.match(await said(cwd, 'map', 'find', 'a.pxmap', '--near=0,0'), /^note +picture +30 x 20 at -5,3\n$/);
    assert.match(await said(cwd, 'map', 'find', 'a.pxmap', '--where', 'day=7', '--where', 'by=me'), /^note /);
    assert.equal(await said(cwd, 'map', 'find', 'a.pxmap', '--where', 'day=8'), '');
    assert.match(await refused(cwd, 'map', 'read', 'a.pxmap', '--out', 'x.png'), /--at X,Y --size WxH/);
    assert.match(await refused(cwd, 'map', 'write', 'a.pxmap', '--at', '0,0', '--from', 'in.rgba'), /--width/);
    assert.match(await refused(cwd, 'map', 'create', 'a.pxmap'), /there already/);
    assert.match(await refused(cwd, 'map', 'list', 'in.png'), /no map/);
    assert.match(await refused(cwd, 'run', 'a.pxmap', 'x'), /name the model on it/);
  });

  test('keeps a saved conversation as a region, from which it goes on with the same tokens', async () => {
    using folder = temporaryFolder();
    const cwd = folder.path;
    await using model = await loadModel(PIXIE, { device: 'cpu', threads: 1 });
    using session = model.createSession();
    const options = { temperature: 0, maxTokens: 12 };
    for await (const _ of session.generate('Once there was a', options));
    await session.save(await openFileByteSink(folder.file('talk.pxi.png')));
    await said(cwd, 'map', 'create', 'a.pxmap');
    await said(
      cwd,
      'map',
      'write',
      'a.pxmap',
      '--at=-77,5',
      '--from',
      'talk.pxi.png',
      '--name',
      'talk',
      '--kind',
      'conversation',
    );
    await said(cwd, 'map', 'read', 'a.pxmap', '--region', 'talk', '--out', 'back.pxi.png');
    const restored = await model.restoreSession(await openFileByteSource(folder.file('back.pxi.png')));
    const texts = [];
    for (const one of [session, restored.session]) {
      let text = '';
      for await (const piece of one.generate(' And', options)) text += piece.text;
      texts.push(text);
    }
    assert.equal(texts[1], texts[0]);
    restored.session[Symbol.dispose]();
  });
});
