/** `pixel-coach retry`, `block`, `unblock` and `reject`: a person's decisions about a task. */
import type { TaskStatus } from '../store/status.ts';
import { addCommonFlags, type CommandContext, type CommonFlags, emit, type RegisterCommand } from './command.ts';
import { commandAuthor, openProject } from './project.ts';

interface DecisionFlags extends CommonFlags {
  readonly why?: string;
}

interface Decision {
  readonly name: string;
  readonly to: TaskStatus;
  readonly description: string;
  /** The reason when none is given. */
  readonly why: string;
}

const DECISIONS: readonly Decision[] = [
  {
    name: 'retry',
    to: 'ready',
    description: 'Lets a task be worked on again, with all its attempts anew.',
    why: 'to be tried again',
  },
  { name: 'block', to: 'blocked', description: 'Sets a task aside; a running attempt is stopped.', why: 'set aside' },
  { name: 'unblock', to: 'ready', description: 'Lets a blocked task be worked on.', why: 'no longer set aside' },
  { name: 'reject', to: 'failed', description: 'Gives a task up.', why: 'given up' },
];

export const registerDecide: RegisterCommand = (program, context) => {
  for (const decision of DECISIONS) {
    addCommonFlags(
      program
        .command(decision.name)
        .description(decision.description)
        .argument('<id...>', 'the tasks')
        .option('--why <text>', 'the reason, for the record'),
    )
      .addHelpText('after', `\nExamples:\n  pixel-coach ${decision.name} slugify --why "the test was wrong"`)
      .action((ids: string[], flags: DecisionFlags) => decide(ids, decision, flags, context));
  }
};

async function decide(
  ids: readonly string[],
  decision: Decision,
  flags: DecisionFlags,
  context: CommandContext,
): Promise<void> {
  await using project = await openProject(context, flags);
  const author = commandAuthor(flags.why ?? decision.why);
  const tasks = [];
  for (const id of ids) tasks.push(await project.store.setStatus(id, decision.to, author));
  await emit(context, flags, tasks, tasks.map(({ id, status, reason }) => `${id} is ${status}: ${reason}`).join('\n'));
}
