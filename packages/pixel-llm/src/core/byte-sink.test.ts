import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, lstat, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { MemoryByteSink } from './byte-sink.ts';
import { isPixelError } from './errors.ts';
import { openFileByteSink, openFileByteSource, removeTemporaryFiles } from './node.ts';

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

  test('writes the file that a symbolic link leads to, there already or not, and keeps the link', async () => {
    const link = join(folder, 'link');
    await symlink('linked', link);
    for (const content of ['first', 'second']) {
      const sink = await openFileByteSink(link);
      await sink.write([text(content)]);
      await sink.commit();
      assert.equal(await readFile(join(folder, 'linked'), 'utf8'), content);
      assert.ok((await lstat(link)).isSymbolicLink());
    }
    await symlink('circle', join(folder, 'circle'));
    await assert.rejects(openFileByteSink(join(folder, 'circle')), (error) => isPixelError(error, 'io'));
  });

  test('takes a name as long as names may be, and keeps a private file private', async () => {
    const path = join(folder, 'n'.repeat(255));
    await writeFile(path, 'old');
    await chmod(path, 0o600);
    const sink = await openFileByteSink(path);
    await sink.write([text('new')]);
    await sink.commit();
    assert.equal(await readFile(path, 'utf8'), 'new');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  });

  test('two at once for one name do not disturb each other: the last to be committed stays', async () => {
    const path = join(folder, 'both');
    const sinks = [await openFileByteSink(path), await openFileByteSink(path)];
    await Promise.all(sinks.map((sink, index) => sink.write([text(`number ${index}`)])));
    for (const sink of sinks) await sink.commit();
    assert.equal(await readFile(path, 'utf8'), 'number 1');
  });

  test('refuses what is no file, for writing and reading alike, and does not wait at a pipe', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const path of [folder, pipe]) {
      await assert.rejects(openFileByteSink(path), (error) => isPixelError(error, 'bad-argument'), path);
      await assert.rejects(openFileByteSource(path), (error) => isPixelError(error, 'bad-argument'), path);
    }
    assert.ok(!(await readdir(folder)).some((name) => name.endsWith('.part')));
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
