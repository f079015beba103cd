/**
 * From a proven change to a commit on the run's branch. If the branch has moved since the attempt began (another worker's task), the
 * change is proven again on the new tip first: what is on the branch was tested as it stands there.
 */
import { CoachError } from '../core/errors.ts';
import { formatAmount } from '../core/money.ts';
import type { Attempt, ChangedFile, Lease, Task, TestOutcome } from '../store/types.ts';
import { branchTip, mergeCommits, moveBranch, writeCommit } from '../workspace/commit.ts';
import { isAncestor, openSnapshot, type Snapshot } from '../workspace/repository.ts';
import { judge } from './judge.ts';
import type { RunContext } from './options.ts';
import type { Verdict } from './review.ts';

export interface PublishRequest {
  readonly task: Task;
  readonly lease: Lease;
  readonly attempt: Attempt;
  readonly snapshot: Snapshot;
  readonly files: readonly ChangedFile[];
  readonly test: TestOutcome | null;
  readonly verdict: Verdict | undefined;
  readonly generator: { readonly name: string; readonly model: string };
  readonly signal: AbortSignal;
}

/** The tip of the run's branch, which comes into being with its first commit. */
export async function tipOf({ repository, branch, baseCommit }: RunContext): Promise<string> {
  return (await branchTip(repository, branch)) ?? baseCommit;
}

/**
 * Accepts the attempt: the commit, or undefined when the change does not stand on the newest tip (others changed the same files, or
 * its tests fail there). Throws `lease-lost`, `git`.
 */
export function publishChange(context: RunContext, request: PublishRequest): Promise<string | undefined> {
  return context.publishing(async () => {
    const tip = await tipOf(context);
    const base = tip === request.snapshot.commit ? request.snapshot : await proveAgain(context, request, tip);
    if (base === undefined) return undefined;
    return commitOn(context, request, base);
  });
}

async function commitOn(context: RunContext, request: PublishRequest, base: Snapshot): Promise<string> {
  const { store, repository, branch } = context;
  const { task, lease, attempt, files, test, verdict, generator } = request;
  const { settled, reserved } = await store.getCost('task', task.id);
  const cost = settled + reserved;
  const reviewer = verdict === undefined ? null : verdict.agent.model;
  const message = commitMessage(context, request, cost);
  const commit = await writeCommit(repository, base, files, message);
  // Noted before the branch moves: whoever finds this attempt after a crash can tell whether it did.
  await store.updateAttempt(lease, attempt.id, { stage: 'commit', commit });
  const lineage = { commit, parentCommit: base.commit, branch, generator: generator.model, reviewer, cost };
  await store.accept(lease, attempt.id, lineage, {
    unproven: test === null,
    author: { who: lease.owner, why: whyAccepted(test, verdict) },
    publish: () => moveBranch(repository, branch, commit, base.commit),
  });
  return commit;
}

async function proveAgain(context: RunContext, request: PublishRequest, tip: string): Promise<Snapshot | undefined> {
  const { snapshot, files, task, signal } = request;
  const newer = await openSnapshot(context.repository, tip);
  const touched = files.some(({ path }) => newer.entries.get(path)?.object !== snapshot.entries.get(path)?.object);
  if (touched) return undefined;
  const { feedback } = await judge(context, task, { snapshot: newer, files, signal });
  return feedback === undefined ? newer : undefined;
}

/** Merges what the task depends on into the run's branch, where an earlier run accepted it on a branch of its own. */
export function bringIn(context: RunContext, task: Task): Promise<void> {
  return context.publishing(async () => {
    for (const dependency of task.dependencies) {
      const [line] = (await context.store.listLineage({ taskId: dependency })).slice(-1);
      const tip = await tipOf(context);
      if (line === undefined || (await isAncestor(context.repository, line.commit, tip))) continue;
      const message = `Bring in ${dependency}, accepted in run ${line.runId}\n\nCoach-Run: ${context.runId}\n`;
      const merged = await mergeCommits(context.repository, tip, line.commit, message);
      if (merged === undefined)
        throw new CoachError(
          'git',
          `Task "${task.id}" depends on "${dependency}", whose commit ${line.commit.slice(0, 12)} on ${line.branch} conflicts with this ` +
            'run; merge it by hand.',
          { details: { conflict: true } },
        );
      moveBranch(context.repository, context.branch, merged, tip);
    }
  });
}

function whyAccepted(test: TestOutcome | null, verdict: Verdict | undefined): string {
  const proof = test === null ? 'no test' : 'tests pass';
  return verdict === undefined
    ? `${proof}, no review`
    : `${proof}, score ${verdict.review.score} by ${verdict.agent.name}`;
}

function commitMessage(context: RunContext, request: PublishRequest, cost: number): string {
  const { task, attempt, test, verdict, generator } = request;
  const trailers: Record<string, string> = {
    'Coach-Task': task.id,
    'Coach-Attempt': `${attempt.number}`,
    'Coach-Run': context.runId,
    'Coach-Generator': `${generator.name} (${generator.model})`,
    ...(verdict === undefined
      ? {}
      : { 'Coach-Reviewer': `${verdict.agent.name} (${verdict.agent.model}), score ${verdict.review.score}` }),
    'Coach-Cost': formatAmount(cost),
    'Coach-Proof': proofOf(test),
  };
  const lines = Object.entries(trailers).map(([name, value]) => `${name}: ${oneLine(value)}`);
  return `${oneLine(task.title)}\n\n${lines.join('\n')}\n`;
}

function proofOf(test: TestOutcome | null): string {
  if (test === null) return 'unproven';
  return test.counted === null ? 'exit code 0' : `${test.counted.passed} tests passed`;
}

/** A title or a model's name must not begin a trailer of its own. */
function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
