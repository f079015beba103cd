import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { renderToString } from 'ink';
import { createElement } from 'react';
import { parseConfig } from '../config/load-config.ts';
import { openSqliteStore } from '../store/sqlite-store.ts';
import type { Store, TaskDefinition } from '../store/types.ts';
import { takeSnapshot } from './snapshot.ts';
import { Dashboard } from './view.ts';

const AUTHOR = { who: 'test', why: 'for a test' };
const config = parseConfig(JSON.stringify({ agents: {} }), 'test');

describe('The dashboard', () => {
  test('fits into 80 columns and 24 rows with long names, wide letters and control sequences in the text', async () => {
    await using store = openSqliteStore(':memory:');
    await store.addTasks(
      [task('a'.repeat(90), 'A title '.repeat(30)), task('b', 'Evil \x1b[2J\x1b]0;title\x07 title')],
      AUTHOR,
    );
    await begin(store, '\x1b[31mred\x1b[0m and 漢字 '.repeat(40));
    const shown = await show(store, { columns: 80, rows: 24 });
    const lines = shown.split('\n');
    assert.ok(lines.length <= 24, `${lines.length} lines`);
    for (const line of lines) assert.ok([...line].length <= 80, `${[...line].length}: ${line}`);
    assert.ok(!shown.includes('\x1b[2J') && !shown.includes('\x07'));
    assert.match(shown, /aaaaaaa… +running/);
    assert.match(shown, /── a+….*attempt 1 by writer: test/);
  });

  test('shows what is held and what is spent against the limits, and that the coach is paused', async () => {
    await using store = openSqliteStore(':memory:');
    await store.addTasks([task('a', 'A')], AUTHOR);
    await begin(store, '');
    await store.setPaused(true, AUTHOR);
    const shown = await show(store, { columns: 80, rows: 24 });
    assert.match(shown, /PAUSED/);
    assert.match(shown, /^run +█+░+ \$0\.25 \+ \$0\.50 held of \$2\.00$/m);
    assert.match(shown, /^today +█+░+ \$0\.25 \+ \$0\.50 held of \$5\.00$/m);
  });

  test('says so when there is nothing', async () => {
    await using store = openSqliteStore(':memory:');
    assert.match(await show(store, { columns: 60, rows: 16 }), /nothing has run yet/);
  });
});

/** A run with one task at work: a settled call of $0.25, and one of $0.50 under way. */
async function begin(store: Store, output: string): Promise<void> {
  await store.createRun({
    id: 'r',
    branch: 'coach/r',
    baseCommit: '0'.repeat(40),
    processId: process.pid,
    options: {},
  });
  const claimed = await store.claim({ runId: 'r', owner: 'o', leaseMilliseconds: 60_000 });
  assert.ok(claimed);
  const { lease } = claimed;
  const attempt = await store.startAttempt(lease, { agent: 'writer', model: 'm', baseCommit: '0'.repeat(40) });
  const call = { attemptId: attempt.id, agent: 'writer', model: 'm', paid: true, limits: {} };
  const settled = await store.reserveCall(lease, { ...call, purpose: 'generate', reserved: 300_000_000 });
  const usage = { inputTokens: 1, outputTokens: 1, cachedTokens: 0, reasoningTokens: 0 };
  await store.settleCall(settled.id, { cost: 250_000_000, usage });
  await store.reserveCall(lease, { ...call, purpose: 'review', reserved: 500_000_000 });
  await store.updateAttempt(lease, attempt.id, { stage: 'test', testOutput: output });
}

async function show(store: Store, size: { columns: number; rows: number }): Promise<string> {
  const snapshot = await takeSnapshot(store, { config, liveFolder: '/nowhere', chosen: undefined });
  const view = createElement(Dashboard, { snapshot, chosen: undefined, message: '', ...size });
  return renderToString(view, { columns: size.columns });
}

function task(id: string, title: string): TaskDefinition {
  return {
    id,
    phase: '0_first',
    title,
    description: '',
    action: 'write_file',
    paths: ['a.js'],
    context: [],
    priority: 0,
    dependencies: [],
    testCommand: null,
    hiddenTestCommand: null,
    preferredAgent: null,
    maxAttempts: null,
    budget: null,
  };
}
