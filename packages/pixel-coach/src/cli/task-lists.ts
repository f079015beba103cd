/** `pixel-coach status`, `next`, `list-phases` and `list-tasks`: what there is to do, and how far it is. */
import { type Command, Option } from 'commander';
import { formatAmount } from '../core/money.ts';
import { formatTable } from '../report/table.ts';
import { TASK_STATUSES, type TaskStatus } from '../store/status.ts';
import type { PhaseSummary, Task } from '../store/types.ts';
import {
  addCommonFlags,
  type CommandContext,
  type CommonFlags,
  emit,
  type RegisterCommand,
  wholeNumber,
} from './command.ts';
import { openProject, type Project } from './project.ts';

interface ListFlags extends CommonFlags {
  readonly phase?: string;
  readonly status?: TaskStatus;
  readonly limit?: number;
}

/** Tasks shown by `next` and `status`. */
const SHOWN = 5;

export const registerTaskLists: RegisterCommand = (program, context) => {
  const add = (name: string, description: string, examples: string): Command =>
    addCommonFlags(program.command(name).description(description)).addHelpText('after', `\nExamples:\n${examples}`);
  add('status', 'How far the work is, what it cost, and what needs a person.', '  pixel-coach status').action((flags) =>
    showStatus(flags, context),
  );
  add('next', 'The tasks that would be worked on next.', '  pixel-coach next --phase 1_gpu_core')
    .option('--phase <name>', 'only of this phase')
    .option('--limit <n>', 'how many', wholeNumber(1, 10_000), SHOWN)
    .action((flags) => showNext(flags, context));
  add('list-phases', 'The phases, with their tasks counted by status.', '  pixel-coach list-phases --json').action(
    (flags) => showPhases(flags, context),
  );
  add('list-tasks', 'The tasks.', '  pixel-coach list-tasks --status needs_human')
    .option('--phase <name>', 'only of this phase')
    .addOption(new Option('--status <status>', 'only with this status').choices(TASK_STATUSES))
    .option('--limit <n>', 'at most so many', wholeNumber(1, 1_000_000), 1000)
    .action((flags) => showTasks(flags, context));
};

async function showStatus(flags: CommonFlags, context: CommandContext): Promise<void> {
  await using project = await openProject(context, flags);
  const { store, config } = project;
  const phases = await store.listPhases();
  const [run] = await store.listRuns(1);
  const day = new Date().toISOString().slice(0, 10);
  const today = await store.getCost('day', day);
  const waiting = await store.listTasks({ status: 'needs_human', limit: SHOWN });
  const value = {
    paused: await store.isPaused(),
    phases,
    run: run ?? null,
    today: { day, cost: today.settled, reserved: today.reserved, limit: config.budget.perDay * 1e9 },
    needsHuman: waiting.map(({ id, title, reason }) => ({ id, title, reason })),
    next: (await store.nextTasks(SHOWN)).map(({ id, title }) => ({ id, title })),
  };
  await emit(context, flags, value, await statusText(value, context));
}

async function statusText(
  {
    paused,
    phases,
    run,
    today,
    needsHuman,
    next,
  }: {
    readonly paused: boolean;
    readonly phases: readonly PhaseSummary[];
    readonly run: { readonly id: string; readonly status: string; readonly branch: string } | null;
    readonly today: { readonly day: string; readonly cost: number; readonly reserved: number; readonly limit: number };
    readonly needsHuman: readonly { readonly id: string; readonly title: string; readonly reason: string }[];
    readonly next: readonly { readonly id: string; readonly title: string }[];
  },
  { columns }: CommandContext,
): Promise<string> {
  if (phases.length === 0)
    return 'There are no tasks yet: "pixel-coach init" reads the roadmap, "pixel-coach add-task" adds one.';
  const held = today.reserved > 0 ? ` and ${formatAmount(today.reserved)} held` : '';
  const parts = [
    phaseTable(phases, columns),
    `${run ? `Run ${run.id} is ${run.status} on branch ${run.branch}.` : 'Nothing has run yet.'}${paused ? ' The coach is paused.' : ''}`,
    `Spent today: ${formatAmount(today.cost)}${held} of ${formatAmount(today.limit)}.`,
  ];
  if (needsHuman.length > 0) {
    parts.push(
      `A person is needed (pixel-coach show-task ID):\n${needsHuman.map(({ id, reason }) => `  ${id}: ${reason}`).join('\n')}`,
    );
  }
  if (next.length > 0) parts.push(`Next:\n${next.map(({ id, title }) => `  ${id}: ${title}`).join('\n')}`);
  return parts.join('\n\n');
}

async function showNext({ phase, limit = SHOWN, ...flags }: ListFlags, context: CommandContext): Promise<void> {
  await using project = await openProject(context, flags);
  const tasks = await project.store.nextTasks(limit, phase === undefined ? undefined : [phase]);
  await emit(context, flags, tasks, tasks.length === 0 ? await whyNothing(project) : taskTable(tasks, context.columns));
}

/** Nothing is ready: because everything is done, or because of what? */
async function whyNothing({ store }: Project): Promise<string> {
  const phases = await store.listPhases();
  const counts = TASK_STATUSES.flatMap((status) => {
    const count = phases.reduce((sum, { byStatus }) => sum + byStatus[status], 0);
    return count === 0 ? [] : [`${count} ${status}`];
  });
  return counts.length === 0 ? 'There are no tasks yet.' : `Nothing is ready: ${counts.join(', ')}.`;
}

async function showPhases(flags: CommonFlags, context: CommandContext): Promise<void> {
  await using project = await openProject(context, flags);
  const phases = await project.store.listPhases();
  await emit(
    context,
    flags,
    phases,
    phases.length === 0 ? 'There are no tasks yet.' : phaseTable(phases, context.columns),
  );
}

async function showTasks({ phase, status, limit, ...flags }: ListFlags, context: CommandContext): Promise<void> {
  await using project = await openProject(context, flags);
  const tasks = await project.store.listTasks({ phase, status, limit });
  await emit(
    context,
    flags,
    tasks,
    tasks.length === 0 ? 'There are no such tasks.' : taskTable(tasks, context.columns),
  );
}

function phaseTable(phases: readonly PhaseSummary[], width: number | undefined): string {
  const shown = TASK_STATUSES.filter((status) => phases.some(({ byStatus }) => byStatus[status] > 0));
  return formatTable<PhaseSummary>(
    [
      { title: 'phase', value: ({ phase }) => phase, flexible: true },
      { title: 'tasks', value: ({ total }) => String(total), right: true },
      ...shown.map((status) => ({
        title: status,
        value: ({ byStatus }: PhaseSummary) => (byStatus[status] === 0 ? '.' : String(byStatus[status])),
        right: true,
      })),
    ],
    phases,
    width,
  );
}

function taskTable(tasks: readonly Task[], width: number | undefined): string {
  return formatTable<Task>(
    [
      { title: 'task', value: ({ id }) => id },
      { title: 'status', value: ({ status, unproven }) => (unproven ? `${status} (unproven)` : status) },
      { title: 'phase', value: ({ phase }) => phase },
      { title: 'tries', value: ({ attemptsUsed }) => String(attemptsUsed), right: true },
      { title: 'title', value: ({ title }) => title, flexible: true },
    ],
    tasks,
    width,
  );
}
