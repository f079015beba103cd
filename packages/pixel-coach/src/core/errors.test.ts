import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { COACH_ERROR_CODES } from './errors.ts';

test("The coach's error codes are all listed in docs/errors.md, word for word, and no others", () => {
  const page = readFileSync(new URL('../../../../docs/errors.md', import.meta.url), 'utf8');
  const section = page.split('## pixel-coach')[1] ?? '';
  const listed = [...section.matchAll(/^\| `([a-z-]+)` \| (.+) \|$/gm)].map((row) => [row[1], row[2]]);
  assert.deepEqual(listed, Object.entries(COACH_ERROR_CODES));
});
