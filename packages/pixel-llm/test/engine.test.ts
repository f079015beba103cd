import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import '../src/backends/wasm/node.ts';
import { isPixelError, PixelError } from '../src/core/errors.ts';
import type { GeneratedPiece, GenerateOptions } from '../src/engine/generation.ts';
import { loadModel } from '../src/engine/load-model.ts';
import type { TensorInfo } from '../src/gguf/head.ts';
import { tensorTypeByName } from '../src/gguf/tensor-types.ts';
import type { WeightSource } from '../src/pxi/weight-source.ts';
import { makeTinyModel, TINY_CONTEXT, tinyWeights } from './tiny-model.ts';

const load = (options: Parameters<typeof loadModel>[1] = {}) =>
  loadModel(tinyWeights(), { device: 'reference', ...options });
const LONG: GenerateOptions = { ignoreEndOfText: true, seed: 11, temperature: 1.2, topP: 1, minP: 0, topK: 0 };
const hasCode = (code: Parameters<typeof isPixelError>[1]) => (error: unknown) => isPixelError(error, code);

describe('Generation', () => {
  test('the same seed writes the same text, another seed another, and a random seed is reported', async () => {
    await using model = await load();
    const write = (options: GenerateOptions) =>
      model
        .createSession()
        .generate('the cat', { ...LONG, maxTokens: 30, ...options })
        .complete();
    const first = await write({});
    assert.deepEqual((await write({})).tokens, first.tokens);
    assert.notDeepEqual((await write({ seed: 12 })).tokens, first.tokens);

    const random = await write({ seed: undefined });
    assert.deepEqual((await write({ seed: random.seed })).tokens, random.tokens);
    assert.notEqual((await write({ seed: undefined })).seed, random.seed);
  });

  test('gives one piece a token, whose texts are the whole text, and reports log-probabilities when asked', async () => {
    await using model = await load();
    const generation = model.createSession().generate('the cat', { ...LONG, maxTokens: 12, logprobs: 3 });
    const pieces: GeneratedPiece[] = [];
    for await (const piece of generation) pieces.push(piece);
    assert.equal(pieces.length, 12);
    assert.equal(generation.result?.text, pieces.map(({ text }) => text).join(''));
    assert.equal(
      generation.result.text,
      model.tokenizer.createDetokenizer() && decode(model, generation.result.tokens),
    );
    assert.equal(generation.result.finishReason, 'length');
    for (const { top, logprob } of pieces) {
      assert.equal(top?.length, 3);
      assert.ok(logprob !== undefined && logprob <= (top[0]?.[1] ?? 0) && logprob < 0);
      assert.ok((top[0]?.[1] ?? 0) >= (top[1]?.[1] ?? 0));
    }
    const [plain] = await model
      .createSession()
      .generate('the cat', { ...LONG, maxTokens: 1 })
      [Symbol.asyncIterator]()
      .next()
      .then((next) => [next.value]);
    assert.deepEqual(Object.keys(plain ?? {}), ['text', 'token']);
  });

  test('a stop string across token borders ends the text before it, and no part of it is given out', async () => {
    await using model = await load();
    const whole = await model
      .createSession()
      .generate('the cat', { ...LONG, maxTokens: 40 })
      .complete();
    const stop = whole.text.slice(17, 24);
    const expected = whole.text.slice(0, whole.text.indexOf(stop));
    assert.ok(stop.length === 7 && expected.length > 5);
    const generation = model
      .createSession()
      .generate('the cat', { ...LONG, maxTokens: 40, stop: ['never this', stop] });
    let shown = '';
    for await (const { text } of generation) {
      shown += text;
      assert.ok(expected.startsWith(shown));
    }
    assert.equal(shown, expected);
    assert.equal(generation.result?.finishReason, 'stop');
    assert.equal(generation.result.stopString, stop);
    assert.ok(generation.result.tokens.length < 40);
  });

  test('ends at the end-of-text token, unless that is ignored', async () => {
    await using model = await load();
    const eos = 2;
    const generate = (options: GenerateOptions) =>
      model
        .createSession()
        .generate('the', { temperature: 0, maxTokens: 5, logitBias: [[eos, 1000]], ...options })
        .complete();
    const ended = await generate({});
    assert.deepEqual([ended.finishReason, ended.text, ended.tokens], ['end-of-text', '', [eos]]);
    const ignored = await generate({ ignoreEndOfText: true });
    assert.deepEqual([ignored.finishReason, ignored.tokens.length, ignored.tokens.includes(eos)], ['length', 5, false]);
  });

  test('the options are checked before anything runs', async () => {
    await using model = await load();
    const session = model.createSession();
    const bad: GenerateOptions[] = [
      { temperature: -1 },
      { temperature: Number.NaN },
      { topK: 1.5 },
      { topP: 2 },
      { minP: -0.1 },
      { repeatPenalty: 0 },
      { frequencyPenalty: Infinity },
      { presencePenalty: Number.NaN },
      { seed: -1 },
      { seed: 0.5 },
      { maxTokens: -1 },
      { stop: '' },
      { stop: ['a', ''] },
      { logprobs: 257 },
      { repeatWindow: -1 },
      { logitBias: [[100000, 1]] },
      { logitBias: [[1, Infinity]] },
    ];
    for (const options of bad) {
      assert.throws(() => session.generate('a', options), hasCode('bad-argument'), JSON.stringify(options));
    }
    assert.throws(() => session.generate([]), hasCode('bad-argument'));
    assert.throws(() => session.generate([model.vocab]), hasCode('bad-argument'));
  });

  test('logit bias forbids tokens, and penalties make repetition rarer', async () => {
    await using model = await load();
    const tokens = async (options: GenerateOptions) =>
      (
        await model
          .createSession()
          .generate('the', { ...LONG, temperature: 0, maxTokens: 40, ...options })
          .complete()
      ).tokens;
    const plain = await tokens({});
    const forbidden = plain[3] as number;
    assert.ok(!(await tokens({ logitBias: [[forbidden, -Infinity]] })).includes(forbidden));
    for (const options of [{ repeatPenalty: 3 }, { frequencyPenalty: 3 }, { presencePenalty: 3 }]) {
      assert.ok(new Set(await tokens(options)).size > new Set(plain).size, JSON.stringify(options));
    }
    assert.deepEqual(await tokens({ repeatPenalty: 3, repeatWindow: 0 }), plain);
  });
});

