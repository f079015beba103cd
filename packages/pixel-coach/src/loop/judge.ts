/**
 * Whether a change is proven: the task's tests, the hidden ones, for new tests the planted mutations. Everything is run on a commit
 * that is named, so that the same can be asked again on a newer one.
 */
import picomatch from 'picomatch';
import { type ExpectedRequest, type ExpectedTests, expectedTests } from '../proof/expected-tests.ts';
import { checkMutations, trusting } from '../proof/mutation-check.ts';
import { runTests, type TestSettings } from '../proof/run-tests.ts';
import { planOf } from '../proof/test-command.ts';
import type { ChangedFile, Task, TestOutcome } from '../store/types.ts';
import { createPathRules, type PathRules } from '../workspace/path-rules.ts';
import type { Snapshot } from '../workspace/repository.ts';
import type { RunContext } from './options.ts';

export interface Judgement {
  /** Null: the task has no test command. */
  readonly test: TestOutcome | null;
  readonly output: string;
  /** Why the change is not accepted, for the model; undefined when it passed. */
  readonly feedback: string | undefined;
}

/** Files that models do not see, besides those that the configuration names. */
const HIDDEN_PATHS = ['**/*.hidden.*', '**/hidden-tests/**'];
const LEAST_NOTICED = 0.8;
const MOST_MISSED_TOLD = 5;

export function pathRulesOf(context: RunContext, task: Task): PathRules {
  return createPathRules({ ...task, protectedPaths: context.protectedPaths ?? [] });
}

/** What the models and the visible tests do not get to see: hidden tests, by glob or because the hidden command names them. */
export function hiddenFrom(
  { hiddenPaths = [] }: Pick<RunContext, 'hiddenPaths'>,
  task: Task,
): (path: string) => boolean {
  const plan = task.hiddenTestCommand === null ? undefined : planOf(task.hiddenTestCommand);
  const named = plan?.kind === 'counted' ? plan.patterns : [];
  return picomatch([...HIDDEN_PATHS, ...hiddenPaths, ...named], { dot: true, nocase: true });
}

export async function judge(
  context: RunContext,
  task: Task,
  {
    snapshot,
    files,
    signal,
  }: { readonly snapshot: Snapshot; readonly files: readonly ChangedFile[]; readonly signal: AbortSignal },
): Promise<Judgement> {
  if (task.testCommand === null) return { test: null, output: '', feedback: undefined };
  const rules = pathRulesOf(context, task);
  const isTrusted = task.action === 'write_tests' ? trusting(rules, files) : rules.isProtected;
  const request = { command: task.testCommand, snapshot, omit: hiddenFrom(context, task), signal };
  const expected = await expectedFor(context, task, request);
  const { outcome, output } = await runTests(context.tests, { ...request, files, isTrusted, expected });
  signal.throwIfAborted();
  if (!outcome.passed) return { test: outcome, output, feedback: 'The tests fail; their output is below.' };
  if (task.hiddenTestCommand !== null) {
    const hidden = { command: task.hiddenTestCommand, snapshot, signal };
    const names = await expectedFor(context, task, hidden);
    const report = await runTests(context.tests, { ...hidden, files, isTrusted, expected: names });
    signal.throwIfAborted();
    if (!report.outcome.passed)
      return {
        test: { ...report.outcome, passed: false, hidden: true },
        output: `${output}\n\nHidden tests:\n${report.output}`,
        feedback: HIDDEN_FEEDBACK,
      };
  }
  if (task.action === 'write_tests') {
    const feedback = await judgeNewTests(context, task, {
      snapshot,
      files,
      rules,
      milliseconds: outcome.milliseconds,
      signal,
    });
    if (feedback !== undefined) return { test: { ...outcome, passed: false }, output, feedback };
  }
  return { test: outcome, output, feedback: undefined };
}

/** What was found for a commit and a command, for the next attempts at the same task. */
const found = new WeakMap<TestSettings, Map<string, ExpectedTests>>();
const MOST_FOUND = 500;

async function expectedFor({ tests }: RunContext, { id }: Task, request: ExpectedRequest): Promise<ExpectedTests> {
  const known = found.get(tests) ?? new Map<string, ExpectedTests>();
  found.set(tests, known);
  const key = `${id} ${request.snapshot.commit} ${request.command}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  const expected = await expectedTests(tests, request);
  // What was broken off says nothing.
  request.signal?.throwIfAborted();
  if (known.size >= MOST_FOUND) known.clear();
  known.set(key, expected);
  return expected;
}

const HIDDEN_FEEDBACK =
  'The tests that you see pass, but others of the same task, which you do not see, fail: solve the task in general, not for these inputs.';

async function judgeNewTests(
  context: RunContext,
  task: Task,
  request: {
    readonly snapshot: Snapshot;
    readonly files: readonly ChangedFile[];
    readonly rules: PathRules;
    readonly milliseconds: number;
    readonly signal: AbortSignal;
  },
): Promise<string | undefined> {
  const command = task.testCommand ?? '';
  const { planted, noticed, missed } = await checkMutations(context.tests, {
    ...request,
    command,
    context: task.context,
  });
  request.signal.throwIfAborted();
  if (planted === 0)
    return 'The new tests import no source file of the repository in which a mutation could be planted, so they prove nothing.';
  if (noticed >= planted * LEAST_NOTICED) return undefined;
  return [
    `The tests pass, but they notice only ${noticed} of ${planted} small mutations of the code under test; at least 80 % are asked for. Not noticed:`,
    ...missed.slice(0, MOST_MISSED_TOLD).map((what) => `- ${what}`),
  ].join('\n');
}
