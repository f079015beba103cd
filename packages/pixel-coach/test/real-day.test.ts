/** A real day: 20 known problems as a roadmap, a scripted writer of mixed ability, a priced reviewer; every number is known beforehand. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { RunSummary } from '../src/loop/options.ts';
import type { StatisticsRow } from '../src/report/statistics.ts';
import { createProject, sandboxIsHere } from './coach-project.ts';
import { SOLUTIONS } from './human-eval-solutions.ts';
import type { Script, ScriptedRequest } from './scripted-server/script.ts';
import { always } from './scripted-server/scripts.ts';
import { startScriptedServer } from './scripted-server/server.ts';

const GOLDENS = new URL('../../../../shared/goldens/coding/humaneval-ts-first20.jsonl', import.meta.url);
const isHere = existsSync(GOLDENS);
if (!isHere) {
  if (process.env.REQUIRE_GOLDENS)
    throw new Error('The goldens are required here, and humaneval-ts-first20.jsonl is missing.');
  console.log('NOT CHECKED: the real day of the coach, because ../shared/goldens/coding is missing.');
}

interface Problem {
  readonly name: string;
  readonly prompt: string;
  readonly tests: string;
}

const REVIEW = JSON.stringify({ score: 9, mustFix: [], niceToHave: [], summary: 'Right.' });
/** 800 x $0.75 + 200 x $0.075 + 300 x $3.75, each a million: 1,740,000 nano-dollars. */
const REVIEW_USAGE = { inputTokens: 1000, cachedInputTokens: 200, outputTokens: 300, reasoningTokens: 250 };
const REVIEW_COST = 800 * 750 + 200 * 75 + 300 * 3750;

describe('A real day', {
  skip: isHere && (await sandboxIsHere()) ? false : 'NOT RUN: goldens or sandbox are missing',
}, () => {
  test('comes out with exactly the right numbers', async () => {
    const problems = readProblems();
    assert.equal(problems.length, 20);
    const names = new Map(problems.map((problem) => [problem.name, problem]));
    await using server = await startScriptedServer(
      { coder: coder(names), 'gemini-3.8-flash': () => ({ kind: 'text', text: REVIEW, usage: REVIEW_USAGE }) },
      { subjectOf: (request) => subjectOf(request, names) },
    );
    using project = createProject({
      config: {
        agents: {
          coder: { kind: 'openai-compatible', baseUrl: server.baseUrl, model: 'coder' },
          gemini: { kind: 'gemini', baseUrl: `${server.origin}/v1beta`, apiKey: { env: 'TEST_GEMINI_KEY' } },
        },
        generators: ['coder'],
        reviewers: ['gemini'],
        workers: 2,
      },
      roadmap: roadmapOf(problems),
      files: Object.fromEntries(problems.map((problem) => [`test/${problem.name}.test.ts`, testOf(problem)])),
      environment: { TEST_GEMINI_KEY: 'key' },
    });
    await project.json(0, 'init');
    const before = project.git('status', '--short');
    const { summary, total, report } = (await project.json(6, 'coach')) as {
      summary: RunSummary;
      total: StatisticsRow;
      report: string;
    };
    const kinds = problems.map((_, index) => kindOf(index));
    const count = (kind: string): number => kinds.filter((each) => each === kind).length;
    assert.deepEqual([count('at-once'), count('after-feedback'), count('never')], [9, 6, 5]);
    assert.deepEqual([summary.done, summary.needsHuman, summary.released, summary.ending], [15, 5, 0, 'no-more-tasks']);
    assert.deepEqual([total.tasks, total.attempts, total.accepted], [20, 9 + 6 * 2 + 5 * 3, 15]);
    assert.deepEqual([total.acceptanceRate, total.firstTryRate], [15 / 36, 9 / 20]);
    // 36 answers of the writer, 15 reviews: nobody reviews what fails its tests.
    assert.equal(total.calls, 36 + 15);
    assert.equal(server.calls.filter(({ model }) => model === 'gemini-3.8-flash').length, 15);
    assert.equal(total.cost, 15 * REVIEW_COST);
    assert.equal(summary.cost, 15 * REVIEW_COST);
    const tokens = server.calls.reduce((sum, { usage }) => sum + (usage?.inputTokens ?? 0), 0);
    assert.equal(total.inputTokens, tokens);
    const stats = (await project.json(0, 'stats', '--by', 'model')) as { rows: StatisticsRow[] };
    assert.deepEqual(
      stats.rows.map(({ key, calls, cost }) => [key, calls, cost]),
      [
        ['gemini-3.8-flash', 15, 15 * REVIEW_COST],
        ['coder', 36, 0],
      ],
    );
    const markdown = readFileSync(report, 'utf8');
    assert.match(
      markdown,
      /- 15 of 20 tasks done, 5 need a person\n- 36 attempts, 15 accepted; 45 % of the tasks at the first try/,
    );
    assert.match(markdown, /- 51 calls, \d+ tokens in, \d+ out: \*\*\$0\.0261\*\*/);
    assert.equal(project.git('status', '--short'), before);
    assert.equal(project.git('rev-list', '--count', `HEAD..${summary.branch}`).trim(), '15');
    const trailers = project.git('log', '-1', '--format=%(trailers)', summary.branch);
    assert.match(trailers, /Coach-Task: HumanEval_/);
    const waiting = (await project.json(0, 'list-tasks', '--status', 'needs_human')) as { id: string }[];
    assert.deepEqual(
      waiting.map(({ id }) => id),
      problems.filter((_, index) => kindOf(index) === 'never').map(({ name }) => name),
    );
  });
});

