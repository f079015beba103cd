/** What is published: the built JavaScript, which must not look for sources that are not there. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const DIST = join(import.meta.dirname, '..', 'dist');

test('The built files import no TypeScript', {
  skip: existsSync(DIST) ? false : 'NOT RUN: there is no dist, "npm run build" makes it',
}, () => {
  const files = globSync('**/*.js', { cwd: DIST });
  assert.ok(files.length > 50);
  for (const file of files) {
    const text = readFileSync(join(DIST, file), 'utf8');
    assert.doesNotMatch(text, /(from|import)\s*\(?\s*['"]\.[^'"\n]*\.ts['"]/, file);
  }
});