describe('The prompt', () => {
  test('as a text gets the token that begins one, also when it is empty; as tokens it stays as it is', async () => {
    await using model = await load();
    const session = model.createSession();
    assert.deepEqual(session.generate('').promptTokens, [1]);
    assert.equal(session.generate('the').promptTokens[0], 1);
    assert.deepEqual(session.generate([2, 2]).promptTokens, [2, 2]);
    const special = await session.generate([1, 2, 0], { ...LONG, maxTokens: 2 }).complete();
    assert.equal(special.tokens.length, 2);
  });
});

describe('The context', () => {
  test('a prompt that does not fit is refused before anything runs; one that fits exactly gives one token', async () => {
    await using model = await load({ contextLength: 20 });
    const session = model.createSession();
    assert.throws(() => session.generate(new Array<number>(21).fill(5)), hasCode('context-full'));
    const full = await session.generate(new Array<number>(20).fill(5), LONG).complete();
    assert.deepEqual([full.finishReason, full.tokens.length], ['context', 1]);
    const longer = await session.generate(new Array<number>(12).fill(5), LONG).complete();
    assert.deepEqual([longer.finishReason, longer.tokens.length], ['context', 9]);
  });

  test('the model’s own limit is the default, and more is refused', async () => {
    await using model = await load();
    assert.equal(model.contextLength, TINY_CONTEXT);
    await assert.rejects(load({ contextLength: TINY_CONTEXT + 1 }), hasCode('bad-argument'));
    await assert.rejects(load({ contextLength: 0 }), hasCode('bad-argument'));
  });
});

