import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { isPixelError } from '../../core/errors.ts';
import { isLeased, removeDeadLease, takeLease } from './lease.ts';

const root = mkdtempSync(join(tmpdir(), 'pixel-llm-lease-'));
after(() => rmSync(root, { recursive: true, force: true }));

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(root, 'f-'));
  path = join(folder, 'model.lock');
});

/** A lease as another process left it. */
function left({ pid = process.pid, host = hostname(), seconds = 0 }): void {
  writeFileSync(path, JSON.stringify({ token: 'theirs', pid, host }));
  const then = new Date(Date.now() - seconds * 1000);
  utimesSync(path, then, then);
}

/** No process has it: above the greatest that Linux gives. */
const NOBODY = 2 ** 22 + 1;

describe('A lease', () => {
  test('is held by one at a time; who waits gets it when it is released', async () => {
    const order: string[] = [];
    await Promise.all(
      ['a', 'b', 'c'].map(async (name) => {
        const lease = await takeLease(path);
        order.push(name, name);
        assert.ok(await isLeased(path));
        await lease.check();
        order.push(name);
        await lease.release();
      }),
    );
    assert.equal(order.length, 9);
    assert.ok(
      [0, 3, 6].every((at) => new Set(order.slice(at, at + 3)).size === 1),
      order.join(),
    );
    assert.deepEqual(readdirSync(folder), []);
  });

  for (const [whose, holder] of [
    ['a process that is gone', { pid: NOBODY }],
    ['a process that has slept too long', { seconds: 60 }],
    ['another machine that is gone', { host: 'elsewhere', pid: NOBODY, seconds: 60 }],
  ] as const) {
    test(`of ${whose} is taken over at once`, async () => {
      left(holder);
      assert.equal(await isLeased(path), false);
      const lease = await takeLease(path, { onWait: () => assert.fail('waited') });
      assert.match(readFileSync(path, 'utf8'), new RegExp(`"pid":${process.pid}`));
      await lease.release();
      assert.deepEqual(readdirSync(folder), []);
    });
  }

  for (const [whose, holder] of [
    ['a process that runs', {}],
    ['another machine', { host: 'elsewhere', pid: NOBODY }],
  ] as const) {
    test(`of ${whose} is waited for, until the signal fires`, async () => {
      left(holder);
      const controller = new AbortController();
      const waiting = takeLease(path, { signal: controller.signal, onWait: () => controller.abort() });
      await assert.rejects(waiting, (error) => isPixelError(error, 'aborted'));
      await removeDeadLease(path);
      assert.ok(existsSync(path));
    });
  }

  test('that is being written counts as held, and a dead one can be removed', async () => {
    writeFileSync(path, '');
    assert.ok(await isLeased(path));
    left({ pid: NOBODY });
    await removeDeadLease(path);
    assert.deepEqual(readdirSync(folder), []);
  });

  test('that another took over while its holder slept is not released by the sleeper', async () => {
    const sleeper = await takeLease(path);
    left({ pid: process.pid });
    await sleeper.release();
    assert.match(readFileSync(path, 'utf8'), /theirs/);
  });

  test('is checked by a holder that slept: still its own, or lost to another', async (context) => {
    const lease = await takeLease(path);
    const now = performance.now();
    context.mock.method(performance, 'now', () => now + 60_000);
    await lease.check();
    left({ pid: process.pid });
    await lease.check();
    context.mock.method(performance, 'now', () => now + 120_000);
    await assert.rejects(
      lease.check(),
      (error) => isPixelError(error, 'io') && /Another process went on/.test(error.message),
    );
    await lease.release();
  });

  test('says which folder is missing', async () => {
    await assert.rejects(takeLease(join(folder, 'none', 'model.lock')), (error) => {
      assert.ok(isPixelError(error, 'file-not-found'));
      assert.match(error.message, /none does not exist/);
      return true;
    });
  });
});
