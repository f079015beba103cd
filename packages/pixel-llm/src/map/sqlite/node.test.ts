import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { MAP_APPLICATION_ID, MAP_MIGRATIONS, MAP_PAGE_BYTES } from '../sqlite-schema.ts';
import { temporaryFolder } from '../testing.ts';
import { createMapFile } from './node.ts';

test('A new map has its pages, its log, its version and its owner in the file', () => {
  using folder = temporaryFolder();
  createMapFile(folder.file('a.pxmap'));
  const database = new DatabaseSync(folder.file('a.pxmap'));
  const pragma = (name: string) => database.prepare(`PRAGMA ${name}`).get()?.[name];
  assert.equal(pragma('page_size'), MAP_PAGE_BYTES);
  assert.equal(pragma('journal_mode'), 'wal');
  assert.equal(pragma('user_version'), MAP_MIGRATIONS.length);
  assert.equal(pragma('application_id'), MAP_APPLICATION_ID);
  database.close();
});
