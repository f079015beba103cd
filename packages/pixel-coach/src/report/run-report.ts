/** The report of a run, in Markdown: what passed, what needs a person and why, what it cost. */

import { cleanLine, shorten } from '../core/clean-text.ts';
import { formatAmount } from '../core/money.ts';
import type { Attempt, Call, Lineage, Review, Run, Store, Task } from '../store/types.ts';
import { type Facts, gatherFacts, groupStatistics, totalStatistics } from './statistics.ts';
import { statisticsColumns } from './statistics-columns.ts';
import { markdownTable } from './table.ts';

export interface RunReport {
  readonly run: Run;
  readonly tasks: readonly TaskReport[];
  readonly total: ReturnType<typeof totalStatistics>;
  readonly markdown: string;
}

interface TaskReport {
  readonly task: Task;
  /** Of this run. */
  readonly attempts: readonly Attempt[];
  readonly lastReview: Review | undefined;
  /** Set when this run's attempt was accepted. */
  readonly lineage: Lineage | undefined;
  readonly cost: number;
}

const FEEDBACK_CHARACTERS = 600;

/** Throws `unknown-run`. */
export async function reportRun(store: Store, runId: string): Promise<RunReport> {
  const run = await store.getRun(runId);
  const facts = await gatherFacts(store, { runId });
  const lineage = await store.listLineage({ runId });
  const tasks: TaskReport[] = [];
  for (const task of facts.tasks.values()) {
    const attempts = facts.attempts.filter(({ taskId }) => taskId === task.id);
    const ids = new Set(attempts.map(({ id }) => id));
    const reviews = (await store.listReviews(task.id)).filter(({ attemptId }) => ids.has(attemptId));
    tasks.push({
      task,
      attempts,
      lastReview: reviews.at(-1),
      lineage: lineage.find(({ taskId }) => taskId === task.id),
      cost: costOf(facts.calls.filter(({ taskId }) => taskId === task.id)),
    });
  }
  tasks.sort((a, b) => a.task.sequence - b.task.sequence);
  return { run, tasks, total: totalStatistics(facts), markdown: markdownOf(run, tasks, facts) };
}

function markdownOf(run: Run, tasks: readonly TaskReport[], facts: Facts): string {
  const total = totalStatistics(facts);
  const accepted = tasks.filter(({ lineage }) => lineage !== undefined);
  const waiting = tasks.filter(({ task }) => task.status === 'needs_human');
  const unproven = accepted.filter(({ task }) => task.unproven);
  const lost = facts.calls.filter(({ status }) => status !== 'settled');
  const sections = [
    `# Run ${run.id}`,
    [
      `- ${time(run.startedAt)} to ${run.endedAt === null ? 'now' : time(run.endedAt)} (UTC), ${run.status}`,
      `- ${accepted.length} of ${tasks.length} tasks done, ${waiting.length} need a person`,
      `- ${total.attempts} attempts, ${total.accepted} accepted; ${percent(total.firstTryRate)} of the tasks at the first try`,
      `- ${total.calls} calls, ${total.inputTokens} tokens in, ${total.outputTokens} out: **${formatAmount(total.cost)}**`,
      `- branch \`${run.branch}\` from \`${run.baseCommit.slice(0, 12)}\`: \`git log --oneline ${run.baseCommit.slice(0, 12)}..${run.branch}\``,
    ].join('\n'),
    `## Tasks\n\n${taskTable(tasks)}`,
  ];
  if (waiting.length > 0) sections.push(`## A person is needed\n\n${waiting.map(describeWaiting).join('\n\n')}`);
  if (unproven.length > 0) {
    sections.push(
      `## Unproven\n\nAccepted by review alone, no test proves them: ${unproven.map(({ task }) => task.id).join(', ')}.`,
    );
  }
  const bill = markdownTable(statisticsColumns('agent'), [...groupStatistics(facts, 'agent'), total]);
  sections.push(`## The bill\n\n${bill}`);
  if (lost.length > 0) {
    const held = lost.reduce((sum, call) => sum + call.reserved, 0);
    sections.push(`${lost.length} calls were not settled; they may have cost up to ${formatAmount(held)} besides.`);
  }
  return `${sections.join('\n\n')}\n`;
}

function taskTable(tasks: readonly TaskReport[]): string {
  return markdownTable<TaskReport>(
    [
      { title: 'task', value: ({ task }) => task.id },
      { title: 'status', value: ({ task }) => (task.unproven ? `${task.status} (unproven)` : task.status) },
      { title: 'attempts', value: ({ attempts }) => String(attempts.length), right: true },
      { title: 'score', value: ({ lastReview }) => (lastReview ? String(lastReview.score) : '-'), right: true },
      { title: 'cost', value: ({ cost }) => formatAmount(cost), right: true },
      { title: 'commit', value: ({ lineage }) => (lineage ? `\`${lineage.commit.slice(0, 12)}\`` : '') },
      { title: 'title', value: ({ task }) => task.title },
    ],
    tasks,
  );
}

function describeWaiting({ task, attempts }: TaskReport): string {
  const best = attempts.find((attempt) => attempt.best) ?? attempts.at(-1);
  const lines = [`### ${task.id}: ${cleanLine(task.title)}`, `Why: ${cleanLine(task.reason)}`];
  if (best) {
    const said = shorten(best.feedback.trim(), FEEDBACK_CHARACTERS);
    lines.push(
      `The best attempt is number ${best.number} (\`pixel-coach show-task ${task.id} --attempt ${best.number}\`).`,
    );
    // An indented block: whatever a model or a test printed, it ends no fence and makes no heading.
    if (said !== '')
      lines.push(
        said
          .split('\n')
          .map((line) => `    ${cleanLine(line)}`)
          .join('\n'),
      );
  }
  return lines.join('\n\n');
}

function costOf(calls: readonly Call[]): number {
  return calls.reduce((sum, { cost }) => sum + (cost ?? 0), 0);
}

function percent(rate: number | null): string {
  return rate === null ? 'none' : `${Math.round(rate * 100)} %`;
}

function time(at: number): string {
  return new Date(at).toISOString().slice(0, 19).replace('T', ' ');
}