/** Every fourth never; of the others two of five after feedback. */
function kindOf(index: number): 'at-once' | 'after-feedback' | 'never' {
  if (index % 4 === 3) return 'never';
  return [1, 4, 6, 9, 12, 17].includes(index) ? 'after-feedback' : 'at-once';
}

function coder(problems: ReadonlyMap<string, Problem>): Script {
  const names = [...problems.keys()];
  return (request, turn) => {
    const name = subjectOf(request, problems);
    const problem = problems.get(name);
    const solution = SOLUTIONS[name];
    if (!problem || solution === undefined)
      throw new Error(`Nobody knows the problem of this prompt: ${request.text.slice(0, 200)}`);
    const kind = kindOf(names.indexOf(name));
    const isRight = kind === 'at-once' || (kind === 'after-feedback' && turn > 0);
    // The feedback has to be there: a second turn alone is no reason to know better.
    if (kind === 'after-feedback' && turn > 0) assert.match(request.text, /AssertionError|deepEqual|Expected/i);
    const body = isRight ? solution : `  return undefined as never; // attempt ${turn + 1}`;
    return always(
      `I think so:\n\n### FILE: src/${name}.ts\n\`\`\`ts\nexport ${signatureOf(problem)}\n${body}\n}\n\`\`\`\n`,
    )(request, turn);
  };
}

function subjectOf({ text }: ScriptedRequest, problems: ReadonlyMap<string, Problem>): string {
  return [...problems.keys()].find((name) => text.includes(`Write ${name}`)) ?? '';
}

function signatureOf({ prompt }: Problem): string {
  return prompt.trim().split('\n').at(-1) ?? '';
}

function readProblems(): Problem[] {
  return readFileSync(GOLDENS, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

function roadmapOf(problems: readonly Problem[]): object {
  const tasks = problems.map(({ name, prompt }) => ({
    id: name,
    title: `Write ${name}`,
    description: prompt,
    action: 'write_file',
    paths: [`src/${name}.ts`],
    context: [`test/${name}.test.ts`],
    test_command: `node --test test/${name}.test.ts`,
  }));
  return { version: 1, phases: [{ id: 'problems', tasks }] };
}

/** The problem's own assertions, around the function of the file under test. */
function testOf({ name, tests, prompt }: Problem): string {
  const functionName = /^function (\w+)/m.exec(prompt)?.[1] ?? '';
  const body = tests
    .replace(
      'declare var require: any;',
      `import { test as check } from 'node:test';\nimport { ${functionName} } from '../src/${name}.ts';`,
    )
    .replace("const assert = require('node:assert');", "import assert from 'node:assert';")
    .replace(/\ntest\(\);\s*$/, `\ncheck('${name}', test);\n`);
  return body;
}
