import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { ERROR_CODES, isPixelError, PixelError, throwIfAborted } from './errors.ts';

describe('Errors', () => {
  test('carry a code, details and a cause', () => {
    const cause = new Error('why');
    const error = new PixelError('io', 'It failed.', { cause, details: { line: 3 } });
    assert.equal(error.cause, cause);
    assert.deepEqual(error.details, { line: 3 });
    assert.deepEqual(
      [isPixelError(error), isPixelError(error, 'io'), isPixelError(error, 'http')],
      [true, true, false],
    );
    assert.ok(!isPixelError(cause));
  });

  test('an aborted signal throws "aborted", a live one nothing', () => {
    throwIfAborted(undefined);
    throwIfAborted(new AbortController().signal);
    assert.throws(
      () => throwIfAborted(AbortSignal.abort()),
      (error) => isPixelError(error, 'aborted'),
    );
  });

  test('are all listed in docs/errors.md, word for word, and no others', () => {
    const [page = ''] = readFileSync(new URL('../../../../docs/errors.md', import.meta.url), 'utf8').split(
      '## pixel-coach',
    );
    const listed = [...page.matchAll(/^\| `([a-z0-9-]+)` \| (.+) \|$/gm)].map(([, code, text]) => [code, text]);
    assert.deepEqual(listed, Object.entries(ERROR_CODES));
  });
});
