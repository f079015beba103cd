/**
 * What every Store must do, whatever database stands behind it. A store joins by calling `describeStore` with a way to open two
 * connections to one fresh store under a clock of the test's.
 */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type Attempt,
  isLegal,
  type Lease,
  type NewCall,
  type Store,
  TASK_STATUSES,
  type TaskDefinition,
  type TaskStatus,
  TRANSITIONS,
} from '../src/index.ts';

export interface OpenedStores {
  readonly store: Store;
  /** Another connection to the same data. */
  readonly other: Store;
  readonly close: () => Promise<void>;
}

const AUTHOR = { who: 'a person', why: 'because of a test' };
const LEASE_MILLISECONDS = 1000;
const USAGE = { inputTokens: 10, outputTokens: 5, cachedTokens: 2, reasoningTokens: 1 };

export function definition(id: string, fields: Partial<TaskDefinition> = {}): TaskDefinition {
  return {
    id,
    phase: '0_first',
    title: `Title of ${id}`,
    description: '',
    action: 'write_file',
    paths: ['src/**'],
    context: [],
    priority: 0,
    dependencies: [],
    testCommand: 'true',
    hiddenTestCommand: null,
    preferredAgent: null,
    maxAttempts: null,
    budget: null,
    ...fields,
  };
}

