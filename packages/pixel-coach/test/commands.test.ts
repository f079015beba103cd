/** The command as a user meets it: what it prints, what it ends with. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createContext } from '../src/cli/command.ts';
import { EXIT_CODES } from '../src/cli/failure.ts';
import { createProgram } from '../src/cli/program.ts';
import { ENVIRONMENT_OVERRIDES } from '../src/config/environment.ts';
import { parseRoadmap, tasksOfRoadmap } from '../src/roadmap/read-roadmap.ts';
import { type CoachProject, createProject } from './coach-project.ts';

const WRITER = { writer: { kind: 'command', command: ['true'], price: 'free' } };
const TASKS = [
  { id: 'one', title: 'The first', paths: ['src/one.js'], test_command: 'true' },
  { id: 'two', title: 'The second', paths: ['src/two.js'], dependencies: ['one'] },
];
const ROADMAP = { version: 1, phases: [{ id: '0_first', tasks: TASKS }] };

describe('The commands', () => {
  test('take a roadmap in once, and list what is in it', async () => {
    using project = simple();
    assert.match((await project.run('init')).stdout, /^2 tasks are taken in\./);
    assert.match((await project.run('init')).stdout, /^0 tasks are taken in, 2 were known already\./);
    assert.match((await project.run('status')).stdout, /0_first +2 +1 +1\n/);
    assert.match((await project.run('next')).stdout, /^one +ready +0_first +0 +The first$/m);
    assert.match((await project.run('list-tasks', '--status', 'pending')).stdout, /^two /m);
    assert.match((await project.run('list-phases')).stdout, /0_first/);
    const [phase] = (await project.json(0, 'list-phases')) as { total: number }[];
    assert.equal(phase?.total, 2);
    assert.match((await project.run('stats')).stdout, /Nothing was called yet/);
    assert.match((await project.run('show-task', 'two')).stdout, /depends on {2}one/);
  });

  test('add, edit and decide', async () => {
    using project = simple();
    await project.json(0, 'init');
    const added = await project.run(
      'add-task',
      'three',
      '--title',
      'The third',
      '--path',
      'src/three.js',
      '--budget',
      '0.1',
    );
    assert.equal(added.stdout, 'three is added: ready.\n');
    const edited = (await project.json(0, 'edit-task', 'three', '--priority', '7')) as {
      priority: number;
      budget: number;
    };
    assert.deepEqual([edited.priority, edited.budget], [7, 100_000_000]);
    assert.match((await project.run('block', 'three', '--why', 'not now')).stdout, /^three is blocked: not now/);
    assert.match((await project.run('unblock', 'three')).stdout, /^three is ready/);
    assert.match((await project.run('block', 'one', 'three')).stdout, /^one is blocked.*\nthree is blocked/);
    const twice = await project.run('add-task', 'three', '--title', 'x', '--path', 'y');
    assert.deepEqual([twice.exitCode, twice.stdout], [EXIT_CODES.usage, '']);
  });

  test('open the editor for a task when nothing else is said', async () => {
    using project = simple({ EDITOR: 'sed -i s/first/last/' });
    await project.json(0, 'init');
    const edited = (await project.json(0, 'edit-task', 'one')) as { title: string; version: number };
    assert.equal(edited.title, 'The last');
    using broken = simple({ EDITOR: 'sed -i s/action/auction/' });
    await broken.json(0, 'init');
    const failed = await broken.run('edit-task', 'one');
    assert.equal(failed.exitCode, EXIT_CODES.usage);
    assert.match(failed.stderr, /auction/);
  });

  for (const [what, parameters, message] of [
    ['an unknown command', ['cooach'], /unknown command 'cooach'/],
    ['an unknown option', ['status', '--fast'], /unknown option '--fast'/],
    ['an unknown task', ['show-task', 'nobody'], /nobody/],
    ['a number that is none', ['next', '--limit', 'many'], /whole number/],
    ['a status that is none', ['list-tasks', '--status', 'great'], /needs_human/],
    ['a configuration that is not there', ['status', '--config', 'other.json'], /other\.json/],
    ['a task without paths', ['add-task', 'x', '--title', 'y'], /--path/],
  ] as const) {
    test(`end with 2 on ${what}`, async () => {
      using project = simple();
      const { exitCode, stdout, stderr } = await project.run(...parameters);
      assert.deepEqual([exitCode, stdout], [EXIT_CODES.usage, ''], stderr);
      assert.match(stderr, message);
      assert.match(stderr, /^pixel-coach: /);
    });
  }

  test('refuse to work without an agent, say what was tried, and end with 3', async () => {
    using project = createProject({
      config: {
        agents: {
          local: { kind: 'openai-compatible', baseUrl: 'http://127.0.0.1:9/v1', model: 'm' },
          gemini: { kind: 'gemini', apiKey: { env: 'NO_SUCH_KEY' } },
          costly: { kind: 'command', command: ['true'] },
        },
        generators: ['local', 'gemini'],
      },
      roadmap: ROADMAP,
    });
    await project.json(0, 'init');
    const { exitCode, stderr } = await project.run('coach');
    assert.equal(exitCode, EXIT_CODES.noAgent);
    assert.match(stderr, /local: .*\(tried: GET http:\/\/127\.0\.0\.1:9\/v1\/models\) Start the server/);
    assert.match(stderr, /gemini: The environment variable NO_SUCH_KEY is not set\./);
    const agents = await project.run('agents');
    assert.equal(agents.exitCode, EXIT_CODES.noAgent);
    assert.match(agents.stdout, /costly: No price is known/);
    const doctor = await project.run('doctor');
    assert.match(doctor.stdout, /MISSING {2}agent local/);
    assert.notEqual(doctor.exitCode, 0);
  });

  test('refuse to run anything without a sandbox, and end with 4', async () => {
    using project = createProject({
      config: {
        agents: WRITER,
        generators: ['writer'],
        mode: 'generate',
        sandbox: { kind: 'container', container: { command: 'docker', image: 'no-such-image:never' } },
      },
      roadmap: ROADMAP,
      environment: { PATH: `${join(process.execPath, '..')}:/usr/bin:/bin` },
    });
    await project.json(0, 'init');
    const { exitCode, stderr } = await project.run('coach');
    assert.equal(exitCode, EXIT_CODES.noSandbox, stderr);
    assert.match(stderr, /Nothing that a model wrote is run without a sandbox/);
  });

  test('begin a project where there is nothing', async () => {
    using project = createProject({ config: {} });
    execFileSync('rm', ['pixel-coach.config.json'], { cwd: project.folder });
    const { stdout, exitCode } = await project.run('init');
    assert.equal(exitCode, 0);
    assert.match(stdout, /Wrote pixel-coach\.config\.json\.\nWrote coach\.roadmap\.yaml\.\n1 tasks are taken in\./);
    assert.equal(project.git('status', '--short', '.pixel-coach'), '');
  });

  test('complete themselves in three shells, and have short names', async () => {
    using project = simple();
    const bash = (await project.run('completion', 'bash')).stdout;
    const probe = `${bash}\nCOMP_WORDS=(pixel-coach list-tasks --st); COMP_CWORD=2; _pixel_coach; echo "\${COMPREPLY[@]}"`;
    assert.equal(execFileSync('bash', ['-c', probe], { encoding: 'utf8' }), '--status\n');
    assert.match((await project.run('completion', 'zsh')).stdout, /^#compdef pixel-coach/);
    assert.match((await project.run('completion', 'fish')).stdout, /-a show-task -d/);
    assert.match((await project.run('aliases')).stdout, /^alias pcs='pixel-coach status'$/m);
  });

  test('all have help with examples', () => {
    const program = createProgram(createContext(new AbortController().signal, () => {}));
    assert.ok(program.commands.length >= 20);
    for (const command of program.commands) {
      const help: string[] = [];
      command.configureOutput({ writeOut: (text) => void help.push(text) }).outputHelp();
      assert.match(help.join(''), /Examples:/, command.name());
    }
  });
});

describe('What is published', () => {
  test('the example roadmap has the eight phases, and is valid', () => {
    const url = new URL('../examples/coach.roadmap.yaml', import.meta.url);
    const roadmap = parseRoadmap(readFileSync(url, 'utf8'), 'coach.roadmap.yaml');
    assert.deepEqual(
      roadmap.phases.map(({ id }) => id[0]),
      ['0', '1', '2', '3', '4', '5', '6', '7'],
    );
    const tasks = tasksOfRoadmap(roadmap);
    const ids = new Set(tasks.map(({ id }) => id));
    for (const { id, testCommand, dependencies } of tasks) {
      assert.ok(testCommand, `${id} has a test`);
      for (const other of dependencies) assert.ok(ids.has(other), other);
    }
  });

  test('the page of commands lists every exit code and environment variable', () => {
    const page = readFileSync(new URL('../../../docs/coach-commands.md', import.meta.url), 'utf8');
    for (const code of Object.values(EXIT_CODES)) assert.match(page, new RegExp(`^\\| ${code} \\|`, 'm'));
    for (const [name, [path]] of Object.entries(ENVIRONMENT_OVERRIDES)) {
      assert.ok(page.includes(`| \`${name}\` | \`${path}\` |`), name);
    }
  });
});

function simple(environment: Readonly<Record<string, string>> = {}): CoachProject {
  return createProject({ config: { agents: WRITER, generators: ['writer'] }, roadmap: ROADMAP, environment });
}
