import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { MemoryByteSink } from './byte-sink.ts';
import { isPixelError } from './errors.ts';
import { openFileByteSink, removeTemporaryFiles } from './node.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pixel-llm-sink-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe('A file sink', () => {
  test('appears under its name only when it is committed', async () => {
    const path = join(folder, 'new');
    const sink = await openFileByteSink(path);
    await sink.write([text('hello '), text('w'), text('orld')]);
    await sink.writeAt(0, text('J'));
    assert.ok(!(await readdir(folder)).includes('new'));
    await sink.commit();
    assert.equal(await readFile(path, 'utf8'), 'Jello world');
    assert.deepEqual(await readdir(folder), ['new']);
  });

  test('leaves the old file and no temporary one when it is given up, however often', async () => {
    const path = join(folder, 'kept');
    await writeFile(path, 'old');
    const sink = await openFileByteSink(path);
    await sink.write([text('new')]);
    await sink.abort();
    await sink.abort();
    assert.equal(await readFile(path, 'utf8'), 'old');
    assert.ok(!(await readdir(folder)).some((name) => name.endsWith('.part')));
  });

  test('is cleaned up by removeTemporaryFiles, which a command calls when it is interrupted', async () => {
    const sink = await openFileByteSink(join(folder, 'interrupted'));
    await sink.write([text('half')]);
    await removeTemporaryFiles();
    assert.ok(!(await readdir(folder)).some((name) => name.includes('interrupted')));
  });

  test('refuses bytes outside what was written and use after the end', async () => {
    const sink = await openFileByteSink(join(folder, 'strict'));
    await sink.write([text('abc')]);
    await assert.rejects(sink.writeAt(2, text('zz')), (error) => isPixelError(error, 'bad-argument'));
    await sink.commit();
    await assert.rejects(sink.write([text('more')]), (error) => isPixelError(error, 'disposed'));
  });

  test('says which folder is missing', async () => {
    const open = openFileByteSink(join(folder, 'none', 'file'));
    await assert.rejects(open, (error) => {
      assert.ok(isPixelError(error, 'file-not-found'));
      assert.equal(error.message, `${join(folder, 'none')} does not exist.`);
      return true;
    });
  });
});

describe('A memory sink', () => {
  test('gives its bytes after commit, grown as needed', async () => {
    const sink = new MemoryByteSink();
    assert.throws(() => sink.result(), /not committed/);
    const large = new Uint8Array(200_000).fill(7);
    await sink.write([text('ab'), large]);
    await sink.writeAt(1, text('c'));
    await assert.rejects(sink.writeAt(200_002, text('d')), (error) => isPixelError(error, 'bad-argument'));
    await sink.commit();
    await sink.abort();
    assert.deepEqual(sink.result().subarray(0, 3), Uint8Array.of(97, 99, 7));
    assert.equal(sink.result().length, 200_002);
  });
});
