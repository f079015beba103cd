/** `pixel-coach init`: a configuration and a roadmap where there are none, and the roadmap's tasks in the store. */
import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CONFIG_FILE, loadConfig } from '../config/load-config.ts';
import { ROADMAP_FILES, readRoadmap, tasksOfRoadmap } from '../roadmap/read-roadmap.ts';
import { addCommonFlags, type CommandContext, type CommonFlags, emit, type RegisterCommand } from './command.ts';
import { COACH_FOLDER, commandAuthor, openProject } from './project.ts';

interface InitFlags extends CommonFlags {
  readonly phase?: string;
}

const FIRST_CONFIG = {
  $schema: './node_modules/pixel-coach/pixel-coach.config.schema.json',
  roadmap: ROADMAP_FILES[0],
  mode: 'generate+review',
  agents: {
    local: { kind: 'openai-compatible', baseUrl: 'http://127.0.0.1:11434/v1', model: 'qwen2.5-coder:7b' },
    gemini: { kind: 'gemini', model: 'gemini-3.8-flash', apiKey: { env: 'GEMINI_API_KEY' } },
  },
  generators: ['local'],
  reviewers: ['gemini'],
  budget: { perRun: 1, perDay: 3 },
};

const FIRST_ROADMAP = `# yaml-language-server: $schema=./node_modules/pixel-coach/coach.schema.json
version: 1
title: What is to be done
phases:
  - id: 0_first
    tasks:
      - id: hello
        title: Write hello()
        description: Export a function hello(name) that returns "Hello, NAME!".
        action: write_file
        paths: [src/hello.js]
        context: [test/hello.test.js]
        test_command: node --test test/hello.test.js
`;

export const registerInit: RegisterCommand = (program, context) => {
  addCommonFlags(
    program
      .command('init')
      .description(
        'Begins: writes a configuration and a roadmap if there are none, and takes the tasks of the roadmap in.',
      )
      .option('--phase <name>', "only this phase's tasks"),
  )
    .addHelpText(
      'after',
      '\nTasks that are known already stay as they are.\n\nExamples:\n  pixel-coach init\n  pixel-coach init --phase 1_gpu_core',
    )
    .action((flags: InitFlags) => init(flags, context));
};

async function init({ phase, ...flags }: InitFlags, context: CommandContext): Promise<void> {
  const written = flags.config === undefined ? await writeFirstFiles(context.folder) : [];
  await using project = await openProject(context, flags);
  const roadmap = readRoadmap(join(project.folder, project.config.roadmap));
  const tasks = tasksOfRoadmap(roadmap, phase);
  const known = new Set((await project.store.listTasks({ limit: 1_000_000 })).map(({ id }) => id));
  const added = tasks.filter(({ id }) => !known.has(id));
  await project.store.addTasks(added, commandAuthor('read from the roadmap'));
  const value = { written, config: project.path, added: added.map(({ id }) => id), known: tasks.length - added.length };
  const text = [
    ...written.map((path) => `Wrote ${path}.`),
    `${added.length} tasks are taken in${value.known > 0 ? `, ${value.known} were known already` : ''}.`,
    'Next: "pixel-coach doctor" says what is missing, "pixel-coach coach" begins the work.',
  ].join('\n');
  await emit(context, flags, value, text);
}

/** Only what is missing; names of the files that were written. */
async function writeFirstFiles(folder: string): Promise<string[]> {
  const written: string[] = [];
  const isThere = (path: string): Promise<boolean> =>
    access(path).then(
      () => true,
      () => false,
    );
  const write = async (name: string, text: string): Promise<void> => {
    await writeFile(join(folder, name), text, { flag: 'wx' });
    written.push(name);
  };
  try {
    await loadConfig(folder, { environment: {} });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'no-config')) throw error;
    await write(CONFIG_FILE, `${JSON.stringify(FIRST_CONFIG, null, 2)}\n`);
    const roadmaps = await Promise.all(ROADMAP_FILES.map((name) => isThere(join(folder, name))));
    if (!roadmaps.includes(true)) await write(ROADMAP_FILES[0], FIRST_ROADMAP);
  }
  await mkdir(join(folder, COACH_FOLDER), { recursive: true });
  // The database is this machine's; a repository wants the configuration and the roadmap only.
  const ignore = join(folder, COACH_FOLDER, '.gitignore');
  if (!(await isThere(ignore))) await writeFile(ignore, '*\n');
  return written;
}
