/**
 * Kill -9 at every step of the loop: a process dies there, another one takes over, and nothing is lost, done twice, half done, or
 * uncounted. The default run walks a slice of the steps that moves with its seed; PIXEL_FULL=1 walks all of them.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openSqliteStore } from '../src/index.ts';
import { repositoryOf } from './repository-of.ts';
import { skip } from './sandbox-here.ts';
import { definition } from './store-conformance.ts';

const SLICE = 4;

const TASKS = ['a', 'b'].map((id) =>
  definition(id, {
    paths: [`src/${id}.ts`],
    testCommand: `grep -q right src/${id}.ts`,
    dependencies: id === 'b' ? ['a'] : [],
  }),
);

interface Walk {
  readonly steps: number;
  /** Steps right before and right after a branch moves. */
  readonly atBranch: readonly number[];
}

function work(folder: string, killAt: number): Promise<Walk & { readonly signal: string | null }> {
  const script = join(import.meta.dirname, 'crash-worker.ts');
  return new Promise((resolve) => {
    const parameters = ['--conditions=pixel-llm-source', script, folder, `${killAt}`];
    const child = execFile(process.execPath, parameters, { encoding: 'utf8' }, (error, stdout, stderr) => {
      if (error !== null && child.signalCode === null) console.log(stderr);
      const walk: Walk = stdout === '' ? { steps: 0, atBranch: [] } : JSON.parse(stdout);
      resolve({ ...walk, signal: child.signalCode });
    });
  });
}

async function withProject(killAt: number): Promise<Walk> {
  using made = await repositoryOf({ 'src/x.ts': '', '.gitignore': '.pixel-coach/\ncalls.log\n' });
  const path = join(made.folder, '.pixel-coach', 'coach.db');
  {
    await using store = openSqliteStore(path);
    await store.addTasks(TASKS, { who: 'a person', why: 'roadmap' });
  }
  const first = await work(made.folder, killAt);
  assert.equal(first.signal, killAt === 0 ? null : 'SIGKILL', `step ${killAt} was reached`);
  if (killAt > 0) assert.equal((await work(made.folder, 0)).signal, null);
  await using store = openSqliteStore(path);

  // Nothing lost, nothing twice.
  const tasks = await store.listTasks();
  assert.deepEqual(
    tasks.map(({ status }) => status),
    ['done', 'done'],
  );
  const lineage = await store.listLineage();
  assert.deepEqual(
    lineage.map(({ taskId }) => taskId),
    ['a', 'b'],
  );

  // What is on the branches is what was accepted, and nothing else; each commit is a whole change.
  const branches = made.git('for-each-ref', '--format=%(refname)', 'refs/heads/coach').split('\n').filter(Boolean);
  const commits = made.git('rev-list', '--no-merges', ...branches, '^main').split('\n');
  assert.deepEqual(commits.toSorted(), lineage.map(({ commit }) => commit).toSorted());
  for (const { commit, taskId } of lineage) {
    assert.equal(made.git('show', '--format=', '--name-only', commit), `src/${taskId}.ts`);
    assert.equal(made.git('show', `${commit}:src/${taskId}.ts`), 'export const right = 1;');
  }
  assert.equal(made.git('status', '--porcelain'), '');

  // Every call that an agent got was reserved before, and is settled or counts as lost; sums are those of the calls.
  const calls = await store.listCalls();
  const lines = readFileSync(join(made.folder, 'calls.log'), 'utf8').trim().split('\n').length;
  assert.ok(calls.length >= lines && calls.length <= lines + 1, `${calls.length} calls, ${lines} made`);
  assert.ok(calls.every(({ status }) => status !== 'reserved'));
  const spent = calls.reduce((sum, { cost, reserved }) => sum + (cost ?? reserved), 0);
  for (const scope of ['task', 'run', 'day'] as const) {
    const costs = await store.listCosts(scope);
    assert.equal(
      costs.reduce((sum, { settled, reserved }) => sum + settled + reserved, 0),
      spent,
      scope,
    );
  }

  // No attempt is left open, and no run but those that ended.
  for (const { id } of tasks)
    for (const attempt of await store.listAttempts(id)) assert.notEqual(attempt.status, 'running');
  for (const run of await store.listRuns()) assert.notEqual(run.status, 'running');
  return first;
}

describe('Kill -9', { skip }, () => {
  test('at any step loses no task, runs none twice, leaves no half change and no call uncounted', async () => {
    const { steps, atBranch } = await withProject(0);
    assert.ok(steps > 60, `${steps} steps`);
    const all = Array.from({ length: steps }, (_, index) => index + 1);
    // Always the first moving of the branch, where most is at stake; the others in turn, a few each day.
    const day = Math.floor(Date.now() / 86_400_000);
    const stride = Math.ceil(steps / SLICE);
    const slice = all.filter((step) => step % stride === day % stride);
    const chosen = process.env.PIXEL_FULL ? all : new Set([...atBranch.slice(0, 2), ...slice]);
    for (const step of chosen) await withProject(step);
  });
});
