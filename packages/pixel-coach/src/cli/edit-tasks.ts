/** `pixel-coach add-task` and `edit-task`: tasks by a person's hand, at the command line or in the editor. */
import { type Command, Option } from 'commander';
import { stringify } from 'yaml';
import { CoachError } from '../core/errors.ts';
import { amountOfDollars, NANO_DOLLARS } from '../core/money.ts';
import { parseRoadmap, tasksOfRoadmap } from '../roadmap/read-roadmap.ts';
import { TASK_ACTIONS, type Task, type TaskDefinition } from '../store/types.ts';
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
import { editText } from './edit-text.ts';
import { commandAuthor, openProject } from './project.ts';

interface TaskFlags extends CommonFlags {
  readonly phase?: string;
  readonly title?: string;
  readonly description?: string;
  readonly action?: TaskDefinition['action'];
  readonly path?: readonly string[];
  readonly context?: readonly string[];
  readonly priority?: number;
  readonly dependsOn?: readonly string[];
  readonly test?: string;
  readonly hiddenTest?: string;
  readonly agent?: string;
  readonly maxAttempts?: number;
  readonly budget?: number;
}

export const registerEditTasks: RegisterCommand = (program, context) => {
  addTaskFlags(program.command('add-task').description('Adds a task.').argument('<id>', 'a name for it'))
    .addHelpText(
      'after',
      '\nExamples:\n  pixel-coach add-task slugify --title "Write slugify" --path src/slugify.js --test "node --test test/slugify.test.js"',
    )
    .action((id: string, flags: TaskFlags) => addTask(id, flags, context));
  addTaskFlags(
    program
      .command('edit-task')
      .description('Changes a task; without options it opens in the editor.')
      .argument('<id>', 'the task'),
  )
    .addHelpText('after', '\nExamples:\n  pixel-coach edit-task slugify --priority 10\n  pixel-coach edit-task slugify')
    .action((id: string, flags: TaskFlags) => editTask(id, flags, context));
};

function addTaskFlags(command: Command): Command {
  return addCommonFlags(
    command
      .option('--phase <name>', 'the phase it belongs to')
      .option('--title <text>', 'what is to be done, in a line')
      .option('--description <text>', 'everything the model has to know')
      .addOption(new Option('--action <action>', 'how the change is written').choices(TASK_ACTIONS))
      .option('--path <glob>', 'what it may write; may be given several times', collect)
      .option('--context <glob>', 'what the model sees besides; may be given several times', collect)
      .option('--priority <n>', 'larger comes first', wholeNumber(-1_000_000, 1_000_000))
      .option('--depends-on <id>', 'a task that must be done before; may be given several times', collect)
      .option('--test <command>', 'what proves it')
      .option('--hidden-test <command>', 'a second test that no model sees')
      .option('--agent <name>', 'who should write it')
      .option('--max-attempts <n>', 'attempts before a person is asked', wholeNumber(1, 100))
      .option('--budget <dollars>', 'most that it may cost', dollars),
  );
}

async function addTask(id: string, flags: TaskFlags, context: CommandContext): Promise<void> {
  await using project = await openProject(context, flags);
  const { title, path } = flags;
  if (title === undefined || path === undefined) {
    throw new CoachError('bad-argument', 'A task needs --title and at least one --path that it may write.');
  }
  const task = checked({ ...NEW_TASK, ...editsOf(flags), id, title, paths: path });
  await project.store.addTasks([task], commandAuthor('added by command'));
  const added = await project.store.getTask(id);
  await emit(context, flags, added, `${id} is added: ${added.status}.`);
}

async function editTask(id: string, flags: TaskFlags, context: CommandContext): Promise<void> {
  await using project = await openProject(context, flags);
  const task = await project.store.getTask(id);
  const edits = editsOf(flags);
  const changed =
    Object.keys(edits).length > 0 ? checked({ ...definitionOf(task), ...edits }) : await editInEditor(task, context);
  const { id: newId, ...definition } = changed;
  if (newId !== id)
    throw new CoachError('bad-argument', "A task's id cannot be changed; add another task and cancel this one.");
  const edited = await project.store.editTask(id, task.version, definition, commandAuthor('edited by command'));
  await emit(context, flags, edited, `${id} is changed: version ${edited.version}, ${edited.status}.`);
}

const NEW_TASK: Omit<TaskDefinition, 'id' | 'title' | 'paths'> = {
  phase: 'tasks',
  description: '',
  action: 'edit_file',
  context: [],
  priority: 0,
  dependencies: [],
  testCommand: null,
  hiddenTestCommand: null,
  preferredAgent: null,
  maxAttempts: null,
  budget: null,
};

/** Only what the flags name. */
function editsOf(flags: TaskFlags): Partial<TaskDefinition> {
  const { phase, title, description, action, path, context, priority, dependsOn, test, hiddenTest, agent } = flags;
  const { maxAttempts, budget } = flags;
  const edits = {
    phase,
    title,
    description,
    action,
    paths: path,
    context,
    priority,
    dependencies: dependsOn,
    testCommand: test,
    hiddenTestCommand: hiddenTest,
    preferredAgent: agent,
    maxAttempts,
    budget: budget === undefined ? undefined : amountOfDollars(budget),
  };
  return Object.fromEntries(Object.entries(edits).filter(([, value]) => value !== undefined));
}

/** The same checks as for a roadmap. */
function checked(task: TaskDefinition): TaskDefinition {
  return fromText(toText(task), 'the task');
}

async function editInEditor(task: Task, context: CommandContext): Promise<TaskDefinition> {
  const text = await editText(toText(definitionOf(task)), 'task.yaml', context);
  return fromText(text, 'the edited task');
}

/** A task as a person edits it: the form of the roadmap, of this one task. */
function toText(task: TaskDefinition): string {
  const { id, title, description, action, paths, context, priority, dependencies, phase } = task;
  return stringify({
    version: 1,
    phases: [
      {
        id: phase,
        tasks: [
          {
            id,
            title,
            description,
            action,
            paths: [...paths],
            context: [...context],
            priority,
            dependencies: [...dependencies],
            test_command: task.testCommand,
            hidden_test_command: task.hiddenTestCommand,
            preferred_agent: task.preferredAgent,
            max_attempts: task.maxAttempts,
            budget: task.budget === null ? null : task.budget / NANO_DOLLARS,
          },
        ],
      },
    ],
  });
}

function fromText(text: string, name: string): TaskDefinition {
  const [task, ...others] = tasksOfRoadmap(parseRoadmap(text, name));
  if (!task || others.length > 0) throw new CoachError('bad-roadmap', `${name} must hold exactly one task.`);
  return task;
}

function definitionOf(task: Task): TaskDefinition {
  const { id, phase, title, description, action, paths, context, priority, dependencies } = task;
  const { testCommand, hiddenTestCommand, preferredAgent, maxAttempts, budget } = task;
  return {
    id,
    phase,
    title,
    description,
    action,
    paths,
    context,
    priority,
    dependencies,
    testCommand,
    hiddenTestCommand,
    preferredAgent,
    maxAttempts,
    budget,
  };
}
