/** `pixel-coach coach`: the work itself. Everything it needs is checked first, and what is missing is told with an exit code of its own. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AssembledTeam, assembleTeam, teamFor } from '../agents/team.ts';
import type { PriceList } from '../agents/types.ts';
import { CoachError } from '../core/errors.ts';
import { amountOfDollars, formatAmount } from '../core/money.ts';
import { humanLine } from '../logs/human-line.ts';
import { LiveText } from '../logs/live-text.ts';
import { logEvent } from '../logs/log-events.ts';
import { openRunLog, type RunLog } from '../logs/run-log.ts';
import { runCoach } from '../loop/coach.ts';
import type { LoopEvent, LoopOptions, RunSummary } from '../loop/options.ts';
import { reportRun } from '../report/run-report.ts';
import type { Sandbox } from '../sandbox/types.ts';
import { openRepository, type Repository } from '../workspace/repository.ts';
import {
  addCommonFlags,
  type CommandContext,
  type CommonFlags,
  collect,
  dollars,
  emit,
  type RegisterCommand,
  wholeNumber,
} from './command.ts';
import { EXIT_CODES } from './failure.ts';
import { openProject, type Project } from './project.ts';
import { sandboxLimits, sandboxOf } from './sandbox.ts';

interface CoachFlags extends CommonFlags {
  readonly phase?: readonly string[];
  readonly maxTasks?: number;
  readonly workers?: number;
  readonly dryRun?: boolean;
  readonly budget?: number;
  readonly base?: string;
  readonly quiet?: boolean;
}

const EXAMPLES = `
Accepted changes become commits on a branch coach/RUN; your own branch and your files are not touched. Ctrl-C ends the run in order.

Exit codes: 0 all that was begun is done, 6 a person is needed, 5 the budget is used up, 3 no usable agent, 4 no sandbox, 1 it failed.

Examples:
  pixel-coach coach
  pixel-coach coach --phase 1_gpu_core --max-tasks 5 --budget 0.50
  pixel-coach coach --dry-run`;

export const registerCoach: RegisterCommand = (program, context) => {
  addCommonFlags(
    program
      .command('coach')
      .description('Works on the tasks: a model writes, tests prove, another model reviews.')
      .option('--phase <name>', 'only tasks of this phase; may be given several times', collect)
      .option('--max-tasks <n>', 'end after so many tasks', wholeNumber(1))
      .option('--workers <n>', 'tasks at once', wholeNumber(1, 64))
      .option('--budget <dollars>', 'most that this run may cost', dollars)
      .option('--base <commit>', 'where the branch begins', 'HEAD')
      .option('--dry-run', 'say what would be done, and do nothing')
      .option('--quiet', 'no log on the terminal'),
  )
    .addHelpText('after', EXAMPLES)
    .action((flags: CoachFlags) => coach(flags, context));
};

async function coach(flags: CoachFlags, context: CommandContext): Promise<void> {
  await using project = await openProject(context, flags);
  const team = await readyTeam(project, context);
  const prices = await loadPrices(project);
  for (const agent of [...team.generators, ...team.reviewers]) prices.reservation(agent, 0, 0);
  const sandbox = await readySandbox(project);
  const repository = await openRepository(project.folder);
  if (flags.dryRun) return dryRun(flags, context, project, { team, prices });
  const summary = await run(flags, context, project, { team, prices, sandbox, repository });
  const { markdown, ...facts } = await reportRun(project.store, summary.runId);
  const path = join(project.coachFolder, 'reports', `${summary.runId}.md`);
  mkdirSync(join(project.coachFolder, 'reports'), { recursive: true });
  writeFileSync(path, markdown);
  await emit(context, flags, { summary, report: path, total: facts.total }, summaryText(summary, path));
  context.endWith(exitCodeOf(summary));
}

// Dynamic imports stand in functions of their own: beside `using` the compiler leaves their ".ts" as it is.
async function loadPrices({ config }: Project): Promise<PriceList> {
  const { createPriceList } = await import('../agents/price-list.ts');
  return createPriceList(config);
}

/** The agents that can be used now; those that cannot are told. */
async function readyTeam(project: Project, context: CommandContext): Promise<AssembledTeam> {
  // The libraries of models are large: other commands start without them.
  const { createAgents } = await import('../agents/create-agents.ts');
  const agents = createAgents(project.config, {
    folder: project.folder,
    environment: context.environment,
    onRetry: (error, wait) => context.note(`${error.message} Again in ${(wait / 1000).toFixed(1)} s.`),
  });
  const team = await assembleTeam(project.config, agents, context.signal);
  for (const { agent, availability } of team.missing) {
    const { reason, remedy, tried } = availability;
    context.note(`Goes on without agent "${agent.name}": ${reason} (tried: ${tried}) ${remedy}`);
  }
  return team;
}

