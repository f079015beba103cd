import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { MemoryByteSource } from '../src/core/byte-source.ts';
import { loadModel } from '../src/engine/load-model.ts';
import { metadataNumber, metadataStrings } from '../src/gguf/head.ts';
import { buildProgram } from '../src/program/build-program.ts';
import { madeHead, SHAPE_NAMES } from '../src/pxi/make-model/make-model.ts';
import { vocabularyMetadata } from '../src/pxi/make-model/make-model-vocabulary.ts';
import { MODEL_SHAPES } from '../src/pxi/make-model/shapes.ts';
import { openWeights } from '../src/pxi/open-weights.ts';
import { createChatTemplate } from '../src/tokenizer/chat-template.ts';
import { createTokenizer } from '../src/tokenizer/tokenizer.ts';
import { runCommand } from './command-line.ts';
import { madeBytes } from './render-source.ts';

/** One of each kind of vocabulary. */
const VOCABULARIES = (['toy', 'qwen2.5-0.5b', 'llama3.2-1b'] as const).map((name) => {
  const metadata = new Map(vocabularyMetadata(MODEL_SHAPES[name]));
  return { name, shape: MODEL_SHAPES[name], metadata, tokenizer: createTokenizer(metadata) };
});

test('the tokenizer of a made model gives back every text', () => {
  for (const { name, tokenizer } of VOCABULARIES) {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        assert.equal(tokenizer.decode(tokenizer.encode(text)), text, name);
      }),
      { numRuns: 30 },
    );
  }
});

test('its merges work: English takes far fewer tokens than bytes', () => {
  const text = 'the other side of the river is where the children sat in the evening and told each other stories';
  for (const { name, tokenizer } of VOCABULARIES) {
    const tokens = tokenizer.encode(text, { addSpecial: false });
    assert.ok(
      tokens.length < text.length * (name === 'toy' ? 0.7 : 0.5),
      `${name}: ${tokens.length} of ${text.length}`,
    );
  }
});

test('a vocabulary has the size of the real one, each token once, each merge of two tokens that make a third', () => {
  for (const { shape, metadata, tokenizer } of VOCABULARIES) {
    const tokens = metadataStrings(metadata, 'tokenizer.ggml.tokens') ?? [];
    assert.equal(tokens.length, shape.vocabulary);
    assert.equal(tokenizer.vocabSize, shape.vocabulary);
    const known = new Set(tokens);
    assert.equal(known.size, tokens.length);
    for (const merge of metadataStrings(metadata, 'tokenizer.ggml.merges') ?? []) {
      const [left = '', right = ''] = merge.split(' ');
      if (!known.has(left) || !known.has(right) || !known.has(left + right)) assert.fail(`bad merge: ${merge}`);
    }
  }
});

test('special tokens stand where the real models have them', () => {
  const places = VOCABULARIES.map(({ metadata }) => [
    metadataNumber(metadata, 'tokenizer.ggml.bos_token_id'),
    metadataNumber(metadata, 'tokenizer.ggml.eos_token_id'),
  ]);
  assert.deepEqual(places, [
    [1, 2],
    [151_643, 151_645],
    [128_000, 128_009],
  ]);
});

test('its chat template renders a conversation whose markers are tokens of their own', () => {
  for (const { name, metadata, tokenizer } of VOCABULARIES) {
    const template = createChatTemplate(metadata);
    const messages = [{ role: 'user' as const, content: 'Who is there?' }];
    const rendered = template?.render(messages) ?? '';
    assert.match(rendered, /user.*\n+Who is there\?/);
    assert.match(rendered, /assistant.*\n+$/);
    const tokens = template?.encode(messages, tokenizer) ?? new Int32Array();
    assert.equal(tokenizer.decode(tokens, { special: true }), rendered, name);
    assert.ok([...tokens].some((token) => tokenizer.isSpecial(token)));
  }
});

test('every shape is one that its architecture runs: all weights there, none of another shape', () => {
  for (const shape of SHAPE_NAMES) {
    const { metadata, tensors } = madeHead({ shape, type: 'Q4_K', seed: 0 });
    const program = buildProgram({ metadata, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])) });
    assert.equal(program.vocab, MODEL_SHAPES[shape].vocabulary);
    assert.equal(program.contextLength, MODEL_SHAPES[shape].context);
    const used = new Set(program.weights.map(({ name }) => name));
    const idle = tensors.filter(({ name }) => !used.has(name));
    assert.deepEqual(idle, [], `${shape}: weights that nothing uses`);
  }
});

test('a made model runs: its probabilities are neither even nor all on one token', async () => {
  const source = await openWeights(new MemoryByteSource(await madeBytes({ shape: 'toy', type: 'Q8_0', seed: 1 })));
  await using model = await loadModel(source, { device: 'reference' });
  const options = { maxTokens: 8, temperature: 0, ignoreEndOfText: true, logprobs: 1 };
  let pieces = 0;
  for await (const { logprob } of model.createSession().generate('the', options)) {
    assert.ok(logprob !== undefined && logprob < -0.01 && logprob > Math.log(1 / 512) + 0.2, `${logprob}`);
    pieces++;
  }
  assert.equal(pieces, 8);
});

test('the command makes a model that inspect describes, and leaves nothing behind when it is refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pixel-llm-make-'));
  const path = join(folder, 'toy.gguf');
  try {
    const made = await runCommand(['make-model', '--shape', 'toy', '--type', 'Q4_K', '--seed', '9', path]);
    assert.equal(made.code, 0, made.stderr);
    const inspected = await runCommand(['inspect', path]);
    assert.match(inspected.stdout, /^Random toy Q4_K, seed 9\n/);
    assert.match(inspected.stdout, /853 k \(853,120\)/);
    for (const parameters of [
      ['--shape', 'gpt5'],
      ['--type', 'Q3_K'],
      ['--seed', '-1'],
    ]) {
      const refused = await runCommand(['make-model', ...parameters, join(folder, 'refused.gguf')]);
      assert.equal(refused.code, 2);
    }
    assert.deepEqual(await readdir(folder), ['toy.gguf']);
  } finally {
    await rm(folder, { recursive: true });
  }
});