describe('A session', () => {
  test('computes only what its cache does not hold, with the same text as from scratch', async () => {
    await using model = await load();
    const session = model.createSession();
    const first = session.generate('the cat sat on', { ...LONG, maxTokens: 8 });
    const answer = await first.complete();
    const second = [...first.promptTokens, ...answer.tokens, 40, 41, 42];
    const continued = await session.generate(second, { ...LONG, maxTokens: 20 }).complete();
    assert.equal(continued.cachedTokens, first.promptTokens.length + 7);
    const fresh = await model
      .createSession()
      .generate(second, { ...LONG, maxTokens: 20 })
      .complete();
    assert.deepEqual([fresh.cachedTokens, fresh.tokens], [0, continued.tokens]);

    const again = await session.generate('the cat sat on', { ...LONG, maxTokens: 8 }).complete();
    assert.equal(again.cachedTokens, first.promptTokens.length - 1);
    assert.deepEqual(again.tokens, answer.tokens);
  });

  test('a fork goes its own way from the shared cache, and both write what they would write alone', async () => {
    await using model = await load({ sequences: 3 });
    const prompt = 'the cat sat on the mat and then it went to the house and it was the last of the cats in the street';
    const session = model.createSession();
    await session.generate(prompt, { maxTokens: 0 }).complete();
    const fork = session.fork();
    const write = (from: typeof session, seed: number) =>
      from.generate(prompt, { ...LONG, seed, maxTokens: 30 }).complete();
    const [left, right] = await Promise.all([write(session, 1), write(fork, 2)]);
    assert.ok(right.cachedTokens > 60 && left.cachedTokens === right.cachedTokens);
    assert.deepEqual(left.tokens, (await write(model.createSession(), 1)).tokens);
    assert.deepEqual(right.tokens, (await write(model.createSession(), 2)).tokens);
  });

  test('leaving the loop stops the work, frees the session, and the next text is right', async () => {
    await using model = await load();
    const session = model.createSession();
    const whole = await model
      .createSession()
      .generate('the cat', { ...LONG, maxTokens: 20 })
      .complete();
    const generation = session.generate('the cat', { ...LONG, maxTokens: 20 });
    let seen = 0;
    for await (const _ of generation) if (++seen === 5) break;
    assert.deepEqual([generation.result?.finishReason, generation.result?.tokens.length], ['aborted', 5]);
    const after = await session.generate('the cat', { ...LONG, maxTokens: 20 }).complete();
    assert.deepEqual(after.tokens, whole.tokens);
    await assert.rejects(generation.complete(), hasCode('bad-argument'));
  });

  test('an aborted signal ends the iteration with `aborted`, in the prompt or in the text', async () => {
    await using model = await load();
    const session = model.createSession();
    const inText = new AbortController();
    const generation = session.generate('the cat', { ...LONG, signal: inText.signal });
    await assert.rejects(async () => {
      for await (const _ of generation) inText.abort();
    }, hasCode('aborted'));
    assert.deepEqual([generation.result?.finishReason, generation.result?.tokens.length], ['aborted', 1]);

    const inPrompt = new AbortController();
    let chunks = 0;
    const prompt = new Array<number>(150).fill(7);
    const onProgress = () => void (++chunks === 2 && inPrompt.abort());
    const stopped = session.generate(prompt, { ...LONG, signal: inPrompt.signal, onProgress });
    await assert.rejects(stopped.complete(), hasCode('aborted'));
    assert.ok(chunks === 2 && stopped.result?.tokens.length === 0);
    assert.equal((await session.generate('the cat', { ...LONG, maxTokens: 4 }).complete()).tokens.length, 4);
  });

  test('generates one text at a time, and none once disposed of', async () => {
    await using model = await load();
    const session = model.createSession();
    const pieces = session.generate('the cat', LONG)[Symbol.asyncIterator]();
    await pieces.next();
    await assert.rejects(session.generate('a dog', LONG).complete(), hasCode('bad-argument'));
    await pieces.return();
    session.dispose();
    session.dispose();
    await assert.rejects(session.generate('a dog', LONG).complete(), hasCode('disposed'));
    assert.throws(() => session.fork(), hasCode('disposed'));
  });

  test('turns a conversation into the text of the model’s chat template, and refuses without one', async () => {
    await using model = await load();
    const chat = model.createSession().generate([{ role: 'user', content: 'hi' }], { ...LONG, maxTokens: 2 });
    const text = model.tokenizer.decode(chat.promptTokens);
    assert.equal(text, '[user]hi[assistant]');
    assert.equal(chat.promptTokens.filter((token) => token === 1).length, 1);
    await chat.complete();

    await using plain = await loadModel(tinyWeights(makeTinyModel({ chat: false })), { device: 'reference' });
    assert.throws(() => plain.createSession().generate([{ role: 'user', content: 'hi' }]), hasCode('bad-template'));
  });
});