async function readySandbox({ config }: Project): Promise<Sandbox> {
  const sandbox = sandboxOf(config);
  const { usable, reason, remedy, tried } = await sandbox.availability();
  if (usable) return sandbox;
  throw new CoachError(
    'no-sandbox',
    `Nothing that a model wrote is run without a sandbox. Tried: ${tried}. ${reason} ${remedy}`,
  );
}

interface Equipment {
  readonly team: AssembledTeam;
  readonly prices: PriceList;
  readonly sandbox: Sandbox;
  readonly repository: Repository;
}

async function run(
  flags: CoachFlags,
  context: CommandContext,
  project: Project,
  equipment: Equipment,
): Promise<RunSummary> {
  const { config, coachFolder, logFolder } = project;
  using live = new LiveText(join(coachFolder, 'live'));
  let log: RunLog | undefined;
  const kindOf = (agent: string) => config.agents[agent]?.kind;
  const onEvent = (event: LoopEvent): void => {
    if (event.type === 'run-started') {
      const onLine = flags.quiet || flags.json ? undefined : (line: string) => context.note(humanLine(line));
      log = openRunLog({ folder: logFolder, runId: event.runId, level: config.log.level, onLine });
    }
    live.follow(event);
    if (log) logEvent(log, event, kindOf);
  };
  try {
    return await runCoach({ ...loopOptions(flags, project, equipment), signal: context.signal, onEvent });
  } finally {
    log?.[Symbol.dispose]();
  }
}

function loopOptions(flags: CoachFlags, { config, store, folder }: Project, equipment: Equipment): LoopOptions {
  const { team, prices, sandbox, repository } = equipment;
  const { budget, threshold, medianBand, maxAttempts, protectedPaths, hiddenPaths, workers } = config;
  const modules = join(folder, 'node_modules');
  return {
    store,
    repository,
    prices,
    team: (task) => teamFor(team, task.preferredAgent),
    tests: {
      sandbox,
      limits: sandboxLimits(config),
      writable: config.sandbox.writable,
      mounts: [
        ...(existsSync(modules) ? [{ source: modules, target: '/work/node_modules' }] : []),
        ...config.sandbox.readOnly.map((path) => ({ source: path, target: path })),
      ],
    },
    limits: {
      call: amountOfDollars(budget.perCall),
      task: amountOfDollars(budget.perTask),
      run: amountOfDollars(flags.budget ?? budget.perRun),
      day: amountOfDollars(budget.perDay),
    },
    threshold,
    medianBand,
    maxAttempts,
    protectedPaths,
    hiddenPaths,
    workers: flags.workers ?? workers,
    phases: flags.phase,
    maxTasks: flags.maxTasks,
    base: flags.base,
    description: { mode: config.mode, budget: flags.budget ?? budget.perRun, phases: flags.phase ?? null },
  };
}

async function dryRun(
  flags: CoachFlags,
  context: CommandContext,
  { store, config }: Project,
  { team }: Pick<Equipment, 'team' | 'prices'>,
): Promise<void> {
  const tasks = await store.nextTasks(flags.maxTasks ?? 20, flags.phase);
  const names = (agents: readonly { readonly name: string }[]): string[] => agents.map(({ name }) => name);
  const value = {
    tasks: tasks.map(({ id, title, testCommand }) => ({ id, title, testCommand })),
    generators: names(team.generators),
    reviewers: names(team.reviewers),
    budget: flags.budget ?? config.budget.perRun,
  };
  const lines = [
    `Writes: ${value.generators.join(', then ')}. Reviews: ${value.reviewers.join(', then ') || 'nobody, tests decide'}.`,
    `At most ${formatAmount(amountOfDollars(value.budget))} would be spent.`,
    tasks.length === 0 ? 'No task is ready.' : 'Would begin with:',
    ...tasks.map(({ id, title, testCommand }) => `  ${id}: ${title} (${testCommand ?? 'no test: reviewed only'})`),
  ];
  await emit(context, flags, value, lines.join('\n'));
}

function summaryText({ branch, done, needsHuman, released, cost, why }: RunSummary, report: string): string {
  return [
    `${done} done, ${needsHuman} need a person, ${released} given back; ${formatAmount(cost)}. It ended because ${why}.`,
    ...(done > 0 ? [`The changes: git log --oneline HEAD..${branch}`] : []),
    `The report: ${report}`,
  ].join('\n');
}

function exitCodeOf({ ending, needsHuman }: RunSummary): number {
  switch (ending) {
    case 'budget':
      return EXIT_CODES.budget;
    case 'agents-unavailable':
      return EXIT_CODES.noAgent;
    case 'failed':
      return EXIT_CODES.failed;
    default:
      return needsHuman > 0 ? EXIT_CODES.needsHuman : EXIT_CODES.done;
  }
}
