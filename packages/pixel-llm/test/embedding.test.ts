import assert from 'node:assert/strict';
import { test } from 'node:test';
import { selectBackend } from '../src/backends/select.ts';
import { isPixelError } from '../src/core/errors.ts';
import { loadModel } from '../src/engine/load-model.ts';
import { buildProgram } from '../src/program/build-program.ts';
import { makeTinyModel, tinyWeights } from './tiny-model.ts';

const TOKENS = Array.from({ length: 70 }, (_, index) => 3 + ((index * 37) % 120));
const hasCode = (code: Parameters<typeof isPixelError>[1]) => (error: unknown) => isPixelError(error, code);

/** The hidden states and logits of all tokens in one step, straight from the executor. [tokens, dim], [tokens, vocab] */
async function hiddenStates(): Promise<{ hidden: Float32Array; logits: Float32Array }> {
  const weights = tinyWeights();
  const backend = await selectBackend('reference');
  const executor = await backend.load(buildProgram(weights.head), weights, { pageCount: 2 });
  const all = Int32Array.from(TOKENS.keys());
  const batch = {
    sequences: new Int32Array(TOKENS.length),
    positions: all,
    pages: [[0, 1]],
    outputEntries: all,
    inputs: { tokens: Int32Array.from(TOKENS) },
  };
  const { values } = await executor.step(batch, { readBack: ['hidden', 'logits'] });
  await executor.dispose();
  const [hidden, logits] = [values.get('hidden'), values.get('logits')];
  if (!(hidden instanceof Float32Array) || !(logits instanceof Float32Array)) throw new Error('nothing was read back');
  return { hidden, logits };
}

test('an embedding is the mean, or the last, of the hidden states, of length 1', async () => {
  await using model = await loadModel(tinyWeights(), { device: 'reference' });
  const { hidden } = await hiddenStates();
  const dim = hidden.length / TOKENS.length;
  const mean = Array.from({ length: dim }, (_, i) => {
    let sum = 0;
    for (let token = 0; token < TOKENS.length; token++) sum += hidden[token * dim + i] ?? Number.NaN;
    return sum / TOKENS.length;
  });
  for (const [pooling, expected] of [
    ['mean', mean],
    ['last', [...hidden.subarray(-dim)]],
  ] as const) {
    const length = Math.hypot(...expected);
    const found = await model.embed(TOKENS, { pooling });
    assert.equal(found.length, 32);
    assert.ok(Math.abs(Math.hypot(...found) - 1) < 1e-6);
    for (const [i, value] of found.entries()) assert.ok(Math.abs(value - (expected[i] ?? 9) / length) < 1e-6);
  }
  assert.deepEqual(await model.embed(TOKENS), await model.embed(TOKENS, { pooling: 'mean' }));
});

test('the hidden state is what the logits are made of: its product with the output matrix', async () => {
  const { hidden, logits } = await hiddenStates();
  const output = makeTinyModel().tensors.find(({ info }) => info.name === 'output.weight');
  assert.ok(output);
  const matrix = new Float32Array(output.data.buffer);
  const row = hidden.subarray(-32);
  const vocab = matrix.length / 32;
  for (const token of [0, 5, vocab - 1]) {
    let product = 0;
    for (let i = 0; i < 32; i++) product += (row[i] ?? 0) * (matrix[token * 32 + i] ?? 0);
    assert.ok(Math.abs(product - (logits.at(token - vocab) ?? 9)) < 1e-4);
  }
});

test('what cannot be embedded is refused, and nothing keeps pages', async () => {
  await using model = await loadModel(tinyWeights(), { device: 'reference' });
  await assert.rejects(model.embed([]), hasCode('bad-argument'));
  await assert.rejects(model.embed([100_000]), hasCode('bad-argument'));
  await assert.rejects(model.embed('x', { pooling: 'sum' as 'mean' }), hasCode('bad-argument'));
  await assert.rejects(model.embed(new Array<number>(161).fill(9)), hasCode('context-full'));
  await assert.rejects(model.embed('x', { signal: AbortSignal.abort() }), hasCode('aborted'));
  const reference = await model.embed('the cat sat');
  for (let round = 0; round < 4; round++) assert.deepEqual(await model.embed('the cat sat'), reference);
  await model.embed(new Array<number>(160).fill(9));
});
