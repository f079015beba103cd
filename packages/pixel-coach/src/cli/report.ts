/** `pixel-coach report`: what a run did, in Markdown. */

import { CoachError } from '../core/errors.ts';
import { reportRun } from '../report/run-report.ts';
import { addCommonFlags, type CommandContext, type CommonFlags, emit, type RegisterCommand } from './command.ts';
import { openProject } from './project.ts';

interface ReportFlags extends CommonFlags {
  readonly run?: string;
}

export const registerReport: RegisterCommand = (program, context) => {
  addCommonFlags(
    program
      .command('report')
      .description('What a run did, in Markdown: the newest, unless another is named.')
      .option('--run <id>', 'which run'),
  )
    .addHelpText('after', '\nExamples:\n  pixel-coach report > morning.md')
    .action((flags: ReportFlags) => showReport(flags, context));
};

async function showReport({ run, ...flags }: ReportFlags, context: CommandContext): Promise<void> {
  await using project = await openProject(context, flags);
  const runId = run ?? (await project.store.listRuns(1))[0]?.id;
  if (runId === undefined) throw new CoachError('unknown-run', 'Nothing has run yet.');
  const { markdown, ...facts } = await reportRun(project.store, runId);
  await emit(context, flags, facts, markdown.trimEnd());
}
