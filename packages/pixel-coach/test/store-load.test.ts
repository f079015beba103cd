/** Four processes on one store at once: no task twice, none missing, no lock error, every amount counted. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { openSqliteStore } from '../src/index.ts';
import { definition } from './store-conformance.ts';

const PROCESSES = 4;
/** For each process. */
const TASKS = process.env.PIXEL_FULL ? 2000 : 100;

test(`${PROCESSES} processes with ${TASKS} tasks each on one store take every task once`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pixel-coach-load-'));
  const file = join(folder, 'coach.db');
  try {
    await using store = openSqliteStore(file);
    const ids = Array.from({ length: PROCESSES * TASKS }, (_, index) => `t${index}`);
    // Each eighth waits for the one before it, so that claims and wakings meet.
    const tasks = ids.map((id, index) => definition(id, index % 8 === 7 ? { dependencies: [`t${index - 1}`] } : {}));
    await store.addTasks(tasks, { who: 'a person', why: 'load' });
    const script = join(import.meta.dirname, 'store-worker.ts');
    const runs = Array.from({ length: PROCESSES }, (_, index) => `run-${index}`);
    const outputs = await Promise.all(
      runs.map((run) => promisify(execFile)(process.execPath, ['--conditions=pixel-llm-source', script, file, run])),
    );
    assert.deepEqual(
      outputs.map(({ stderr }) => stderr),
      runs.map(() => ''),
    );
    const claimed = readFileSync(`${file}.log`, 'utf8').trim().split('\n');
    assert.deepEqual(claimed.toSorted(), ids.toSorted());
    assert.equal((await store.listTasks({ status: 'done', limit: 10 ** 6 })).length, ids.length);
    assert.equal((await store.listLineage()).length, ids.length);
    for (const scope of ['task', 'run', 'day'] as const) {
      const costs = await store.listCosts(scope);
      const sum = costs.reduce((total, { settled, reserved }) => total + settled + reserved * 10 ** 6, 0);
      assert.equal(sum, ids.length * 7, scope);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
