/** A whole training of a small model: it learns, stops, goes on, and gives the same bits as one that did not stop. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../backends/wasm/node.ts';
import { loadCpuTraining } from '../backends/wasm/training/training-executor.ts';
import { MemoryByteSink } from '../core/byte-sink.ts';
import { MemoryByteSource } from '../core/byte-source.ts';
import { isPixelError } from '../core/errors.ts';
import { loadModel } from '../engine/load-model.ts';
import { openWeights } from '../pxi/open-weights.ts';
import { readCheckpoint, writeCheckpoint, writeTrainedModel } from './checkpoint.ts';
import { writeSpatial } from './corpora/spatial.ts';
import { parseDataFile, textOf } from './data-file.ts';
import { newModel } from './new-model.ts';
import { parseRecipe } from './recipe.ts';
import { trainTokenizer } from './tokenizer-training.ts';
import { type TrainingReport, trainModel } from './train-model.ts';

const lines = Array.from({ length: 60 }, (_, i) => {
  const { prompt, completion } = writeSpatial(1, i, { kind: 'coordinates' });
  return JSON.stringify({ prompt, completion });
});
const data = parseDataFile('spatial.jsonl', lines.join('\n'));
const shape = { name: 'tiny', dim: 32, layers: 2, heads: 4, kvHeads: 2, hidden: 64, contextLength: 256 };
const recipe = parseRecipe(
  'recipe.json',
  JSON.stringify({
    model: { shape, tokenizer: { vocabulary: 320 } },
    data: ['spatial.jsonl'],
    steps: 24,
    stepTokens: 1000,
    batchTokens: 400,
    learningRate: 0.01,
    warmUpSteps: 4,
    measureEvery: 10,
    heldOut: 0.1,
  }),
);

async function newBase() {
  return newModel(shape, await trainTokenizer(data.map(textOf), { vocabulary: 320 }), recipe.seed);
}

const load = loadCpuTraining({ threads: 2, build: 'plain' });

test('a training lowers the loss, measures what it holds out, and goes on from a checkpoint with the same bits', async () => {
  const base = await newBase();
  const reports: TrainingReport[] = [];
  const checkpoint = new MemoryByteSink();
  const state = await trainModel({
    ...{ recipe, base, lines: data, load },
    async onStep(report, current) {
      reports.push(report);
      if (report.step === 11) await writeCheckpoint(base, { state: current, recipe: '{}' }, async () => checkpoint);
    },
  });
  assert.equal(reports.length, 24);
  assert.ok(reports[0]!.loss > 5 && reports[23]!.loss < 3.5, `${reports[0]!.loss} -> ${reports[23]!.loss}`);
  assert.deepEqual(
    reports.filter(({ heldOutLoss }) => heldOutLoss !== undefined).map(({ step }) => step),
    [10, 20, 24],
  );
  const saved = await openWeights(new MemoryByteSource(checkpoint.result()));
  const resumed = await readCheckpoint(saved);
  assert.equal(resumed.state.step, 11);
  const again = await trainModel({ recipe, base: saved, lines: data, load, state: resumed.state });
  assert.deepEqual(again, state);
  await saved.dispose();
});

test('a trained model and a checkpoint are models that anybody can load', async () => {
  const base = await newBase();
  const state = await trainModel({ recipe: { ...recipe, steps: 2 }, base, lines: data, load });
  const [model, checkpoint] = [new MemoryByteSink(), new MemoryByteSink()];
  await writeTrainedModel(base, state.weights, async () => model);
  await writeCheckpoint(base, { state, recipe: '{}' }, async () => checkpoint);
  const texts: string[] = [];
  for (const sink of [model, checkpoint]) {
    const loaded = await loadModel(new MemoryByteSource(sink.result()), { device: 'reference' });
    let text = '';
    for await (const piece of loaded.createSession().generate('The cup is', { maxTokens: 8, temperature: 0 }))
      text += piece.text;
    texts.push(text);
    await loaded.dispose();
  }
  assert.equal(texts[0], texts[1]);
  assert.ok(model.result().length < checkpoint.result().length / 2);
});

test('wrong data and recipes are refused with the line or the field', () => {
  const refuses = (run: () => unknown, says: RegExp): void =>
    void assert.throws(run, (error) => isPixelError(error, 'bad-data') && says.test(error.message));
  refuses(() => parseDataFile('a.jsonl', '{"text": "x"}\n\n{"text": 3}'), /a\.jsonl, line 3/);
  refuses(() => parseDataFile('a.jsonl', '{"text": "x"}\n{"tex'), /line 2 is not JSON/);
  refuses(() => parseDataFile('a.jsonl', '\n'), /no lines/);
  refuses(() => parseDataFile('a.jsonl', '{"messages": [{"role": "user", "content": "x"}]}'), /assistant/);
  refuses(() => parseRecipe('r.json', '{"data": ["a"]}'), /r\.json/);
  refuses(() => parseRecipe('r.json', JSON.stringify({ ...recipe, steps: 0 })), /steps/);
});

test('an aborted training leaves a whole state behind', async () => {
  const stop = new AbortController();
  let last = 0;
  const training = trainModel({
    ...{ recipe, base: await newBase(), lines: data, load, signal: stop.signal },
    onStep({ step }) {
      last = step;
      if (step === 3) stop.abort();
    },
  });
  await assert.rejects(training, (error) => isPixelError(error, 'aborted'));
  assert.equal(last, 3);
});
