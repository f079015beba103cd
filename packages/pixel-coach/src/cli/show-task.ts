/** `pixel-coach show-task`: everything about one task: attempts, reviews, diffs, test output, cost. */

import { cleanText } from '../core/clean-text.ts';
import { formatAmount } from '../core/money.ts';
import type { Attempt, Call, Change, Cost, Review, Task } from '../store/types.ts';
import {
  addCommonFlags,
  type CommandContext,
  type CommonFlags,
  emit,
  type RegisterCommand,
  wholeNumber,
} from './command.ts';
import { openProject } from './project.ts';

interface ShowFlags extends CommonFlags {
  readonly attempt?: number;
  readonly prompts?: boolean;
}

/** Lines of a test's output that are shown; its end says most. */
const OUTPUT_LINES = 40;

export const registerShowTask: RegisterCommand = (program, context) => {
  addCommonFlags(
    program
      .command('show-task')
      .description('One task with its attempts, reviews, diffs, test output and cost.')
      .argument('<id>', 'the task')
      .option('--attempt <n>', 'only this attempt, with the whole test output', wholeNumber(1))
      .option('--prompts', 'with prompts and answers'),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  pixel-coach show-task add-vectors\n  pixel-coach show-task add-vectors --attempt 2 --prompts',
    )
    .action((id: string, flags: ShowFlags) => showTask(id, flags, context));
};

async function showTask(
  id: string,
  { attempt, prompts = false, ...flags }: ShowFlags,
  context: CommandContext,
): Promise<void> {
  await using project = await openProject(context, flags);
  const { store } = project;
  const task = await store.getTask(id);
  const attempts = (await store.listAttempts(id)).filter(({ number }) => attempt === undefined || number === attempt);
  const facts = {
    task,
    attempts,
    reviews: await store.listReviews(id),
    calls: await store.listCalls({ taskId: id }),
    cost: await store.getCost('task', id),
    changes: await store.listChanges(id),
  };
  await emit(context, flags, facts, describe(facts, { prompts, whole: attempt !== undefined }));
}

interface TaskFacts {
  readonly task: Task;
  readonly attempts: readonly Attempt[];
  readonly reviews: readonly Review[];
  readonly calls: readonly Call[];
  readonly cost: Cost;
  readonly changes: readonly Change[];
}

interface Detail {
  readonly prompts: boolean;
  readonly whole: boolean;
}

function describe({ task, attempts, reviews, calls, cost, changes }: TaskFacts, detail: Detail): string {
  const held = cost.reserved > 0 ? `, ${formatAmount(cost.reserved)} held` : '';
  const head = [
    `${task.id}: ${task.title}`,
    `  status      ${task.status}${task.unproven ? ' (unproven)' : ''}: ${task.reason}`,
    `  phase       ${task.phase}, ${task.action}, priority ${task.priority}, version ${task.version}`,
    `  may write   ${task.paths.join(', ')}`,
    ...(task.dependencies.length > 0 ? [`  depends on  ${task.dependencies.join(', ')}`] : []),
    `  test        ${task.testCommand ?? 'none: reviewed only'}`,
    `  cost        ${formatAmount(cost.settled)} in ${cost.calls} calls${held}`,
    ...(task.description.trim() === '' ? [] : ['', indent(task.description)]),
  ].join('\n');
  const parts = attempts.map((attempt) =>
    describeAttempt(
      attempt,
      reviews.filter(({ attemptId }) => attemptId === attempt.id),
      calls.filter(({ attemptId }) => attemptId === attempt.id),
      detail,
    ),
  );
  const history = changes.map(
    ({ at, from, to, who, why }) => `  ${time(at)}  ${from === null ? to : `${from} -> ${to}`}  ${who}: ${why}`,
  );
  return cleanText([head, ...parts, `History\n${history.join('\n')}`].join('\n\n'));
}

function describeAttempt(attempt: Attempt, reviews: readonly Review[], calls: readonly Call[], detail: Detail): string {
  const { number, status, stage, agent, model, best, startedAt, test, commit } = attempt;
  const lines = [
    `Attempt ${number}: ${status}${status === 'running' ? ` (${stage})` : ''}${best ? ', the best' : ''}`,
    `  by ${agent} (${model}), ${time(startedAt)}${commit === null ? '' : `, commit ${commit.slice(0, 12)}`}`,
    `  calls: ${calls.map(describeCall).join('; ') || 'none'}`,
  ];
  if (detail.prompts) lines.push(block('Prompt', attempt.prompt), block('Answer', attempt.answer));
  if (attempt.diff !== '') lines.push(block('Change', attempt.diff));
  if (test) {
    const counted = test.counted
      ? ` (${test.counted.passed} passed, ${test.counted.failed} failed, ${test.counted.skipped} skipped)`
      : '';
    const cut = test.cut === null ? '' : `, cut: ${test.cut}`;
    const outcome = `Test ${test.passed ? 'passed' : 'failed'}${counted}, exit ${test.exitCode ?? 'by a signal'}${cut}`;
    lines.push(block(outcome, detail.whole ? attempt.testOutput : lastLines(attempt.testOutput)));
  }
  for (const review of reviews) {
    const remarks = [
      ...review.mustFix.map((text) => `must fix: ${text}`),
      ...review.niceToHave.map((text) => `nice to have: ${text}`),
    ];
    lines.push(block(`Review by ${review.agent}: ${review.score} of 10`, [review.summary, ...remarks].join('\n')));
  }
  if (attempt.feedback !== '') lines.push(block('Feedback', attempt.feedback));
  return lines.join('\n');
}

function describeCall({ purpose, agent, cost, reserved, usage, status, error }: Call): string {
  const tokens = usage ? `, ${usage.inputTokens} + ${usage.outputTokens} tokens` : '';
  const money = cost === null ? `${formatAmount(reserved)} ${status}` : formatAmount(cost);
  return `${purpose} by ${agent} ${money}${tokens}${error === null ? '' : `, ${error}`}`;
}

function block(title: string, text: string): string {
  return `  ${title}\n${indent(text, 4)}`;
}

function indent(text: string, columns = 2): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => ' '.repeat(columns) + line)
    .join('\n');
}

function lastLines(text: string): string {
  const lines = text.trimEnd().split('\n');
  if (lines.length <= OUTPUT_LINES) return text;
  return `[... ${lines.length - OUTPUT_LINES} lines above; --attempt N shows all ...]\n${lines.slice(-OUTPUT_LINES).join('\n')}`;
}

function time(at: number): string {
  return new Date(at).toISOString().slice(0, 19).replace('T', ' ');
}
