import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { definition, describeStore } from '../../test/store-conformance.ts';
import { openSqliteStore } from './sqlite-store.ts';

const AUTHOR = { who: 'a person', why: 'because of a test' };

describeStore('SQLite', async (clock) => {
  const folder = mkdtempSync(join(tmpdir(), 'pixel-coach-store-'));
  const path = join(folder, '.pixel-coach', 'coach.db');
  const store = openSqliteStore(path, { clock });
  const other = openSqliteStore(path, { clock });
  const close = async () => {
    await store[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  };
  return { store, other, close };
});

describe('A SQLite file', () => {
  function withFile(work: (path: string) => void | Promise<void>) {
    return async () => {
      const folder = mkdtempSync(join(tmpdir(), 'pixel-coach-store-'));
      try {
        await work(join(folder, 'coach.db'));
      } finally {
        rmSync(folder, { recursive: true });
      }
    };
  }

  test(
    'that is no database, or of another program, or of a newer version, is refused and left as it is',
    withFile((path) => {
      writeFileSync(path, 'no database at all, but a text that is long enough to be read as one'.repeat(20));
      assert.throws(() => openSqliteStore(path), { code: 'bad-store' });
      rmSync(path);
      const foreign = new DatabaseSync(path);
      foreign.exec('CREATE TABLE recipes (name TEXT)');
      assert.throws(() => openSqliteStore(path), { code: 'bad-store', message: /another program/ });
      foreign.exec('DROP TABLE recipes; PRAGMA user_version = 99');
      assert.throws(() => openSqliteStore(path), { code: 'bad-store', message: /newer/ });
      foreign.close();
    }),
  );

  test('in a folder that cannot be made is an io error', () => {
    assert.throws(() => openSqliteStore('/dev/null/coach.db'), { code: 'io' });
  });

  test(
    'is migrated once and opened again with everything in it',
    withFile(async (path) => {
      {
        await using store = openSqliteStore(path);
        await store.addTasks([definition('a')], AUTHOR);
      }
      await using again = openSqliteStore(path);
      assert.equal((await again.listTasks()).length, 1);
    }),
  );
});
