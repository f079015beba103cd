/** `pixel-llm eval` and `corpus babi|stepgame` as a person uses them, on a model that has learned a little. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runCommand } from './command-line.ts';

const FACTS = [
  ['door', 'red'],
  ['roof', 'blue'],
  ['wall', 'red'],
  ['gate', 'green'],
  ['well', 'blue'],
  ['road', 'red'],
] as const;
const line = (thing: string, color: string) => ({ prompt: `What color is the ${thing}?`, completion: color });
const jsonl = (lines: readonly object[]): string => lines.map((one) => `${JSON.stringify(one)}\n`).join('');
const BABI = '1 The cone is above the ring.\n2 The cube is above the cone.\n3 Is the cube above the ring?\tyes\t1 2\n';

let folder = '';
const run = (...words: string[]) => runCommand(words, { cwd: folder });
const evaluated = async (...words: string[]) => {
  const { stdout, stderr, code } = await run('eval', 'model.pxi.png', '--threads', '1', ...words, '--json');
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
};

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pixel-llm-eval-'));
  const shape = { name: 'colors', dim: 32, layers: 2, heads: 2, kvHeads: 2, hidden: 64, contextLength: 256 };
  const recipe = {
    model: { shape, tokenizer: { vocabulary: 320 } },
    ...{ data: ['facts.jsonl'], heldOut: 0, steps: 120, stepTokens: 200, batchTokens: 256, warmUpSteps: 10 },
  };
  await writeFile(join(folder, 'facts.jsonl'), jsonl(FACTS.map(([thing, color]) => line(thing, color))));
  await writeFile(join(folder, 'recipe.json'), JSON.stringify(recipe));
  await writeFile(join(folder, 'babi.txt'), BABI);
  const { code, stderr } = await run('train', 'recipe.json', '--out', 'model.pxi.png', '--threads', '1');
  assert.equal(code, 0, stderr);
});
after(() => rm(folder, { recursive: true }));

test('what was learned is right, and stands beside majority and random', async () => {
  const { rows } = await evaluated('--task', 'docs', '--data', 'facts.jsonl');
  assert.deepEqual(rows, [{ what: 'questions', questions: 6, right: 6, score: 1, majority: 1 / 2, random: 1 / 3 }]);
  const { stdout } = await run('eval', 'model.pxi.png', '--task', 'docs', '--data', 'facts.jsonl');
  assert.match(stdout, /questions +6 +100\.0 % +50\.0 % +33\.3 %\n$/);
});

test('kinds and hops have rows, steps before a colon do not count, and mistakes are written down', async () => {
  const asked = [
    { ...line('door', 'red'), kind: 'near', hops: 1 },
    { ...line('roof', 'green'), kind: 'far', hops: 2 },
    { ...line('gate', 'wood 1, paint 2: green'), kind: 'far', hops: 1 },
  ];
  await writeFile(join(folder, 'asked.jsonl'), jsonl(asked));
  const { rows } = await evaluated('--task', 'spatial', '--data', 'asked.jsonl', '--mistakes', 'wrong.jsonl');
  assert.deepEqual(
    rows.map(({ what, questions, right }: { what: string; questions: number; right: number }) => [
      what,
      questions,
      right,
    ]),
    [
      ['near', 1, 1],
      ['far', 2, 1],
      ['1 hop', 2, 2],
      ['2 hops', 1, 0],
      ['all', 3, 2],
    ],
  );
  const wrong = JSON.parse(await readFile(join(folder, 'wrong.jsonl'), 'utf8'));
  assert.deepEqual(wrong, { prompt: 'What color is the roof?', completion: 'green', written: 'blue' });
});

test('the likeliest ending is chosen, and texts cost what `score` says', async () => {
  const choices = ['red', 'green', 'blue'];
  const cloze = FACTS.map(([thing, color]) => ({ ...line(thing, color), choices }));
  await writeFile(join(folder, 'cloze.jsonl'), jsonl(cloze));
  const { rows } = await evaluated('--task', 'cloze', '--data', 'cloze.jsonl');
  assert.deepEqual([rows[0].questions, rows[0].right], [6, 6]);

  const text = 'What color is the door? red';
  await writeFile(join(folder, 'text.txt'), text);
  await writeFile(join(folder, 'text.jsonl'), jsonl([{ text }]));
  const [whole, lines] = [
    await evaluated('--task', 'perplexity', '--data', 'text.txt'),
    await evaluated('--task', 'perplexity', '--data', 'text.jsonl'),
  ];
  assert.equal(whole.nats, lines.nats);
  const scored = JSON.parse((await run('score', 'model.pxi.png', '--text', 'text.txt', '--json', '--top', '0')).stdout);
  // One more: the end of the text.
  assert.equal(whole.tokens, scored.scored + 1);
  assert.ok(whole.nats > scored.meanNegativeLogLikelihood * scored.scored);
});

test('stories are scored beside their grammar, and those a model tells are judged', async () => {
  const made = await run('corpus', 'stories', '--seed', '5', '--count', '2', '--out', 'stories.jsonl');
  assert.equal(made.code, 0, made.stderr);
  const result = await evaluated('--task', 'stories', '--data', 'stories.jsonl', '--tell', '2');
  // A model of colors knows nothing of them.
  assert.ok(result.ratio > 3 && Math.abs(result.ratio - result.nats / result.grammarNats) < 1e-9);
  assert.deepEqual(result.told, { told: 2, right: 0, score: 0 });
});

test('files of tasks become lines to learn, and are asked as they are', async () => {
  const { stdout } = await run('corpus', 'babi', '--from', 'babi.txt', '--steps');
  assert.deepEqual(JSON.parse(stdout), {
    prompt: 'The cone is above the ring. The cube is above the cone. Is the cube above the ring?',
    completion: 'ring 0 0, cone 0 1, cube 0 2: yes',
    kind: '2 facts',
  });
  const varied = await run('corpus', 'babi', '--from', 'babi.txt', '--vary', '--count', '9', '--seed', '4');
  assert.equal(varied.stdout.trim().split('\n').length, 9);
  assert.equal(
    (await run('corpus', 'babi', '--from', 'babi.txt', '--vary', '--count', '9', '--seed', '4')).stdout,
    varied.stdout,
  );
  const { rows } = await evaluated('--task', 'babi', '--data', 'babi.txt');
  assert.equal(rows[0].questions, 1);
});

test('wrong files and parts without questions are told before a model is loaded', async () => {
  await writeFile(join(folder, 'bad.jsonl'), '{"prompt":"a","completion":"b"}\n{"prompt":"a"}\n');
  for (const [words, status, message] of [
    [['eval', 'missing.pxi.png', '--task', 'docs', '--data', 'bad.jsonl'], 1, /bad\.jsonl, line 2/],
    [['eval', 'missing.pxi.png', '--task', 'babi', '--data', 'bad.jsonl'], 1, /line 1 is no numbered sentence/],
    [['eval', 'missing.pxi.png', '--task', 'docs'], 2, /--data/],
    [['corpus', 'stories', '--vary'], 2, /leave out --from and --vary/],
    [['corpus', 'babi'], 2, /needs --from/],
  ] as const) {
    const { code, stderr } = await run(...words);
    assert.equal(code, status, stderr);
    assert.match(stderr, message);
  }
});