describe('Several sessions', () => {
  test('generate side by side, in shared batches, and each writes what it would write alone', async () => {
    await using model = await load({ sequences: 4 });
    const prompts = ['the cat', 'a dog and the rest of the house is at the end', 'x', 'in the night'];
    const write = (prompt: string, index: number) =>
      model
        .createSession()
        .generate(prompt, { ...LONG, seed: index, maxTokens: 25 })
        .complete();
    const alone: number[][] = [];
    for (const [index, prompt] of prompts.entries()) alone.push([...(await write(prompt, index)).tokens]);
    const together = await Promise.all(prompts.map(write));
    assert.deepEqual(
      together.map(({ tokens }) => tokens),
      alone,
    );
  });

  test('share the pages: an idle session gives way and is processed again; without idle ones the error says so', async () => {
    await using model = await load({ contextLength: 128, sequences: 1 });
    const idle = model.createSession();
    const first = await idle.generate(new Array<number>(100).fill(9), { ...LONG, maxTokens: 5 }).complete();
    const busy = model.createSession().generate(new Array<number>(70).fill(8), LONG)[Symbol.asyncIterator]();
    await busy.next();
    await assert.rejects(idle.generate(new Array<number>(100).fill(9), LONG).complete(), hasCode('out-of-memory'));
    await busy.return();
    const again = await idle.generate(new Array<number>(100).fill(9), { ...LONG, maxTokens: 5 }).complete();
    assert.deepEqual(again.tokens, first.tokens);
  });
});

/** The head of a model of seven billion weights in Q8_0, in the tiny one's clothes; it has no weights to read. */
function sevenBillion(): WeightSource {
  const source = tinyWeights();
  const [dim, hidden, vocab] = [3584, 18_944, 128];
  const metadata = new Map(source.head.metadata);
  const set = (key: string, value: number) => metadata.set(`llama.${key}`, { type: 'uint32', value });
  set('embedding_length', dim);
  set('feed_forward_length', hidden);
  set('block_count', 32);
  set('attention.head_count', 28);
  set('attention.head_count_kv', 4);
  set('rope.dimension_count', 128);
  const type = tensorTypeByName('Q8_0')!;
  const tensors = new Map<string, TensorInfo>();
  const add = (name: string, ...dimensions: number[]) => {
    const count = dimensions.reduce((a, b) => a * b, 1);
    const info =
      dimensions.length === 1
        ? { name, type: tensorTypeByName('F32')!, dimensions, byteLength: 4 * count }
        : { name, type, dimensions, byteLength: (count / 32) * 34 };
    tensors.set(name, info);
  };
  add('token_embd.weight', dim, vocab);
  add('output_norm.weight', dim);
  for (let layer = 0; layer < 32; layer++) {
    const own = (name: string, ...dimensions: number[]) => add(`blk.${layer}.${name}.weight`, ...dimensions);
    own('attn_norm', dim);
    own('attn_q', dim, dim);
    own('attn_k', dim, 512);
    own('attn_v', dim, 512);
    own('attn_output', dim, dim);
    own('ffn_norm', dim);
    own('ffn_gate', dim, hidden);
    own('ffn_up', dim, hidden);
    own('ffn_down', hidden, dim);
  }
  source.readPlane = async () => assert.fail('a weight was read');
  return { ...source, head: { metadata, tensors }, name: 'seven billion' };
}

