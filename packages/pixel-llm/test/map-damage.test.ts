/**
 * Files that are no maps, maps of a newer version, cut short or damaged, maps where nothing can be written, a full disk, a lock that is
 * not given back: each ends in a typed error whose text says what to do, and nothing is lost by it.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { isPixelError, PixelError, type PixelErrorCode } from '../src/core/errors.ts';
import { InfiniteMap } from '../src/map/infinite-map.ts';
import { createMapFile, type OpenMapFileOptions, openSqliteTileStore } from '../src/map/sqlite/node.ts';
import { MAP_PAGE_BYTES } from '../src/map/sqlite-schema.ts';
import { patternBytes, temporaryFolder } from '../src/map/testing.ts';

const AREA = { x: -20, y: -20, width: 90, height: 90 };
const PIXELS = patternBytes(AREA.width * AREA.height * 4, 5);
const REGION = { name: 'note', kind: 'note', metadata: { by: 'me' } };

const openMap = (path: string, options?: OpenMapFileOptions) => new InfiniteMap(openSqliteTileStore(path, options));

/** A map of 16 x 16 tiles with pixels and a region, closed: one file. */
async function makeMap(path: string): Promise<void> {
  createMapFile(path, { tileSize: 16 });
  await using map = openMap(path);
  await map.write(AREA, PIXELS, { region: REGION });
}

async function readAll(path: string): Promise<Uint8Array> {
  await using map = openMap(path);
  await map.regions();
  await map.overlays();
  return await map.read(AREA);
}

/** The failure of that code with that text, which names the file. */
const says = (code: PixelErrorCode, text: RegExp, path: string) => (error: unknown) => {
  assert.ok(isPixelError(error), String(error));
  assert.equal(error.code, code, error.message);
  assert.ok(error.message.includes(path), error.message);
  assert.match(error.message, text);
  return true;
};

/** Changes a database past the map's own code. */
function alter(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

const pixel = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), deflateSync(PIXELS)]);
/** Each makes the file. */
const NO_MAPS: Readonly<Record<string, (path: string) => void>> = {
  'a PNG': (path) => writeFileSync(path, pixel),
  text: (path) => writeFileSync(path, 'A story about a little map.\n'.repeat(500)),
  'a short text': (path) => writeFileSync(path, 'A map?'),
  'an empty file': (path) => writeFileSync(path, ''),
  'the database of another program': (path) =>
    alter(path, "CREATE TABLE head (id TEXT, tile_size); INSERT INTO head VALUES ('a', 16); PRAGMA user_version = 1"),
};

describe('What is no map', () => {
  for (const [name, make] of Object.entries(NO_MAPS)) {
    test(`${name}: is refused, and stays as it is`, () => {
      using folder = temporaryFolder();
      const path = folder.file('a.pxmap');
      make(path);
      const before = readFileSync(path);
      assert.throws(() => openSqliteTileStore(path), says('bad-map', /(no|not a) map.*(map create|cut short)/, path));
      assert.throws(() => createMapFile(path), says('file-exists', /another name/, path));
      assert.deepEqual(readFileSync(path), before);
      assert.deepEqual(readdirSync(folder.path), ['a.pxmap']);
    });
  }

  test('a folder, and nothing at all', () => {
    using folder = temporaryFolder();
    const path = folder.file('a.pxmap');
    assert.throws(() => openSqliteTileStore(path), says('file-not-found', /map create/, path));
    mkdirSync(path);
    assert.throws(() => openSqliteTileStore(path), says('bad-argument', /not a file/, path));
    const nowhere = folder.file('none/a.pxmap');
    assert.throws(() => createMapFile(nowhere), says('file-not-found', /make it first/, nowhere));
  });
});

describe('A map of a newer version', () => {
  test('is refused with the advice to update, and stays as it is', async () => {
    using folder = temporaryFolder();
    const path = folder.file('a.pxmap');
    await makeMap(path);
    alter(path, 'PRAGMA user_version = 99');
    for (const readOnly of [false, true]) {
      assert.throws(() => openSqliteTileStore(path, { readOnly }), says('bad-map', /update pixel-llm/, path));
    }
    alter(path, 'PRAGMA user_version = 1');
    assert.deepEqual(await readAll(path), PIXELS);
  });
});

