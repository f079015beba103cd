/** `finetune`, `--adapter` and `merge` as a person uses them: a model learns 200 facts more and keeps the 200 it knew. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { choiceSource } from '../src/core/random.ts';
import { runCommand } from './command-line.ts';

const COLORS = 'red blue green gold silver black white brown pink grey'.split(' ');
const SYLLABLES =
  'ba be bi bo da de di do ka ke ki ko la le li lo ma me mi mo na ne ni no ra re ri ro sa se si so'.split(' ');
const LEARNED = [
  '--rank',
  '16',
  '--steps',
  '140',
  '--step-tokens',
  '1024',
  '--learning-rate',
  '0.006',
  '--threads',
  '1',
];

let folder = '';
const run = (...words: string[]) => runCommand(words, { cwd: folder });
async function runs(...words: string[]): Promise<{ stdout: string; stderr: string }> {
  const result = await run(...words);
  assert.equal(result.code, 0, result.stderr);
  return result;
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pixel-llm-finetune-'));
  const below = choiceSource(1, 1);
  const names = new Set<string>();
  while (names.size < 400) names.add([0, 0, 0].map(() => SYLLABLES[below(SYLLABLES.length)]).join(''));
  const lines = [...names].map((name) => {
    return `${JSON.stringify({ prompt: `What color is the ${name}?`, completion: COLORS[below(COLORS.length)] })}\n`;
  });
  const shape = { name: 'colors', dim: 64, layers: 2, heads: 4, kvHeads: 2, hidden: 128, contextLength: 64 };
  const recipe = {
    model: { shape, tokenizer: { vocabulary: 330 } },
    ...{ data: ['old.jsonl'], heldOut: 0, steps: 120, stepTokens: 1024, batchTokens: 1024 },
    ...{ learningRate: 0.006, warmUpSteps: 10, weightDecay: 0.01 },
  };
  await writeFile(join(folder, 'old.jsonl'), lines.slice(0, 200).join(''));
  await writeFile(join(folder, 'new.jsonl'), lines.slice(200).join(''));
  await writeFile(join(folder, 'recipe.json'), JSON.stringify(recipe));
  await runs('train', 'recipe.json', '--out', 'trained.pxi.png', '--threads', '1');
  // The base of the adapter is quantized and stays so.
  await runs('convert', 'trained.pxi.png', 'base.pxi.png', '--type', 'Q8_0');
  await runs(
    'finetune',
    'base.pxi.png',
    '--data',
    'new.jsonl',
    '--rehearse',
    'old.jsonl',
    '--out',
    'facts.pxi.png',
    ...LEARNED,
  );
});
after(() => rm(folder, { recursive: true }));

/** Share of right answers. */
async function score(model: string, data: string, ...more: string[]): Promise<number> {
  const words = ['eval', model, '--task', 'docs', '--data', data, '--threads', '1', '--json', ...more];
  return JSON.parse((await runs(...words)).stdout).rows[0].score;
}

test('200 new facts are learned, and of the old ones nearly none is lost', async () => {
  const before = await score('base.pxi.png', 'old.jsonl');
  assert.ok(before > 0.95, `${before} were known`);
  assert.ok((await score('base.pxi.png', 'new.jsonl')) < 0.3);
  assert.ok((await score('base.pxi.png', 'new.jsonl', '--adapter', 'facts.pxi.png')) >= 0.95);
  assert.ok((await score('base.pxi.png', 'old.jsonl', '--adapter', 'facts.pxi.png')) > before - 0.02);
});

test('merged, they are in the model itself, and it is told what rounding cost', async () => {
  const { stderr } = await runs('merge', 'base.pxi.png', 'facts.pxi.png', 'merged.pxi.png');
  assert.match(stderr, /14 weights merged, stored to within 0\.\d+ %/);
  assert.ok((await score('merged.pxi.png', 'new.jsonl')) >= 0.95);
  const { stderr: exact } = await runs('merge', 'base.pxi.png', 'facts.pxi.png', 'merged.gguf', '--type', 'F32');
  assert.match(exact, /stored as F32/);
  assert.ok((await score('merged.gguf', 'new.jsonl')) >= 0.95);
});

test('an adapter is a picture that can be looked at and checked', async () => {
  assert.match(
    (await runs('inspect', 'facts.pxi.png')).stdout,
    /adapter {7}for "colors": LoRA of 14 weights, alpha 32/,
  );
  assert.match((await runs('verify', 'facts.pxi.png')).stdout, /sound/);
  await runs('render', 'facts.pxi.png', 'facts.png');
});

test('stopped and gone on with, an adapter is the same file', async () => {
  const words = ['finetune', 'base.pxi.png', '--data', 'new.jsonl', '--rank', '2', '--steps', '12', '--threads', '1'];
  await runs(...words, '--out', 'whole.pxi.png');
  for (let i = 0; i < 20; i++) {
    const { stderr } = await runs(...words, '--out', 'pieces.pxi.png', '--minutes', '0.005');
    if (/trained in 12 steps/.test(stderr)) break;
    assert.match(stderr, /stopped after step \d+ of 12; the same command goes on/);
  }
  assert.deepEqual(await readFile(join(folder, 'pieces.pxi.png')), await readFile(join(folder, 'whole.pxi.png')));
});

test('another model, another file and half an adapter are refused', async () => {
  // The same shapes, other weights.
  const refused = async (model: string, adapter: string, status: number, message: RegExp): Promise<void> => {
    for (const words of [
      ['run', model, 'What', '--adapter', adapter],
      ['merge', model, adapter, 'never.pxi.png'],
    ]) {
      const { code, stderr } = await run(...words);
      assert.equal(code, status, stderr);
      assert.match(stderr, message);
    }
  };
  await refused('trained.pxi.png', 'facts.pxi.png', 2, /was made for the model "colors" with other weights/);
  await refused('base.pxi.png', 'trained.pxi.png', 2, /is no LoRA adapter/);
  const bytes = await readFile(join(folder, 'facts.pxi.png'));
  await writeFile(join(folder, 'half.pxi.png'), bytes.subarray(0, bytes.length >> 1));
  await refused('base.pxi.png', 'half.pxi.png', 1, /was cut short/);
  assert.equal(
    (await run('finetune', 'base.pxi.png', '--data', 'new.jsonl', '--out', 'x.pxi.png', '--targets', 'nothing')).code,
    2,
  );
});