describe('Loading', () => {
  test('says need and have before any weight is read, when memory is too small', async () => {
    const weights = tinyWeights();
    weights.readPlane = async () => assert.fail('a weight was read');
    const expected = (error: unknown) =>
      isPixelError(error, 'out-of-memory') &&
      /needs 0\.\d MB .* but only 0\.0 MB are free: take a smaller model: about 0\.0 million weights/.test(
        error.message,
      );
    await assert.rejects(loadModel(weights, { device: 'reference', availableMemory: () => 1000 }), expected);
    assert.equal(weights.disposed, 0);
  });

  test('says what would fit: a shorter context, or the same weights in a smaller type', async () => {
    const weights = tinyWeights();
    // F32 weights of 0.09 MB, and 0.02 MB for a page of 64 tokens.
    const room = (device: 'cpu' | 'reference', bytes: number) =>
      loadModel(weights, { device, threads: 1, contextLength: 160, availableMemory: () => bytes });
    await assert.rejects(
      room('reference', 185_000),
      /a context of 128 tokens would fit \(`contextLength`, --context\)/,
    );
    await assert.rejects(
      room('cpu', 140_000),
      /in F16 the weights would take 0\.\d MB and leave room for a context of \d+ tokens/,
    );
    await (await room('cpu', 250_000)).dispose();
  });

  test('refuses a share of 4 GiB and more on one thread before any weight is read, and says how many threads would do', async () => {
    const weights = sevenBillion();
    const load = (threads: number) => loadModel(weights, { device: 'cpu', threads, availableMemory: () => 1e12 });
    await assert.rejects(load(1), (error: unknown) => {
      assert.ok(isPixelError(error, 'out-of-memory'));
      assert.match(error.message, /\d\.\d GB .* fall to one thread .* ends at 4\.2 GB: share it out among 2 threads/);
      return true;
    });
  });

  test('leaves nothing behind when a weight cannot be read or the signal fires', async () => {
    const weights = tinyWeights();
    weights.readPlane = async () => {
      throw new PixelError('truncated', 'gone');
    };
    await assert.rejects(loadModel(weights, { device: 'reference' }), hasCode('truncated'));
    await assert.rejects(load({ signal: AbortSignal.abort() }), hasCode('aborted'));
    await assert.rejects(load({ device: 'abacus' as 'cpu' }), hasCode('unknown-device'));
    await assert.rejects(loadModel({} as Blob), hasCode('bad-argument'));
    await assert.rejects(loadModel(new Blob(['neither'])), hasCode('unknown-format'));
  });

  test('a model can be disposed of twice and while it writes; later use is refused', async () => {
    const model = await load();
    const session = model.createSession();
    const writing = session.generate('the cat', LONG).complete();
    const refused = assert.rejects(writing, hasCode('disposed'));
    await Promise.all([model.dispose(), model.dispose()]);
    await refused;
    assert.throws(() => model.createSession(), hasCode('disposed'));
    await assert.rejects(model.score('text'), hasCode('disposed'));
    await assert.rejects(session.generate('the cat', LONG).complete(), hasCode('disposed'));
    session.dispose();
  });
});

function decode(model: Awaited<ReturnType<typeof load>>, tokens: readonly number[]): string {
  const detokenizer = model.tokenizer.createDetokenizer();
  return tokens.map((token) => detokenizer.push(token)).join('') + detokenizer.end();
}
