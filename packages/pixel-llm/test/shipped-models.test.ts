/** The models in models/: sound, small, and as good as their cards say. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFileByteSource } from '../src/core/node.ts';
import { loadModel } from '../src/engine/node.ts';
import { verifyModelFile } from '../src/pxi/verify-file.ts';
import { answerQuestions, scoreRows } from '../src/train/evaluation/answer-questions.ts';
import { parseBabi } from '../src/train/tasks/babi.ts';
import { partOf } from '../src/train/tasks/question.ts';
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

/** By the card. Of the questions that no training saw, some here and all with PIXEL_FULL. */
const SCORES = [{ model: 'babi-19', task: '19_path-finding', least: 0.98 }] as const;

for (const { model: name, task, least } of SCORES) {
  goldenTest(`models/${name}.pxi.png answers ${100 * least} % of held-out questions`, async () => {
    const questions = parseBabi(task, readFileSync(golden(`spatial/babi_en10k_qa${task}_train.txt`), 'utf8'));
    const heldOut = partOf(questions, 'held-out').slice(0, process.env.PIXEL_FULL === '1' ? undefined : 200);
    await using model = await loadModel(join(MODELS, `${name}.pxi.png`), { device: 'cpu', sequences: 8 });
    const [row] = scoreRows(await answerQuestions(model, heldOut, { atOnce: 8 }));
    assert.ok(row!.score >= least, `${row!.right} of ${row!.questions}`);
  });
}
