import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createProgressBar, formatBytes, formatProgress } from './progress-bar.ts';

describe('The progress bar', () => {
  test('shows share, amount, rate and time left', () => {
    const line = formatProgress({ phase: 'converting', done: 1.2e9, total: 4.8e9, unit: 'bytes' }, 3);
    assert.equal(line, 'converting  [######------------------]  25 %  1.20 GB of 4.80 GB  400 MB/s  9 s left');
  });

  test('counts the rate from where the work went on, not from its very beginning', () => {
    const line = formatProgress({ phase: 'pulling', done: 3e9, total: 4e9, unit: 'bytes' }, 10, 2e9);
    assert.equal(line, 'pulling  [##################------]  75 %  3.00 GB of 4.00 GB  100 MB/s  10 s left');
  });

  test('does without a total, a rate, or a beginning', () => {
    assert.equal(formatProgress({ phase: 'reading', done: 0, unit: 'tensors' }, 0), 'reading  0 tensors');
    assert.equal(formatProgress({ phase: 'empty', done: 0, total: 0, unit: 'bytes' }, 1), 'empty  0 bytes of 0 bytes');
    assert.match(formatProgress({ phase: 'long', done: 1, total: 1e6, unit: 'lines' }, 1), /278 h left|277\.8 h left/);
  });

  test('is drawn ten times a second at most, but a new phase at once, and needs no width of the terminal', (context) => {
    let now = 0;
    context.mock.method(performance, 'now', () => now);
    const drawn: string[] = [];
    const bar = createProgressBar({ isTTY: true, columns: 0, write: (text: string) => drawn.push(text) > 0 });
    for (now = 0; now <= 1000; now += 10) bar.onProgress({ phase: 'converting', done: now, unit: 'lines' });
    assert.equal(drawn.length, 8);
    bar.onProgress({ phase: 'writing to disk', done: 5, unit: 'bytes' });
    assert.equal(drawn.at(-1), '\r\x1b[2Kwriting to disk  5 bytes');
  });

  test('says sizes in decimal units with three digits', () => {
    assert.deepEqual([0, 999, 1500, 749_728, 4.68e9, 999_960].map(formatBytes), [
      '0 bytes',
      '999 bytes',
      '1.50 kB',
      '750 kB',
      '4.68 GB',
      '1000 kB',
    ]);
  });
});
