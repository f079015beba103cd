/** `pixel-coach approve`: a person accepts the best attempt of a task that waits for one. */
import { approveTask as approve } from '../loop/approve.ts';
import { openRepository } from '../workspace/repository.ts';
import {
  addCommonFlags,
  type CommandContext,
  type CommonFlags,
  emit,
  type RegisterCommand,
  wholeNumber,
} from './command.ts';
import { commandAuthor, openProject, type Project } from './project.ts';

interface ApproveFlags extends CommonFlags {
  readonly why?: string;
  readonly attempt?: number;
}

export const registerApprove: RegisterCommand = (program, context) => {
  addCommonFlags(
    program
      .command('approve')
      .description("Accepts a task's best attempt: it becomes a commit on the branch of its run.")
      .argument('<id>', 'the task')
      .option('--attempt <n>', 'another attempt than the best', wholeNumber(1))
      .option('--why <text>', 'the reason, for the record'),
  )
    .addHelpText(
      'after',
      '\nAn attempt that failed its tests is refused: tests decide, for people too.\n\nExamples:\n  pixel-coach approve slugify --why "the reviewer was too strict"',
    )
    .action((id: string, flags: ApproveFlags) => approveByCommand(id, flags, context));
};

async function approveByCommand(
  id: string,
  { attempt, why = 'approved', ...flags }: ApproveFlags,
  context: CommandContext,
): Promise<void> {
  await using project = await openProject(context, flags);
  const text = await approveTask(id, why, project, attempt);
  await emit(context, flags, await project.store.getTask(id), text);
}

/** What became of it, in a sentence. */
export async function approveTask(
  id: string,
  why: string,
  { store, folder }: Project,
  number?: number,
): Promise<string> {
  const attempts = number === undefined ? [] : await store.listAttempts(id);
  const chosen = attempts.find((attempt) => attempt.number === number);
  const repository = await openRepository(folder);
  const task = await approve(id, { store, repository, author: commandAuthor(why), attemptId: chosen?.id });
  const commit = (await store.listLineage({ taskId: id })).at(-1);
  return `${id} is ${task.status}${commit ? `: commit ${commit.commit.slice(0, 12)} on ${commit.branch}` : ''}.`;
}
