/**
 * How long the coach's store takes with 100,000 tasks in it: `node bench/coach-store.ts`. Checks that claims come in order and that
 * lists are whole, then times list, next and claim, in turns.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../packages/pixel-coach/src/index.ts';
import { definition } from '../packages/pixel-coach/test/store-conformance.ts';
import { median, printTable, type ResultRow, rounded, saveResults } from './harness.ts';

const TASKS = 100_000;
const ROUNDS = 1000;
/** Milliseconds, of the slowest call in a hundred. */
const TARGET = 20;

const folder = mkdtempSync(join(tmpdir(), 'pixel-coach-bench-'));
try {
  await using store = openSqliteStore(join(folder, 'coach.db'));
  const author = { who: 'bench', why: 'bench' };
  const tasks = Array.from({ length: TASKS }, (_, index) =>
    definition(`t${index}`, {
      phase: `${index % 8}_phase`,
      priority: index % 5,
      description: 'A task with a description of usual length. '.repeat(10),
      dependencies: index % 4 === 3 ? [`t${index - 1}`] : [],
    }),
  );
  const begun = performance.now();
  await store.addTasks(tasks, author);
  const addSeconds = (performance.now() - begun) / 1000;
  await store.createRun({ id: 'run', branch: 'coach/run', baseCommit: 'base', processId: process.pid, options: {} });

  const first = await store.nextTasks(3);
  assert.deepEqual(
    first.map(({ priority }) => priority),
    [4, 4, 4],
  );
  assert.equal((await store.listTasks({ phase: '0_phase', limit: TASKS })).length, TASKS / 8);

  const times = { list: [] as number[], listPhase: [] as number[], next: [] as number[], claim: [] as number[] };
  const timed = async <T>(into: number[], work: () => Promise<T>): Promise<T> => {
    const start = performance.now();
    const result = await work();
    into.push(performance.now() - start);
    return result;
  };
  for (let round = 0; round < ROUNDS; round++) {
    const after = (round * 97) % TASKS;
    await timed(times.list, () => store.listTasks({ status: 'ready', limit: 100, after }));
    await timed(times.listPhase, () => store.listTasks({ phase: `${round % 8}_phase`, limit: 100, after }));
    const [next] = await timed(times.next, () => store.nextTasks(10));
    const claim = await timed(times.claim, () =>
      store.claim({ runId: 'run', owner: 'bench', leaseMilliseconds: 3_600_000 }),
    );
    assert.equal(claim?.task.id, next?.id);
    if (claim !== undefined && round % 2 === 0) await store.release(claim.lease, 'needs_human', author);
  }
  const rows = Object.entries(times).map(([name, all]): ResultRow => {
    const p99 = rounded(all.toSorted((a, b) => a - b)[Math.floor(all.length * 0.99)] ?? 0);
    return {
      what: `${name} with ${TASKS.toLocaleString('en')} tasks in the store (p99, ms; at most ${TARGET})`,
      rates: { p99Milliseconds: p99, medianMilliseconds: rounded(median(all)) },
    };
  });
  rows.push({ what: `adding ${TASKS.toLocaleString('en')} tasks (s)`, rates: { seconds: rounded(addSeconds) } });
  printTable(rows);
  console.log(`\nwritten to ${await saveResults('coach-store', rows)}`);
  for (const { what, rates } of rows.slice(0, 4)) assert.ok((rates.p99Milliseconds ?? 0) < TARGET, what);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