describe('A damaged map', () => {
  test('cut short anywhere is refused, or all of it is there', async () => {
    using folder = temporaryFolder();
    await makeMap(folder.file('whole.pxmap'));
    const { length } = readFileSync(folder.file('whole.pxmap'));
    const pages = length / MAP_PAGE_BYTES;
    const lengths = [1, 15, 16, 99, 100, 4096, length - 1, length - 512, Math.floor(length / 3)];
    for (let page = 1; page < pages; page++) lengths.push(page * MAP_PAGE_BYTES, page * MAP_PAGE_BYTES + 77);
    const path = folder.file('a.pxmap');
    for (const cut of lengths) {
      copyFileSync(folder.file('whole.pxmap'), path);
      truncateSync(path, cut);
      // The end of a page may be unused.
      await readAll(path).then(
        (pixels) => assert.deepEqual(pixels, PIXELS, `${cut} bytes of ${length}`),
        says('bad-map', /copy|cut short|map create/, path),
      );
    }
  });

  test('names the block whose bits have changed, and shows the others', async () => {
    using folder = temporaryFolder();
    const path = folder.file('a.pxmap');
    await makeMap(path);
    const bytes = readFileSync(path);
    // The middle of the line of a tile that is written whole: pixels 16 to 31 from the area's own corner at -20,-20 are at -4 to 11.
    const line = PIXELS.subarray((30 * AREA.width + 36) * 4, (30 * AREA.width + 52) * 4);
    // The database may have moved it and left a copy in unused room.
    for (let at = bytes.indexOf(line); at >= 0; at = bytes.indexOf(line)) bytes[at + 30]! ^= 4;
    writeFileSync(path, bytes);
    await using map = openMap(path);
    await assert.rejects(map.read(AREA), (error) => {
      assert.ok(says('bad-map', /block \d+.*copy.*map verify/, path)(error));
      const { block } = (error as PixelError).details;
      return (error as PixelError).message.includes(`(block ${block})`);
    });
    await assert.rejects(map.read({ x: 16, y: 10, width: 1, height: 1 }), says('bad-map', /block/, path));
    assert.deepEqual([...(await map.read({ x: -20, y: -20, width: 1, height: 1 }))], [...PIXELS.subarray(0, 4)]);
  });

  test('with values that no map holds is refused', async () => {
    const beyond = '9007199254740993';
    const overlay = (metadata: string) =>
      `INSERT INTO overlays (name, metadata, complete) VALUES ('a', '${metadata}', 1)`;
    for (const sql of [
      `UPDATE regions SET x = ${beyond}`,
      'UPDATE regions SET x = 9007199254740991, width = 2',
      'UPDATE regions SET height = 0',
      "UPDATE regions SET metadata = 'null'",
      `UPDATE tiles SET block = ${beyond}`,
      'UPDATE tiles SET block = 0 WHERE x = 0',
      'UPDATE blocks SET pixels = zeroblob(10) WHERE number = 1',
      `UPDATE head SET catalog = -${beyond}`,
      'UPDATE head SET tile_size = 24',
      'DELETE FROM head',
      overlay('[]'),
      overlay('{'),
    ]) {
      using folder = temporaryFolder();
      const path = folder.file('a.pxmap');
      await makeMap(path);
      alter(path, sql);
      await assert.rejects(readAll(path), says('bad-map', /(damaged|lost).*copy/, path), sql);
    }
  });

  test('never ends in anything but a typed error, whichever bits change', async (context) => {
    using folder = temporaryFolder();
    const path = folder.file('a.pxmap');
    await makeMap(path);
    const whole = readFileSync(path);
    let [refused, other] = [0, 0];
    const runs = process.env.PIXEL_FULL === '1' ? 20_000 : 400;
    const random = new Uint32Array(patternBytes(runs * 4, 11).buffer);
    for (const [run, number] of random.entries()) {
      const bytes = Buffer.from(whole);
      // Every other one in the pages' heads and cells, where the database's own structure is.
      const at = run % 2 ? number % whole.length : (number % 7) * MAP_PAGE_BYTES + ((number >>> 8) % 200);
      bytes[at % whole.length]! ^= 1 << (number & 7);
      writeFileSync(path, bytes);
      try {
        if (Buffer.compare(await readAll(path), PIXELS) !== 0) other++;
      } catch (error) {
        assert.ok(error instanceof PixelError, `bit ${number & 7} of byte ${at}: ${error}`);
        refused++;
      }
    }
    context.diagnostic(`of ${runs} flips ${refused} were refused, ${other} showed other pixels`);
    assert.ok(refused > runs / 8, `${refused} refused`);
    // Where tiles lie is not under their checksums: one may be lost to sight, or stand in the place of another.
    assert.ok(other < runs / 20, `${other} of ${runs} showed other pixels`);
  });
});

