/** `pixel-coach dashboard`: watch and steer, from any terminal. */
import { join } from 'node:path';
import { CoachError } from '../core/errors.ts';
import { approveTask } from './approve.ts';
import { addCommonFlags, type CommandContext, type CommonFlags, type RegisterCommand } from './command.ts';
import { commandAuthor, openProject } from './project.ts';

export const registerDashboard: RegisterCommand = (program, context) => {
  addCommonFlags(
    program.command('dashboard').description('Watch the work and steer it: tasks, the live attempt, money.'),
  )
    .addHelpText(
      'after',
      '\nKeys: arrows choose a task, p pauses, s skips, a approves, r retries, q quits.\n\nExamples:\n  pixel-coach dashboard\n  ssh -t host "cd project && npx pixel-coach dashboard"',
    )
    .action((flags: CommonFlags) => dashboard(flags, context));
};

async function dashboard(flags: CommonFlags, context: CommandContext): Promise<void> {
  if (flags.json)
    throw new CoachError('bad-argument', 'The dashboard is for people; "pixel-coach status --json" is for programs.');
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new CoachError(
      'bad-argument',
      'The dashboard needs a terminal; "pixel-coach status" and "pixel-coach logs" do not.',
    );
  }
  await using project = await openProject(context, flags);
  const runDashboard = await loadDashboard();
  await runDashboard(project.store, {
    config: project.config,
    liveFolder: join(project.coachFolder, 'live'),
    author: commandAuthor,
    approve: (taskId) => approveTask(taskId, 'approved in the dashboard', project),
    signal: context.signal,
  });
}

/** Ink is loaded only here: other commands start without it. (Apart from `using`, beside which the compiler leaves ".ts" as it is.) */
async function loadDashboard(): Promise<typeof import('../dashboard/run-dashboard.ts').runDashboard> {
  const { runDashboard } = await import('../dashboard/run-dashboard.ts');
  return runDashboard;
}