export function describeStore(name: string, open: (clock: () => number) => Promise<OpenedStores>): void {
  describe(`The ${name} store`, () => {
    let now = 0;
    let store: Store;
    let other: Store;
    let close: () => Promise<void>;

    beforeEach(async () => {
      now = Date.UTC(2026, 10, 25, 12);
      ({ store, other, close } = await open(() => now));
      await store.createRun({ id: 'run-1', branch: 'coach/run-1', baseCommit: 'aaaa', processId: 1, options: {} });
    });
    afterEach(() => close());

    async function claim(owner = 'worker', phases?: readonly string[]) {
      return store.claim({ runId: 'run-1', owner, leaseMilliseconds: LEASE_MILLISECONDS, phases });
    }

    async function claimed(id = 'a', fields: Partial<TaskDefinition> = {}): Promise<Lease> {
      await store.addTasks([definition(id, fields)], AUTHOR);
      const work = await claim();
      assert.equal(work?.task.id, id);
      return work.lease;
    }

    async function attempted(lease: Lease): Promise<Attempt> {
      return store.startAttempt(lease, { agent: 'local', model: 'm', baseCommit: 'aaaa' });
    }

    async function accept(lease: Lease, publish: () => void = () => {}) {
      const attempt = await attempted(lease);
      const lineage = {
        commit: `commit-${attempt.id}`,
        parentCommit: 'aaaa',
        branch: 'coach/run-1',
        generator: 'm',
        reviewer: null,
        cost: 0,
      };
      return store.accept(lease, attempt.id, lineage, { unproven: false, author: AUTHOR, publish });
    }

    const call = (attemptId: number, reserved: number, limits: NewCall['limits'] = {}): NewCall => ({
      attemptId,
      purpose: 'generate',
      agent: 'paid',
      model: 'm',
      paid: true,
      reserved,
      limits,
    });

    describe('tasks', () => {
      test('come back as they were given, in order', async () => {
        const given = [
          definition('a', { description: 'ä\n"', paths: ['x', 'y/**'], context: ['z'], budget: 5, maxAttempts: 2 }),
          definition('b', { dependencies: ['a'], testCommand: null, preferredAgent: 'local', hiddenTestCommand: 'h' }),
        ];
        await store.addTasks(given, AUTHOR);
        const listed = await other.listTasks();
        for (const [index, task] of given.entries()) {
          assert.deepEqual({ ...listed[index], ...task }, listed[index]);
          assert.deepEqual(await other.getTask(task.id), listed[index]);
        }
        assert.deepEqual(
          listed.map((task) => task.status),
          ['ready', 'pending'],
        );
      });

      test('are added all together or not at all', async () => {
        await store.addTasks([definition('a')], AUTHOR);
        const refused: readonly (readonly [string, TaskDefinition[]])[] = [
          ['task-exists', [definition('b'), definition('a')]],
          ['unknown-task', [definition('b'), definition('c', { dependencies: ['nobody'] })]],
          ['bad-roadmap', [definition('b', { dependencies: ['c'] }), definition('c', { dependencies: ['b'] })]],
          ['bad-roadmap', [definition('b', { dependencies: ['b'] })]],
        ];
        for (const [code, tasks] of refused) await assert.rejects(store.addTasks(tasks, AUTHOR), { code });
        assert.equal((await store.listTasks()).length, 1);
      });

      test('are listed by phase and status, page by page, and counted', async () => {
        await store.addTasks(
          Array.from({ length: 10 }, (_, index) => definition(`t${index}`, { phase: index % 2 ? '1_odd' : '0_even' })),
          AUTHOR,
        );
        await store.setStatus('t1', 'blocked', AUTHOR);
        const ids = async (filter: Parameters<Store['listTasks']>[0]) =>
          (await store.listTasks(filter)).map((task) => task.id);
        assert.deepEqual(await ids({ phase: '1_odd' }), ['t1', 't3', 't5', 't7', 't9']);
        assert.deepEqual(await ids({ phase: '1_odd', status: 'blocked' }), ['t1']);
        assert.deepEqual(await ids({ status: 'ready', limit: 2 }), ['t0', 't2']);
        const { sequence } = await store.getTask('t2');
        assert.deepEqual(await ids({ status: 'ready', limit: 2, after: sequence }), ['t3', 't4']);
        const [even, odd] = await store.listPhases();
        assert.deepEqual([even?.phase, even?.total, even?.byStatus.ready], ['0_even', 5, 5]);
        assert.deepEqual([odd?.total, odd?.byStatus.ready, odd?.byStatus.blocked], [5, 4, 1]);
      });

      test('become ready when the last dependency is done, and wait again when one is opened again', async () => {
        await store.addTasks(
          [
            definition('c', { dependencies: ['a', 'b'], priority: 9 }),
            definition('a', { priority: 2 }),
            definition('b', { priority: 1 }),
          ],
          AUTHOR,
        );
        for (const id of ['a', 'b']) {
          assert.equal((await store.getTask('c')).status, 'pending');
          const work = await claim();
          assert.equal(work?.task.id, id);
          await accept(work.lease);
        }
        assert.equal((await store.getTask('c')).status, 'ready');
        await store.setStatus('a', 'ready', AUTHOR);
        assert.equal((await store.getTask('c')).status, 'pending');
      });

      test('are edited only from their newest version', async () => {
        await store.addTasks([definition('a')], AUTHOR);
        const { version } = await store.getTask('a');
        const edited = await store.editTask('a', version, { title: 'New', budget: 7 }, AUTHOR);
        assert.deepEqual([edited.title, edited.budget, edited.version], ['New', 7, version + 1]);
        await assert.rejects(other.editTask('a', version, { title: 'Late' }, AUTHOR), { code: 'version-conflict' });
        await assert.rejects(other.setStatus('a', 'blocked', AUTHOR, version), { code: 'version-conflict' });
        assert.equal((await store.getTask('a')).title, 'New');
      });

      test('take new dependencies, but no circle', async () => {
        await store.addTasks([definition('a'), definition('b', { dependencies: ['a'] })], AUTHOR);
        const { version } = await store.getTask('a');
        await assert.rejects(store.editTask('a', version, { dependencies: ['b'] }, AUTHOR), { code: 'bad-roadmap' });
        await store.editTask('b', (await store.getTask('b')).version, { dependencies: [] }, AUTHOR);
        assert.equal((await store.getTask('b')).status, 'ready');
        await store.editTask('a', version, { dependencies: ['b'] }, AUTHOR);
        assert.equal((await store.getTask('a')).status, 'pending');
      });

      test('that do not exist are named', async () => {
        await assert.rejects(store.getTask('nobody'), { code: 'unknown-task', message: /nobody/ });
        await assert.rejects(store.getAttempt(7), { code: 'unknown-attempt' });
        await assert.rejects(store.getRun('x'), { code: 'unknown-run' });
        await assert.rejects(store.settleCall(7, { cost: 0, usage: USAGE }), { code: 'unknown-call' });
      });
    });

    describe('statuses', () => {
      test('change only as the table says, and every change is logged with who and why', async () => {
        await fc.assert(
          fc.asyncProperty(fc.array(fc.constantFrom(...TASK_STATUSES), { maxLength: 8 }), async (wanted) => {
            const id = `t${(await store.listTasks({ limit: 100_000 })).length}`;
            await store.addTasks([definition(id)], AUTHOR);
            const path: TaskStatus[] = ['pending', 'ready'];
            for (const to of wanted) {
              const from = path.at(-1) ?? 'ready';
              // Without dependencies nothing stays pending.
              const target = to === 'pending' ? 'ready' : to;
              const change = store.setStatus(id, to, { who: 'me', why: `to ${to}` });
              if (isLegal(from, target)) {
                assert.equal((await change).status, target);
                path.push(target);
              } else await assert.rejects(change, { code: 'illegal-transition' });
            }
            const changes = await store.listChanges(id);
            assert.deepEqual(
              changes.map((change) => change.to),
              path,
            );
            assert.deepEqual(
              changes.slice(1).map((change) => change.from),
              path.slice(0, -1),
            );
            assert.ok(changes.slice(2).every((change) => change.who === 'me' && change.why.startsWith('to ')));
          }),
          { numRuns: 30 },
        );
      });

      test('can all be left again, and be reached', () => {
        const reached = new Set(Object.values(TRANSITIONS).flat());
        for (const status of TASK_STATUSES) assert.ok(TRANSITIONS[status].length > 0 && reached.has(status), status);
      });
    });

    describe('leases', () => {
      test('are handed out by priority, then order, one worker a task', async () => {
        await store.addTasks([definition('a'), definition('b', { priority: 5 }), definition('c')], AUTHOR);
        assert.deepEqual(
          (await store.nextTasks(2)).map((task) => task.id),
          ['b', 'a'],
        );
        const order = [await claim(), await claim(), await claim(), await claim()].map((work) => work?.task.id);
        assert.deepEqual(order, ['b', 'a', 'c', undefined]);
      });

      test('are handed out for the phases asked for', async () => {
        await store.addTasks(
          [
            definition('a', { phase: 'x' }),
            definition('b', { phase: 'y' }),
            definition('c', { phase: 'z', priority: 1 }),
          ],
          AUTHOR,
        );
        assert.equal((await claim('w', ['y', 'z']))?.task.id, 'c');
        assert.equal((await claim('w', ['y', 'z']))?.task.id, 'b');
        assert.equal(await claim('w', ['y', 'z']), undefined);
      });

      test('hold as long as they are renewed, and are taken back after', async () => {
        const lease = await claimed();
        for (let beat = 0; beat < 5; beat++) {
          now += LEASE_MILLISECONDS - 1;
          await store.heartbeat(lease, LEASE_MILLISECONDS);
          assert.equal(await claim('thief'), undefined);
        }
        now += LEASE_MILLISECONDS + 1;
        const work = await claim('thief');
        assert.equal(work?.task.id, 'a');
        assert.ok((work?.lease.token ?? 0) > lease.token);
      });

      test('that are lost let nothing through, whatever the late worker tries', async () => {
        const lease = await claimed();
        const attempt = await attempted(lease);
        const paid = await store.reserveCall(lease, call(attempt.id, 100));
        now += LEASE_MILLISECONDS + 1;
        const thief = await other.claim({ runId: 'run-1', owner: 'thief', leaseMilliseconds: LEASE_MILLISECONDS });
        assert.ok(thief);
        let published = false;
        const late: readonly (() => Promise<unknown>)[] = [
          () => store.heartbeat(lease, 1000),
          () => store.release(lease, 'needs_human', AUTHOR),
          () => attempted(lease),
          () => store.updateAttempt(lease, attempt.id, { answer: 'late' }),
          () => store.endAttempt(lease, attempt.id, 'rejected', 'late'),
          () => store.markBest(lease, attempt.id),
          () =>
            store.addReview(lease, attempt.id, {
              agent: 'r',
              model: 'r',
              score: 10,
              mustFix: [],
              niceToHave: [],
              summary: '',
            }),
          () => store.reserveCall(lease, call(attempt.id, 1)),
          () =>
            accept(lease, () => {
              published = true;
            }),
        ];
        const before = await store.getAttempt(attempt.id);
        for (const attemptToWrite of late) await assert.rejects(attemptToWrite(), { code: 'lease-lost' });
        assert.ok(!published);
        assert.deepEqual(await store.getAttempt(attempt.id), before);
        assert.deepEqual([before.status, before.answer], ['abandoned', '']);
        // What was spent was spent.
        await store.settleCall(paid.id, { cost: 60, usage: USAGE });
        assert.equal((await store.getCost('task', 'a')).settled, 60);
      });

      test('of a task that a person blocks, cancels or retries are worthless at once', async () => {
        for (const to of ['blocked', 'cancelled', 'ready'] as const) {
          const lease = await claimed(`task-${to}`);
          const attempt = await attempted(lease);
          await other.setStatus(lease.taskId, to, AUTHOR);
          await assert.rejects(store.heartbeat(lease, 1000), { code: 'lease-lost' });
          assert.equal((await store.getAttempt(attempt.id)).status, 'abandoned');
          if (to === 'ready') assert.equal((await claim())?.task.id, lease.taskId);
        }
      });

      test('of a run that ended are taken back at once', async () => {
        const lease = await claimed();
        assert.equal((await store.finishRun('run-1', 'interrupted')).status, 'interrupted');
        assert.equal((await store.getTask('a')).status, 'ready');
        await assert.rejects(store.heartbeat(lease, 1000), { code: 'lease-lost' });
      });

      test('given back with a time are not claimed before it', async () => {
        const lease = await claimed();
        await store.release(lease, 'ready', AUTHOR, { notBefore: now + 500 });
        assert.equal(await claim(), undefined);
        now += 500;
        assert.equal((await claim())?.task.id, 'a');
      });
    });

    describe('attempts', () => {
      test('keep everything that happened, with their reviews', async () => {
        const lease = await claimed();
        const attempt = await attempted(lease);
        const update = {
          stage: 'test',
          model: 'm-2',
          prompt: 'p',
          answer: 'ä',
          files: [
            { path: 'src/a', content: 'x' },
            { path: 'src/b', content: null },
          ],
          diff: '+x',
          testOutput: 'out',
          test: {
            passed: false,
            exitCode: 1,
            cut: null,
            counted: { passed: 1, failed: 2, skipped: 0 },
            milliseconds: 5,
          },
        } as const;
        await store.updateAttempt(lease, attempt.id, update);
        const review = { agent: 'r', model: 'rm', score: 6.5, mustFix: ['x'], niceToHave: [], summary: 's' };
        await store.addReview(lease, attempt.id, review);
        await store.endAttempt(lease, attempt.id, 'rejected', 'do better');
        const read = await other.getAttempt(attempt.id);
        assert.deepEqual({ ...read, ...update, status: 'rejected', feedback: 'do better', number: 1 }, read);
        const [stored] = await other.listReviews('a');
        assert.deepEqual({ ...stored, ...review, attemptId: attempt.id }, stored);
        assert.equal((await store.getTask('a')).attemptsUsed, 1);
      });

      test('that were abandoned use none of the allowed number, and a retry by a person counts anew', async () => {
        const lease = await claimed();
        for (const status of ['abandoned', 'rejected', 'rejected'] as const)
          await store.endAttempt(lease, (await attempted(lease)).id, status, '');
        assert.equal((await store.getTask('a')).attemptsUsed, 2);
        await store.release(lease, 'needs_human', AUTHOR);
        const task = await store.setStatus('a', 'ready', AUTHOR);
        assert.equal(task.attemptsUsed, 0);
        assert.deepEqual(
          (await store.listAttempts('a')).map((attempt) => attempt.number),
          [1, 2, 3],
        );
      });

      test('one is the best', async () => {
        const lease = await claimed();
        const ids: number[] = [];
        for (let index = 0; index < 3; index++) {
          const { id } = await attempted(lease);
          await store.endAttempt(lease, id, 'rejected', '');
          ids.push(id);
        }
        await store.markBest(lease, ids[0] ?? 0);
        await store.markBest(lease, ids[1] ?? 0);
        assert.deepEqual(
          (await store.listAttempts('a')).map((attempt) => attempt.best),
          [false, true, false],
        );
      });

      test('are accepted together with the moving of the branch, or not at all', async () => {
        const lease = await claimed();
        const failure = new Error('the branch moved');
        await assert.rejects(
          accept(lease, () => {
            throw failure;
          }),
          failure,
        );
        assert.equal((await store.getTask('a')).status, 'running');
        assert.deepEqual(await store.listLineage(), []);
        assert.equal((await accept(lease)).status, 'done');
        const [line] = await other.listLineage({ taskId: 'a' });
        assert.deepEqual([line?.runId, line?.branch, line?.parentCommit], ['run-1', 'coach/run-1', 'aaaa']);
        assert.deepEqual(await other.listLineage({ runId: 'run-1' }), [line]);
        assert.equal((await store.getAttempt(line?.attemptId ?? 0)).status, 'accepted');
      });

      test('that wait for a person can be approved by one', async () => {
        const lease = await claimed();
        const attempt = await attempted(lease);
        await store.endAttempt(lease, attempt.id, 'rejected', 'no');
        const lineage = {
          commit: 'c',
          parentCommit: 'p',
          runId: 'run-1',
          branch: 'b',
          generator: 'm',
          reviewer: null,
          cost: 1,
        };
        const options = { unproven: true, author: AUTHOR, publish: () => {} };
        await assert.rejects(store.approve('a', attempt.id, lineage, options), { code: 'illegal-transition' });
        await store.release(lease, 'needs_human', AUTHOR);
        const task = await store.approve('a', attempt.id, lineage, options);
        assert.deepEqual([task.status, task.unproven], ['done', true]);
      });
    });

    describe('money', () => {
      test('is reserved before and settled after, in task, run and day', async () => {
        const lease = await claimed();
        const { id } = await attempted(lease);
        const first = await store.reserveCall(lease, call(id, 100));
        const costs = () =>
          Promise.all([store.getCost('task', 'a'), store.getCost('run', 'run-1'), store.getCost('day', '2026-11-25')]);
        for (const cost of await costs()) assert.deepEqual([cost.settled, cost.reserved, cost.calls], [0, 100, 1]);
        const settled = await store.settleCall(first.id, { cost: 30, usage: USAGE, model: 'm-exact' });
        assert.deepEqual(
          [settled.status, settled.cost, settled.model, settled.usage],
          ['settled', 30, 'm-exact', USAGE],
        );
        for (const cost of await costs()) assert.deepEqual([cost.settled, cost.reserved, cost.calls], [30, 0, 1]);
        await assert.rejects(store.settleCall(first.id, { cost: 30, usage: USAGE }), { code: 'bad-argument' });
        assert.deepEqual(await store.listCalls({ day: '2026-11-25', taskId: 'a' }), [settled]);
        assert.deepEqual(await store.listCalls({ runId: 'another' }), []);
      });

      test('is refused beyond any limit, counting what others have reserved', async () => {
        const lease = await claimed();
        const { id } = await attempted(lease);
        await other.reserveCall(lease, call(id, 60));
        for (const scope of ['task', 'run', 'day'] as const) {
          await assert.rejects(
            store.reserveCall(lease, call(id, 41, { [scope]: 100 })),
            (error: { code: string; details: object }) => {
              assert.equal(error.code, 'budget-exceeded');
              assert.deepEqual(error.details, { scope, limit: 100, spent: 60, asked: 41 });
              return true;
            },
          );
        }
        await assert.rejects(store.reserveCall(lease, call(id, 41, { call: 40 })), { code: 'budget-exceeded' });
        assert.equal((await store.getCost('task', 'a')).calls, 1);
        await store.reserveCall(lease, call(id, 40, { call: 40, task: 100, run: 100, day: 100 }));
        // A free call needs no budget.
        await store.reserveCall(lease, call(id, 0, { task: 0 }));
      });

      test('that nobody settled stays counted', async () => {
        const lease = await claimed();
        const { id } = await attempted(lease);
        await store.reserveCall(lease, call(id, 100));
        now += LEASE_MILLISECONDS + 1;
        assert.deepEqual(await other.recoverExpired(), ['a']);
        const [lost] = await store.listCalls({ attemptId: id });
        assert.equal(lost?.status, 'lost');
        assert.equal((await store.getCost('day', '2026-11-25')).reserved, 100);
        assert.deepEqual(await store.listCosts('task'), [await store.getCost('task', 'a')]);
      });
    });

    test('is paused for everybody', async () => {
      assert.equal(await store.isPaused(), false);
      await store.setPaused(true, AUTHOR);
      assert.equal(await other.isPaused(), true);
      await other.setPaused(false, AUTHOR);
      assert.equal(await store.isPaused(), false);
    });

    test('remembers runs, newest first', async () => {
      now += 1;
      const run = { id: 'run-2', branch: 'coach/run-2', baseCommit: 'bbbb', processId: 2, options: { workers: 2 } };
      await store.createRun(run);
      const [newest, oldest] = await other.listRuns();
      assert.deepEqual({ ...newest, ...run, status: 'running', endedAt: null }, newest);
      assert.equal(oldest?.id, 'run-1');
    });
  });
}