const isRoot = process.getuid?.() === 0;

/** A small disk in memory, which only root may mount; undefined where it is not possible. */
function mountDisk(
  folder: string,
  size: string,
): { remount(options: string): void; [Symbol.dispose](): void } | undefined {
  const mount = (...parameters: string[]) => execFileSync('mount', parameters, { stdio: 'ignore' });
  try {
    mkdirSync(folder);
    mount('-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder);
  } catch {
    return undefined;
  }
  return {
    remount: (options) => mount('-o', `remount,${options}`, folder),
    [Symbol.dispose]: () => void execFileSync('umount', [folder]),
  };
}

/** Takes the right to write away, until the end of the scope. */
function fixByRight(path: string): Disposable {
  chmodSync(path, 0o555);
  return { [Symbol.dispose]: () => chmodSync(path, 0o755) };
}

/** The same for root, who asks nobody for rights: the file is mounted over itself, read-only. Undefined where that is not possible. */
function fixByMount(path: string): Disposable | undefined {
  const mount = (...parameters: string[]) => execFileSync('mount', parameters, { stdio: 'ignore' });
  try {
    mount('--bind', path, path);
    mount('-o', 'remount,ro,bind', path);
  } catch {
    return undefined;
  }
  return { [Symbol.dispose]: () => void execFileSync('umount', [path]) };
}

/** Reads work, writes are refused. */
async function expectReadOnly(path: string): Promise<void> {
  await using map = openMap(path);
  assert.equal(map.isWritable, false);
  assert.deepEqual(await map.read(AREA), PIXELS);
  await assert.rejects(map.write(AREA, PIXELS), says('read-only', /copy it/, path));
  await assert.rejects(map.removeRegion(REGION.name), says('read-only', /copy it/, path));
}

describe('A map that cannot be written', () => {
  test('is read, and says so when it is written: a file without the right, in a folder that has it', async (context) => {
    using folder = temporaryFolder();
    const path = folder.file('a.pxmap');
    await makeMap(path);
    using fixed = isRoot ? fixByMount(path) : fixByRight(path);
    if (!fixed) return context.skip('root may write everything but what is mounted so, and may not mount here');
    await expectReadOnly(path);
  });

  test('is read, and says so when it is written: a folder without the right', async () => {
    // For root, who may write everything, the disk below stands for it.
    if (isRoot) return;
    using folder = temporaryFolder();
    mkdirSync(folder.file('fixed'));
    const path = folder.file('fixed/a.pxmap');
    await makeMap(path);
    using _ = fixByRight(folder.file('fixed'));
    await expectReadOnly(path);
    assert.throws(() => createMapFile(folder.file('fixed/b.pxmap')), says('read-only', /choose another/, 'b.pxmap'));
  });

  test('is read, and says so when it is written: a disk that is mounted so', async (context) => {
    using folder = temporaryFolder();
    using disk = mountDisk(folder.file('disk'), '8m');
    if (!disk) return context.skip('only root may mount a disk');
    const path = folder.file('disk/a.pxmap');
    await makeMap(path);
    disk.remount('ro');
    await expectReadOnly(path);
    assert.throws(() => createMapFile(folder.file('disk/b.pxmap')), says('read-only', /choose another/, 'b.pxmap'));
    // A log that was not folded into the file can only be read where its index can be made.
    disk.remount('rw');
    const writer = new DatabaseSync(path);
    writer.exec("UPDATE regions SET kind = 'other'");
    for (const name of ['a.pxmap', 'a.pxmap-wal'])
      copyFileSync(folder.file(`disk/${name}`), folder.file(`disk/b${name}`));
    writer.close();
    disk.remount('ro');
    assert.throws(() => openMap(folder.file('disk/ba.pxmap')), says('read-only', /-wal.*copy/, 'ba.pxmap'));
  });

  test('is read when nothing is to be written', async () => {
    using folder = temporaryFolder();
    await makeMap(folder.file('a.pxmap'));
    await using map = openMap(folder.file('a.pxmap'), { readOnly: true });
    assert.deepEqual(await map.read(AREA), PIXELS);
    await assert.rejects(map.write(AREA, PIXELS), says('read-only', /./, 'a.pxmap'));
  });
});

describe('A full disk', () => {
  test('stops a write with the advice to make room; all before it is there, and with room it goes on', async (context) => {
    using folder = temporaryFolder();
    using disk = mountDisk(folder.file('disk'), '2m');
    if (!disk) return context.skip('only root may mount a disk that can be filled');
    const path = folder.file('disk/a.pxmap');
    await makeMap(path);
    const below = (n: number) => ({ ...AREA, y: AREA.y + n * AREA.height });
    let written = 0;
    const fill = async (map: InfiniteMap) => {
      for (; written < 500; written++) {
        const region = { ...REGION, name: `${written + 1}` };
        await map.write(below(written + 1), PIXELS, { region });
      }
    };
    {
      await using map = openMap(path);
      await assert.rejects(fill(map), says('io', /disk is full.*nothing is lost.*make room/, path));
      assert.ok(written > 5, `${written} writes`);
      for (let n = 0; n <= written; n++) assert.deepEqual(await map.read(below(n)), PIXELS);
      assert.deepEqual(
        await map.read({ ...below(written + 1), y: below(written + 1).y + 16, height: 1 }),
        new Uint8Array(360),
      );
      assert.equal((await map.regions()).length, written + 1);
    }
    assert.throws(() => createMapFile(folder.file('disk/b.pxmap')), says('io', /full|space/, 'b.pxmap'));
    assert.deepEqual(
      readdirSync(folder.file('disk')).filter((name) => name.includes('b.pxmap')),
      [],
    );
    disk.remount('size=16m');
    await using map = openMap(path);
    await map.write(below(written + 1), PIXELS);
    for (let n = 0; n <= written + 1; n++) assert.deepEqual(await map.read(below(n)), PIXELS);
  });
});

/** A process that holds the map's lock until it is killed. */
async function holdLock(path: string): Promise<ChildProcess> {
  const script = `const { DatabaseSync } = require('node:sqlite');
    const database = new DatabaseSync(process.argv[1]);
    database.exec('BEGIN IMMEDIATE');
    console.log('locked');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--no-warnings', '-e', script, path]);
  await once(child.stdout, 'data');
  return child;
}

describe('A map that another process keeps locked', () => {
  test('is read meanwhile; writes give up in time, and work afterwards', async () => {
    using folder = temporaryFolder();
    const path = folder.file('a.pxmap');
    await makeMap(path);
    await using map = openMap(path, { busyMilliseconds: 60 });
    const other = await holdLock(path);
    const begun = performance.now();
    assert.deepEqual(await map.read(AREA), PIXELS);
    await assert.rejects(map.removeRegion(REGION.name), says('map-busy', /other processes.*try again/, path));
    // Opening waits for nobody.
    {
      await using opened = openMap(path, { busyMilliseconds: 60 });
      assert.deepEqual(await opened.read(AREA), PIXELS);
    }
    assert.ok(performance.now() - begun < 5000);
    other.kill('SIGKILL');
    await once(other, 'close');
    assert.deepEqual(await map.regions(), [{ ...REGION, ...AREA }]);
    await map.removeRegion(REGION.name);
    assert.deepEqual(await readAll(path), PIXELS);
  });
});
