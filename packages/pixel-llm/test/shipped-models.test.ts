/** The models in models/: sound, small, and as good as their cards say. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFileByteSource } from '../src/core/node.ts';
import { loadModel } from '../src/engine/node.ts';
import { verifyModelFile } from '../src/pxi/verify-file.ts';
import { writeDocs } from '../src/train/corpora/docs.ts';
import { writeSpatial } from '../src/train/corpora/spatial.ts';
import { writeStory } from '../src/train/corpora/stories.ts';
import { answerQuestions, scoreRows } from '../src/train/evaluation/answer-questions.ts';
import { scoreStories, tellStories } from '../src/train/evaluation/story-scores.ts';
import { parseBabi } from '../src/train/tasks/babi.ts';
import { partOf, type Question } from '../src/train/tasks/question.ts';
import { parseStepgame } from '../src/train/tasks/stepgame.ts';
import { golden, goldenTest } from './goldens.ts';

const MODELS = join(import.meta.dirname, '../../../models');
const names = readdirSync(MODELS).filter((name) => name.endsWith('.pxi.png'));
/** Bytes that a model may have. */
const MOST_BYTES: Readonly<Record<string, number>> = { 'pixie.pxi.png': 4e6 };

for (const name of names) {
  test(`models/${name} is sound, small enough, and on its card`, async () => {
    const path = join(MODELS, name);
    const report = await verifyModelFile(path, openFileByteSource);
    assert.deepEqual(report.findings, []);
    assert.ok(statSync(path).size < (MOST_BYTES[name] ?? 1e6));
    assert.ok(readFileSync(join(MODELS, 'README.md'), 'utf8').includes(`## ${name}`));
  });
}

test('Pixie costs stories little more than their grammar does, tells its own, and knows the project in other words', async () => {
  await using pixie = await loadModel(join(MODELS, 'pixie.pxi.png'), { device: 'cpu', sequences: 8 });
  const stories = Array.from({ length: 20 }, (_, i) => writeStory(778, i));
  const { ratio } = await scoreStories(pixie, stories);
  assert.ok(ratio <= 1.05, `${ratio} times`);
  const { score } = await tellStories(pixie, 40, { seed: 1, atOnce: 8 });
  assert.ok(score >= 0.6, `${100 * score} % of its stories keep to the grammar`);
  const questions = Array.from({ length: 60 }, (_, i) => {
    const { prompt, completion } = writeDocs(779, i, true);
    return { story: '', question: prompt, answer: completion, kind: 'docs' };
  });
  const [row] = scoreRows(await answerQuestions(pixie, questions, { atOnce: 8 }));
  assert.ok(row!.score >= 0.9, `${row!.right} of ${row!.questions}`);
});

test('Pixie knows what is in what, in which region a point lies, and most of what it is asked about space', async () => {
  await using pixie = await loadModel(join(MODELS, 'pixie.pxi.png'), { device: 'cpu', sequences: 8 });
  const questions = Array.from({ length: 120 }, (_, i) => {
    const { prompt, completion, kind } = writeSpatial(780, i);
    return { story: '', question: prompt, answer: completion, kind };
  });
  const rows = scoreRows(await answerQuestions(pixie, questions, { atOnce: 8 }));
  const scoreOf = (what: string): number => rows.find((row) => row.what === what)!.score;
  for (const kind of ['containment', 'region']) assert.ok(scoreOf(kind) >= 0.9, kind);
  assert.ok(scoreOf('all') >= 0.58, `${scoreOf('all')} of all`);
});

/** By the card. Of the questions that no training saw, some here and all with PIXEL_FULL. */
const SCORES = [
  { model: 'babi-17', file: 'babi_en10k_qa17_positional-reasoning_train.txt', parse: parseBabi, least: 0.97 },
  { model: 'babi-19', file: 'babi_en10k_qa19_path-finding_train.txt', parse: parseBabi, least: 0.98 },
  { model: 'stepgame', file: 'clean_qa1_train.json', parse: parseStepgame, least: 0.97 },
  { model: 'stepgame', file: 'clean_qa2_train.json', parse: parseStepgame, least: 0.92 },
] as const;

for (const { model: name, file, parse, least } of SCORES) {
  goldenTest(`models/${name}.pxi.png answers ${100 * least} % of the held-out questions of ${file}`, async () => {
    const questions: readonly Question[] = parse(file, readFileSync(golden(`spatial/${file}`), 'utf8'));
    const heldOut = partOf(questions, 'held-out').slice(0, process.env.PIXEL_FULL === '1' ? undefined : 200);
    await using model = await loadModel(join(MODELS, `${name}.pxi.png`), { device: 'cpu', sequences: 8 });
    const [row] = scoreRows(await answerQuestions(model, heldOut, { atOnce: 8 }));
    assert.ok(row!.score >= least, `${row!.right} of ${row!.questions}`);
  });
}
