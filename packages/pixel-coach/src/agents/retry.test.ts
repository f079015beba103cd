import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CoachError } from '../core/errors.ts';
import { parseRetryAfter, withRetries } from './retry.ts';

const busy = (details: object = {}): CoachError =>
  new CoachError('agent-unavailable', 'Busy.', { details: { retryable: true, ...details } });

describe('Retry-After', () => {
  test('is read as seconds, milliseconds or a date', () => {
    const now = Date.parse('2026-11-25T12:00:00Z');
    assert.equal(parseRetryAfter({ 'retry-after': '7' }, now), 7000);
    assert.equal(parseRetryAfter({ 'retry-after': 'Wed, 25 Nov 2026 12:01:30 GMT' }, now), 90_000);
    assert.equal(parseRetryAfter({ 'retry-after': 'Wed, 25 Nov 2026 11:00:00 GMT' }, now), 0);
    assert.equal(parseRetryAfter({ 'retry-after-ms': '250', 'retry-after': '7' }, now), 250);
    for (const headers of [undefined, {}, { 'retry-after': 'soon' }, { 'retry-after': '-5' }, { 'retry-after': '' }]) {
      assert.equal(parseRetryAfter(headers, now), undefined);
    }
  });
});

describe('Retries', () => {
  test('wait at random up to a bound that doubles, and no longer than the largest', async () => {
    const waits: number[] = [];
    const options = { attempts: 5, baseMilliseconds: 4, maxMilliseconds: 10, random: () => 1 };
    await assert.rejects(
      withRetries(() => Promise.reject(busy()), { ...options, onRetry: (_error, wait) => waits.push(wait) }),
      { code: 'agent-unavailable' },
    );
    assert.deepEqual(waits, [4, 8, 10, 10]);
  });

  test('stop at what does not pass', async () => {
    let calls = 0;
    const failing = (error: Error) => () => {
      calls++;
      return Promise.reject(error);
    };
    const options = { attempts: 5, baseMilliseconds: 1, maxMilliseconds: 1 };
    for (const error of [busy({ retryable: false }), new CoachError('agent-failed', 'No.'), new Error('else')]) {
      calls = 0;
      await assert.rejects(withRetries(failing(error), options), error);
      assert.equal(calls, 1);
    }
  });

  test('stop when the signal fires', async () => {
    const stop = new AbortController();
    const options = { attempts: 5, baseMilliseconds: 60_000, maxMilliseconds: 60_000, random: () => 1 };
    const work = withRetries(() => Promise.reject(busy()), { ...options, signal: stop.signal });
    setTimeout(() => stop.abort(), 20);
    await assert.rejects(work, { code: 'aborted' });
  });
});
