/** What is no map, or is one no longer: typed errors that say what to do, and nothing lost. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { isPixelError, type PixelErrorCode } from '../src/core/errors.ts';
import { createMapFile, openMap } from '../src/map/node.ts';
import { patternBytes, temporaryFolder } from '../src/map/testing.ts';

const says = (code: PixelErrorCode, what: RegExp) => (error: unknown) =>
  isPixelError(error, code) && what.test(String(error));
const place = { x: -20, y: 5, width: 60, height: 50 };
const pixels = patternBytes(60 * 50 * 4, 3);

/** A map with one region, closed, at that path. */
async function writeMap(path: string): Promise<void> {
  createMapFile(path, { tileSize: 16 });
  await using map = openMap(path);
  await map.write(place, pixels, { region: { name: 'one', kind: 'note', metadata: {} } });
}

/** Opens and reads everything. */
async function readAll(path: string): Promise<Uint8Array> {
  await using map = openMap(path);
  await map.regions();
  return await map.read(place);
}

describe('What is no map', () => {
  test('is refused with what it is', async () => {
    using folder = temporaryFolder();
    const write = (name: string, content: string | Uint8Array) => {
      writeFileSync(folder.file(name), content);
      return folder.file(name);
    };
    await assert.rejects(readAll(folder.file('missing.pxmap')), says('file-not-found', /map create/));
    await assert.rejects(readAll(write('empty', '')), says('bad-map', /cut short/));
    await assert.rejects(
      readAll(write('text', 'a text that is long enough to be a page'.repeat(200))),
      says('bad-map', /no map/),
    );
    await assert.rejects(
      readAll(write('picture', Buffer.from('89504e470d0a1a0a'.repeat(200), 'hex'))),
      says('bad-map', /no map/),
    );
    await assert.rejects(readAll(folder.path), says('bad-argument', /not a file/));
    const other = new DatabaseSync(folder.file('other'));
    other.exec('CREATE TABLE head (id TEXT)');
    other.close();
    await assert.rejects(readAll(folder.file('other')), says('bad-map', /another program/));
  });

  test('of a newer version, is refused with advice', async () => {
    using folder = temporaryFolder();
    await writeMap(folder.file('a.pxmap'));
    const database = new DatabaseSync(folder.file('a.pxmap'));
    database.exec('PRAGMA user_version = 99');
    database.close();
    await assert.rejects(readAll(folder.file('a.pxmap')), says('bad-map', /newer.*update/));
  });

  test('because it was cut short, or a byte of a tile flipped, is noticed', async () => {
    using folder = temporaryFolder();
    const path = folder.file('a.pxmap');
    await writeMap(path);
    const size = readFileSync(path).length;
    for (const share of [0.001, 0.3, 0.6, 0.9]) {
      copyFileSync(path, folder.file('cut.pxmap'));
      truncateSync(folder.file('cut.pxmap'), Math.max(20, Math.floor(size * share)));
      await assert.rejects(readAll(folder.file('cut.pxmap')), (error) => isPixelError(error, 'bad-map'));
    }
    const bytes = readFileSync(path);
    // Pages that were divided leave old copies behind: the one that is read must be hit.
    const piece = pixels.subarray(0, 16);
    const places = [];
    for (let at = bytes.indexOf(piece); at >= 0; at = bytes.indexOf(piece, at + 1)) places.push(at);
    assert.ok(places.length > 0);
    for (const at of places) bytes[at] = bytes[at]! ^ 4;
    writeFileSync(folder.file('flipped.pxmap'), bytes);
    await assert.rejects(readAll(folder.file('flipped.pxmap')), says('bad-map', /tile is damaged/));
    await using map = openMap(folder.file('flipped.pxmap'));
    assert.equal((await map.verify()).length, 1);
  });
});

/** The same failure by a limit on the file's own pages. */
async function refusesToGrow(path: string): Promise<void> {
  await writeMap(path);
  const limited = new DatabaseSync(path);
  limited.exec('PRAGMA max_page_count = 1');
  assert.throws(() => limited.exec('INSERT INTO blocks (crc, pixels) VALUES (0, zeroblob(9000000))'), /full/);
  limited.close();
  assert.deepEqual(await readAll(path), pixels);
}

describe('A map that cannot be written', () => {
  test('is read, also in a folder that is read-only, and says so', async () => {
    using folder = temporaryFolder();
    mkdirSync(folder.file('fixed'));
    const path = folder.file('fixed/a.pxmap');
    await writeMap(path);
    chmodSync(path, 0o444);
    chmodSync(folder.path, 0o755);
    chmodSync(folder.file('fixed'), 0o555);
    // Root may write everything: for a moment nobody is at work.
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid?.(65_534);
    try {
      assert.deepEqual(await readAll(path), pixels);
      await using map = openMap(path);
      await assert.rejects(map.write(place, pixels), says('read-only', /copy it/));
    } finally {
      if (isRoot) process.seteuid?.(0);
      chmodSync(folder.file('fixed'), 0o755);
    }
  });

  test('when it was opened to be read only, says so', async () => {
    using folder = temporaryFolder();
    await writeMap(folder.file('a.pxmap'));
    await using map = openMap(folder.file('a.pxmap'), { readOnly: true });
    assert.deepEqual(await map.read(place), pixels);
    await assert.rejects(map.write(place, pixels), says('read-only', /copy it/));
  });

  test('because another process has it locked, waits, and then says so', async () => {
    using folder = temporaryFolder();
    await writeMap(folder.file('a.pxmap'));
    const other = new DatabaseSync(folder.file('a.pxmap'));
    await using map = openMap(folder.file('a.pxmap'), { busyMilliseconds: 100 });
    other.exec('BEGIN IMMEDIATE');
    await assert.rejects(map.write(place, pixels), says('map-busy', /try again/));
    other.exec('ROLLBACK');
    other.close();
    await map.write(place, pixels);
  });

  test('because the disk is full, keeps what it held', async () => {
    using folder = temporaryFolder();
    const small = folder.file('small');
    mkdirSync(small);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small], { stdio: 'ignore' });
    } catch {
      // Without root no small disk can be mounted; a map that may not grow is refused by SQLite in the same words.
      return refusesToGrow(folder.file('b.pxmap'));
    }
    try {
      const path = join(small, 'a.pxmap');
      await writeMap(path);
      {
        await using map = openMap(path);
        const large = { x: 0, y: 1000, width: 1000, height: 1000 };
        await assert.rejects(
          map.write(large, patternBytes(4_000_000, 5)),
          says('io', /full|could not be written|nothing of this change/),
        );
        assert.deepEqual(await map.read(place), pixels);
        assert.ok((await map.read({ ...large, height: 64 })).every((byte) => byte === 0));
      }
      assert.deepEqual(await readAll(path), pixels);
    } finally {
      execFileSync('umount', [small], { stdio: 'ignore' });
    }
  });
});
