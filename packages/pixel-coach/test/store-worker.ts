/** One of several processes on one store: node store-worker.ts FILE RUN. Takes tasks through their whole life until none is left. */
import { appendFileSync } from 'node:fs';
import { openSqliteStore } from '../src/store/sqlite-store.ts';

const [file = '', runId = ''] = process.argv.slice(2);
await using store = openSqliteStore(file);
await store.createRun({ id: runId, branch: `coach/${runId}`, baseCommit: 'base', processId: process.pid, options: {} });
const usage = { inputTokens: 1, outputTokens: 1, cachedTokens: 0, reasoningTokens: 0 };
for (;;) {
  const work = await store.claim({ runId, owner: runId, leaseMilliseconds: 60_000 });
  if (work === undefined) break;
  const { lease, task } = work;
  appendFileSync(`${file}.log`, `${task.id}\n`);
  const { id } = await store.startAttempt(lease, { agent: 'a', model: 'm', baseCommit: 'base' });
  await store.heartbeat(lease, 60_000);
  const call = { attemptId: id, purpose: 'generate', agent: 'a', model: 'm', paid: true, reserved: 10 } as const;
  const reserved = await store.reserveCall(lease, { ...call, limits: { day: 10 ** 9 } });
  await store.settleCall(reserved.id, { cost: 7, usage });
  await store.updateAttempt(lease, id, { stage: 'commit', commit: `${task.id}` });
  const lineage = { commit: task.id, parentCommit: 'base', branch: 'b', generator: 'm', reviewer: null, cost: 7 };
  await store.accept(lease, id, lineage, { unproven: false, author: { who: runId, why: 'test' }, publish: () => {} });
}
await store.finishRun(runId, 'finished');
