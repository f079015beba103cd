/**
 * Phases 0 to 5 of the example roadmap, with scripted models at real prices: the bill is under a dollar and exact to the call. The
 * roadmap's own test commands are run, on tests that are made for the occasion.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { RunSummary } from '../src/loop/options.ts';
import { parseRoadmap } from '../src/roadmap/read-roadmap.ts';
import type { RoadmapTask } from '../src/roadmap/schema.ts';
import { openSqliteStore } from '../src/store/sqlite-store.ts';
import { createProject, sandboxIsHere } from './coach-project.ts';
import type { Script, ScriptedUsage } from './scripted-server/script.ts';
import { startScriptedServer } from './scripted-server/server.ts';

const DOLLAR = 1_000_000_000;
const EXAMPLE = new URL('../examples/coach.roadmap.yaml', import.meta.url);
const roadmap = parseRoadmap(readFileSync(EXAMPLE, 'utf8'), 'coach.roadmap.yaml');
const phases = roadmap.phases.filter(({ id }) => Number(id[0]) <= 5);
const tasks = phases.flatMap((phase) => phase.tasks);

describe('Phases 0 to 5 of the example roadmap', {
  skip: (await sandboxIsHere()) ? false : 'NOT RUN: there is no sandbox here',
}, () => {
  test('cost under a dollar, and the bill is exact to the call', async () => {
    await using server = await startScriptedServer(
      { writer, 'gemini-3.8-flash': reviewer },
      { subjectOf: ({ text }) => tasks.find(({ title }) => text.includes(title))?.id ?? '' },
    );
    using project = createProject({
      config: {
        agents: {
          local: { kind: 'openai-compatible', baseUrl: server.baseUrl, model: 'writer' },
          gemini: { kind: 'gemini', baseUrl: `${server.origin}/v1beta`, apiKey: { env: 'TEST_GEMINI_KEY' } },
        },
        generators: ['local'],
        reviewers: ['gemini'],
        workers: 2,
      },
      roadmap: { version: 1, phases },
      files: testFiles(),
      environment: { TEST_GEMINI_KEY: 'key' },
    });
    await project.json(0, 'init');
    const { summary } = (await project.json(0, 'coach')) as { summary: RunSummary };
    assert.deepEqual([summary.done, summary.needsHuman, summary.ending], [tasks.length, 0, 'no-more-tasks']);

    const billed = server.calls.flatMap(({ model, usage }) => (model === 'writer' || !usage ? [] : [priceOf(usage)]));
    await using store = openSqliteStore(join(project.folder, '.pixel-coach', 'coach.db'));
    const calls = await store.listCalls();
    const paid = calls.filter(({ agent }) => agent === 'gemini');
    assert.deepEqual(paid.map(({ cost }) => cost).sort(), billed.sort());
    const bill = billed.reduce((sum, cost) => sum + cost, 0);
    assert.equal(summary.cost, bill);
    assert.ok(bill > 0 && bill < DOLLAR, `the bill is ${bill / DOLLAR} dollars`);
    for (const { reserved, cost } of paid)
      assert.ok(cost !== null && cost <= reserved, 'no call cost more than was held for it');
    assert.equal(calls.filter(({ agent, cost }) => agent === 'local' && cost !== 0).length, 0);
  });
});

/** Wrong first for every third task. */
const writer: Script = ({ text }, turn) => {
  const task = tasks.find(({ title }) => text.includes(title));
  if (!task) throw new Error('An unknown task.');
  const isRight = tasks.indexOf(task) % 3 !== 1 || turn > 0;
  const files = task.paths.map((path) => `### FILE: ${path}\n\`\`\`ts\nexport const ready = ${isRight};\n\`\`\`\n`);
  return { kind: 'text', text: files.join('\n') };
};

/** Just at the threshold for every fifth task: then three reviews are asked for. Each call has numbers of its own. */
const reviewer: Script = ({ text }, turn) => {
  const index = tasks.findIndex(({ title }) => text.includes(title));
  const score = index % 5 === 0 ? 8 : 9;
  const inputTokens = 3000 + 17 * index + turn;
  const outputTokens = 900 + 31 * index + turn;
  return {
    kind: 'text',
    text: JSON.stringify({ score, mustFix: [], niceToHave: [], summary: 'Fine.' }),
    usage: { inputTokens, cachedInputTokens: 7 * index, outputTokens, reasoningTokens: outputTokens - 60 },
  };
};

/** By hand: $0.75 and $3.75 a million, cached input a tenth; twice that from 2027. */
function priceOf({ inputTokens, cachedInputTokens = 0, outputTokens }: ScriptedUsage): number {
  const factor = Date.now() < Date.parse('2027-01-01T00:00:00Z') ? 1 : 2;
  return factor * ((inputTokens - cachedInputTokens) * 750 + cachedInputTokens * 75 + outputTokens * 3750);
}

/** For each test file that the roadmap names, one that wants every file of its tasks to be ready. */
function testFiles(): Record<string, string> {
  const byFile = Map.groupBy(tasks, testFileOf);
  const files: Record<string, string> = {};
  for (const [file, proved] of byFile) {
    const checks = proved.map(({ id, paths }) => {
      const up = '../'.repeat(file.split('/').length - 1);
      // Only this task's files: another's may still be missing.
      const imports = paths.map((path) => `(await import('${up}${path}').catch(() => ({ ready: 'missing' }))).ready`);
      return `test('${id}', async () => {\n  for (const ready of [${imports.join(', ')}]) assert.ok(ready === true || ready === 'missing');\n});`;
    });
    files[file] =
      `import assert from 'node:assert/strict';\nimport { test } from 'node:test';\n\n${checks.join('\n')}\n`;
  }
  return files;
}

function testFileOf({ id, test_command }: RoadmapTask): string {
  const file = test_command?.split(' ').at(-1) ?? '';
  assert.ok(file.endsWith('.test.ts'), `${id}: ${test_command}`);
  return file;
}
