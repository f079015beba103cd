import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { selectBackend } from '../src/backends/select.ts';
import { isPixelError } from '../src/core/errors.ts';
import { loadModel } from '../src/engine/load-model.ts';
import { loadModel as loadModelFile } from '../src/engine/node.ts';
import { buildProgram } from '../src/program/build-program.ts';
import { golden, goldenTest } from './goldens.ts';
import { tinyWeights } from './tiny-model.ts';

const CLOSE = 1e-6;

describe('Scoring', () => {
  test('gives the log-probabilities of the teacher-forced logits, and the likeliest tokens in order', async () => {
    const tokens = [1, 40, 41, 99, 7, 40];
    await using model = await load();
    const { positions, meanNegativeLogLikelihood: mean, perplexity } = await model.score(tokens, { top: 130 });
    const expected = await teacherForced(tokens);
    let sum = 0;
    for (const [index, { token, logprob, top }] of positions.entries()) {
      assert.equal(token, tokens[index]);
      const before = expected[index - 1]?.[token];
      if (before === undefined) assert.equal(logprob, null);
      else assert.ok(Math.abs((logprob ?? 0) - before) < CLOSE);
      sum -= before ?? 0;
      const after = expected[index] ?? [];
      assert.equal(top.length, after.length);
      assert.ok(top.every(([next, ln]) => Math.abs(ln - (after[next] ?? 0)) < CLOSE));
      assert.ok(top.every(([, ln], place) => place === 0 || ln <= (top[place - 1]?.[1] ?? 0)));
    }
    assert.ok(Math.abs((mean ?? 0) - sum / 5) < CLOSE);
    assert.ok(Math.abs((perplexity ?? 0) - Math.exp(sum / 5)) < CLOSE * Math.exp(sum / 5));
    const few = await model.score(tokens, { top: 3 });
    assert.deepEqual(
      few.positions.map(({ top }) => top),
      positions.map(({ top }) => top.slice(0, 3)),
    );
  });

  test('a text longer than the context goes in windows that overlap by half and begin with the token that begins a text', async () => {
    const tokens = [1, ...Array.from({ length: 52 }, (_, index) => 3 + ((index * 37) % 120))];
    await using model = await load({ contextLength: 20 });
    const { positions, scored } = await model.score(tokens, { top: 1 });
    assert.equal(scored, 52);
    assert.deepEqual(
      positions.map(({ token }) => token),
      tokens,
    );
    // First all 20; then windows of <s>, 9 tokens that were judged before, and 10 new ones.
    const windows = [
      tokens.slice(0, 20),
      ...[20, 30, 40, 50].map((start) => [1, ...tokens.slice(start - 9, start + 10)]),
    ];
    const expected: (number | undefined)[] = [];
    for (const [index, window] of windows.entries()) {
      const rows = await teacherForced(window);
      for (let entry = index === 0 ? 0 : 10; entry < window.length; entry++) {
        expected.push(rows[entry]?.[tokens[expected.length + 1] ?? 0]);
      }
    }
    for (const [index, { logprob }] of positions.slice(1).entries()) {
      assert.ok(Math.abs((logprob ?? 0) - (expected[index] ?? 0)) < CLOSE, `token ${index + 1}`);
    }
  });

  test('any context scores every token once, down to one of a single token', async () => {
    const tokens = [1, 40, 41, 99, 7, 40, 3];
    for (const contextLength of [1, 2, 3, 4, 7, 8]) {
      await using model = await load({ contextLength });
      const { positions } = await model.score(tokens, { top: 0 });
      assert.deepEqual(
        positions.map(({ token }) => token),
        tokens,
      );
      assert.ok(positions.slice(1).every(({ logprob }) => logprob !== null && logprob < 0));
    }
  });

  test('weights that are no numbers are an error, not scores', async () => {
    const weights = tinyWeights();
    const { readPlane } = weights;
    weights.readPlane = async (name, plane, rows, target, signal) => {
      await readPlane.call(weights, name, plane, rows, target, signal);
      if (name === 'output_norm.weight') target.fill(0xff);
    };
    await using model = await loadModel(weights, { device: 'reference' });
    await assert.rejects(model.score([1, 40, 41]), (error) => isPixelError(error, 'not-finite'));
  });

  test('a single token has nothing to be judged by; none, or one outside the vocabulary, is refused', async () => {
    await using model = await load();
    const { scored, perplexity, meanNegativeLogLikelihood } = await model.score([1]);
    assert.deepEqual([scored, perplexity, meanNegativeLogLikelihood], [0, null, null]);
    const refused = (error: unknown) => isPixelError(error, 'bad-argument');
    await assert.rejects(model.score([]), refused);
    await assert.rejects(model.score([1, 100_000]), refused);
    await assert.rejects(model.score([1], { top: -1 }), refused);
    await assert.rejects(model.score([1, 2], { signal: AbortSignal.abort() }), (error) =>
      isPixelError(error, 'aborted'),
    );
  });
});

interface GoldenModel {
  readonly prompt: number[];
  readonly text: string;
  readonly exact_top16_ln_p_at_each_position: [number, number][][];
  readonly exact_greedy_token_and_margin_in_nats: [number, number][];
}

goldenTest('A golden model is scored, and writes greedily, as the exact oracle says', async () => {
  const facts: GoldenModel = JSON.parse(readFileSync(golden('models/TinyStories-656K-Q8_0.json'), 'utf8'));
  await using model = await loadModelFile(golden('models/TinyStories-656K-Q8_0.gguf'), { device: 'reference' });
  const { positions } = await model.score(facts.prompt);
  for (const [index, top] of facts.exact_top16_ln_p_at_each_position.entries()) {
    const found = new Map(positions[index]?.top);
    for (const [token, ln] of top) {
      if (ln > Math.log(0.0001)) assert.ok(Math.abs((found.get(token) ?? 0) - ln) < 0.001, `${index}: ${token}`);
    }
  }

  const steps = facts.exact_greedy_token_and_margin_in_nats;
  const nearTie = steps.findIndex(([, margin]) => margin < 0.002);
  const certain = steps.slice(0, nearTie < 0 ? steps.length : nearTie).map(([token]) => token);
  const options = { temperature: 0, maxTokens: steps.length, ignoreEndOfText: true };
  const generation = model.createSession().generate(facts.text, options);
  assert.deepEqual(generation.promptTokens, facts.prompt);
  const { tokens } = await generation.complete();
  assert.ok(certain.length > 40);
  assert.deepEqual(tokens.slice(0, certain.length), certain);
});

function load(options: Parameters<typeof loadModel>[1] = {}): ReturnType<typeof loadModel> {
  return loadModel(tinyWeights(), { device: 'reference', ...options });
}

/** ln p of every token after each position: one step of the executor over all tokens. */
async function teacherForced(tokens: readonly number[]): Promise<number[][]> {
  const weights = tinyWeights();
  const backend = await selectBackend('reference');
  const program = buildProgram(weights.head);
  const executor = await backend.load(program, weights, { pageCount: 4 });
  const indices = Int32Array.from(tokens.keys());
  const { values } = await executor.step(
    {
      sequences: new Int32Array(tokens.length),
      positions: indices,
      pages: [[0, 1, 2, 3]],
      outputEntries: indices,
      inputs: { tokens: Int32Array.from(tokens) },
    },
    { readBack: ['logits'] },
  );
  await executor.dispose();
  const logits = values.get('logits') ?? new Float32Array(0);
  return tokens.map((_, index) => {
    const row = [...logits.subarray(index * program.vocab, (index + 1) * program.vocab)];
    const total = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0));
    return row.map((logit) => logit - total);
  });
}
