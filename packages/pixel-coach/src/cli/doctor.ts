/** `pixel-coach doctor`: everything the coach needs, what is missing, and how to get it. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isCoachError } from '../core/errors.ts';
import { readRoadmap, tasksOfRoadmap } from '../roadmap/read-roadmap.ts';
import { openRepository } from '../workspace/repository.ts';
import { reportAgents } from './agents.ts';
import { addCommonFlags, type CommandContext, type CommonFlags, emit, type RegisterCommand } from './command.ts';
import { EXIT_CODES } from './failure.ts';
import { openProject, type Project } from './project.ts';
import { sandboxOf } from './sandbox.ts';

interface Finding {
  readonly name: string;
  readonly ok: boolean;
  /** Without it nothing can be coached. */
  readonly needed: boolean;
  readonly text: string;
  readonly remedy: string;
  /** What the command ends with when this is what is missing. */
  readonly exitCode: number;
}

export const registerDoctor: RegisterCommand = (program, context) => {
  addCommonFlags(program.command('doctor').description('What the coach needs, what is missing, and how to get it.'))
    .addHelpText(
      'after',
      '\nExits with 0 when work can begin, 3 without an agent, 4 without a sandbox, else 1.\n\nExamples:\n  pixel-coach doctor',
    )
    .action((flags: CommonFlags) => examine(flags, context));
};

async function examine(flags: CommonFlags, context: CommandContext): Promise<void> {
  const findings: Finding[] = [
    found('Node', `${process.versions.node}`),
    await check('git', 'Install git: https://git-scm.com/downloads.', async () => {
      const { stdout } = await promisify(execFile)('git', ['--version']);
      return stdout.trim();
    }),
    await check('repository', 'git init && git add -A && git commit -m "Begin"', async () => {
      const { folder } = await openRepository(context.folder);
      return folder;
    }),
  ];
  try {
    await using project = await openProject(context, flags);
    findings.push(found('configuration', project.path), ...(await examineProject(project, context)));
  } catch (error) {
    const remedy = isCoachError(error, 'no-config') ? 'pixel-coach init' : 'Correct it; the schema knows all options.';
    findings.push({ ...missing('configuration', messageOf(error), remedy), exitCode: EXIT_CODES.usage });
  }
  await emit(context, flags, findings, describe(findings));
  const first = findings.find(({ ok, needed }) => !ok && needed);
  if (first) context.endWith(first.exitCode);
}

async function examineProject(project: Project, context: CommandContext): Promise<Finding[]> {
  const { config, folder, store } = project;
  const roadmap = await check('roadmap', 'Correct it, or name another as "roadmap" in the configuration.', async () => {
    const tasks = tasksOfRoadmap(readRoadmap(join(folder, config.roadmap)));
    return `${config.roadmap}: ${tasks.length} tasks`;
  });
  const phases = await store.listPhases();
  const total = phases.reduce((sum, phase) => sum + phase.total, 0);
  const tasks =
    total > 0 ? found('tasks', `${total} in the store`) : missing('tasks', 'The store has none.', 'pixel-coach init');
  const sandbox = await sandboxOf(config).availability();
  const agents = await reportAgents(config, folder, context);
  const isNeeded = (role: 'writes' | 'reviews'): boolean =>
    agents.filter((agent) => agent.role.includes(role) && agent.usable).length === 0;
  const needsReviewer = config.mode !== 'generate' && config.reviewers.length > 0;
  return [
    { ...roadmap, needed: total === 0 },
    tasks,
    sandbox.usable
      ? found('sandbox', sandbox.reason)
      : {
          ...missing('sandbox', `${sandbox.reason} (tried: ${sandbox.tried})`, sandbox.remedy),
          exitCode: EXIT_CODES.noSandbox,
        },
    ...agents.map((agent) => ({
      name: `agent ${agent.name}`,
      ok: agent.usable,
      needed:
        (agent.role.includes('writes') && isNeeded('writes')) ||
        (needsReviewer && agent.role.includes('reviews') && isNeeded('reviews')),
      text: `${agent.reason} (tried: ${agent.tried})`,
      remedy: agent.remedy,
      exitCode: EXIT_CODES.noAgent,
    })),
    ...(config.generators.length === 0
      ? [
          {
            ...missing('generators', 'The configuration names nobody who writes.', 'Name an agent in "generators".'),
            exitCode: EXIT_CODES.noAgent,
          },
        ]
      : []),
  ];
}

async function check(name: string, remedy: string, work: () => Promise<string>): Promise<Finding> {
  try {
    return found(name, await work());
  } catch (error) {
    return missing(name, messageOf(error), remedy);
  }
}

function found(name: string, text: string): Finding {
  return { name, ok: true, needed: true, text, remedy: '', exitCode: EXIT_CODES.done };
}

function missing(name: string, text: string, remedy: string): Finding {
  return { name, ok: false, needed: true, text, remedy, exitCode: EXIT_CODES.failed };
}

function describe(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ name, ok, needed, text, remedy }) => [
    `${ok ? 'ok      ' : needed ? 'MISSING ' : 'absent  '} ${name}: ${text}`,
    ...(ok ? [] : [`           ${remedy}`]),
  ]);
  const ready = findings.every(({ ok, needed }) => ok || !needed);
  return [...lines, '', ready ? 'Work can begin: pixel-coach coach' : 'Work cannot begin yet.'].join('\n');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
