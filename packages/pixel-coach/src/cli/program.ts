/** The command line: every command under one parser, which throws what it meets. main.ts gives it a process and an end. */
import { Command } from 'commander';
import packageFacts from '../../package.json' with { type: 'json' };
import { registerAgents } from './agents.ts';
import { registerApprove } from './approve.ts';
import { registerCoach } from './coach.ts';
import type { CommandContext, RegisterCommand } from './command.ts';
import { registerCompletion } from './completion.ts';
import { registerDashboard } from './dashboard.ts';
import { registerDecide } from './decide.ts';
import { registerDoctor } from './doctor.ts';
import { registerEditTasks } from './edit-tasks.ts';
import { registerInit } from './init.ts';
import { registerLogs } from './logs.ts';
import { registerReport } from './report.ts';
import { registerShowTask } from './show-task.ts';
import { registerStats } from './stats.ts';
import { registerTaskLists } from './task-lists.ts';

/** In the order the help lists them. */
const COMMANDS: readonly RegisterCommand[] = [
  registerInit,
  registerDoctor,
  registerCoach,
  registerTaskLists,
  registerShowTask,
  registerEditTasks,
  registerApprove,
  registerDecide,
  registerAgents,
  registerStats,
  registerReport,
  registerLogs,
  registerDashboard,
  registerCompletion,
];

const GETTING_STARTED = `
Getting started, in a git repository:
  pixel-coach init       writes pixel-coach.config.json and coach.roadmap.yaml, and takes the tasks in
  pixel-coach doctor     what is missing, and how to get it
  pixel-coach coach      works; "pixel-coach dashboard" watches from another terminal
  pixel-coach report     what came of it, and the bill

"pixel-coach help COMMAND" says what a command takes, with examples. Exit codes: docs/coach-commands.md.`;

/** The parser, with the option \`debug\`. Its help goes to stdout; nothing is printed for an error. */
export function createProgram(context: CommandContext): Command {
  const program = new Command('pixel-coach')
    .description('Local models write, tests prove, a stronger model reviews: inside a budget and a sandbox.')
    .version(packageFacts.version, '-V, --version')
    .option('--debug', 'show the stack trace of an error')
    .showSuggestionAfterError()
    .configureHelp({ sortOptions: false, showGlobalOptions: false })
    .addHelpText('after', GETTING_STARTED)
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  for (const register of COMMANDS) register(program, context);
  return program;
}
