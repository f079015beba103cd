import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { selectBackend } from '../src/backends/select.ts';
import { isPixelError } from '../src/core/errors.ts';
import { type GenerateOptions, Generation, type GenerationResult } from '../src/engine/generation.ts';
import { loadModel } from '../src/engine/node.ts';
import { PromptLookup } from '../src/engine/prompt-lookup.ts';
import { SequenceStore } from '../src/engine/sequence.ts';
import { buildProgram } from '../src/program/build-program.ts';
import { createTokenizer } from '../src/tokenizer/tokenizer.ts';
import { makeTinyModel, tinyWeights } from './tiny-model.ts';

describe('Prompt lookup', () => {
  test('guesses what followed the latest tokens the last time, from the longest match', () => {
    const lookup = new PromptLookup([1, 2, 3, 4, 5, 9, 2, 3, 7, 7, 1, 2, 3], 8);
    assert.deepEqual(lookup.guess(3), [4, 5, 9]);
    assert.deepEqual(lookup.guess(1), [4]);
    assert.deepEqual(lookup.guess(0), []);
    lookup.push(8);
    assert.deepEqual(lookup.guess(3), []);
    for (const token of [5, 2, 3]) lookup.push(token);
    assert.deepEqual(lookup.guess(2), [8, 5]);
  });

  test('guesses less, and more seldom, where it is wrong, and more again where it is right', () => {
    const lookup = new PromptLookup([1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3], 4);
    const tries = (): number => {
      let empty = 0;
      while (lookup.guess(4).length === 0) empty++;
      return empty;
    };
    assert.equal(lookup.guess(4).length, 4);
    const pauses: number[] = [];
    for (let miss = 0; miss < 8; miss++) {
      lookup.learn({ drafted: 4, accepted: 0 });
      pauses.push(tries());
    }
    assert.deepEqual(pauses, [1, 2, 4, 8, 16, 32, 32, 32]);
    assert.equal(lookup.guess(4).length, 1);
    lookup.learn({ drafted: 1, accepted: 1 });
    assert.equal(lookup.guess(4).length, 2);
  });
});

describe('Speculation', () => {
  test('writes the same as single steps, for any model, prompt, settings and end', async () => {
    const models = await Promise.all(
      ([1, 2, 3, 1, 2] as const).map((seed, index) =>
        loadModel(tinyWeights(makeTinyModel({ seed })), { device: index < 3 ? 'reference' : 'cpu', threads: 1 }),
      ),
    );
    const phrase = fc.array(fc.integer({ min: 3, max: 120 }), { minLength: 1, maxLength: 12 });
    // Such a text repeats itself for ever.
    const repeating: GenerateOptions = {
      temperature: 0,
      logitBias: [
        [40, 60],
        [41, 59],
      ],
      frequencyPenalty: 1,
      repeatWindow: 3,
    };
    const cases = fc.record({
      model: fc.constantFrom(...models),
      prompt: fc.tuple(phrase, phrase, fc.integer({ min: 1, max: 5 })).map(
        ([a, b, times]) =>
          new Array(times)
            .fill([...a, ...b])
            .flat()
            .concat(a) as number[],
      ),
      guesses: fc.integer({ min: 1, max: 12 }),
      maxTokens: fc.constantFrom<(number | undefined)[]>(1, 2, 30, undefined),
      options: fc.constantFrom<GenerateOptions>(
        { temperature: 0 },
        { temperature: 0, repeatPenalty: 1.3, repeatWindow: 5 },
        { temperature: 0, logprobs: 2, stop: ['e', 'the'] },
        { temperature: 0.3, seed: 5 },
        { temperature: 1, topK: 3, seed: 6, frequencyPenalty: 0.2 },
        repeating,
      ),
    });
    let accepted = 0;
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(cases, async ({ model, prompt, guesses, maxTokens, options }) => {
        const common = { seed: 1, maxTokens, ignoreEndOfText: true, ...options };
        const write = async (speculation?: { tokens: number }): Promise<GenerationResult> => {
          using session = model.createSession();
          return await session.generate(prompt, { ...common, speculation }).complete();
        };
        const [plain, fast] = [await write(), await write({ tokens: guesses })];
        for (const fact of ['tokens', 'text', 'finishReason', 'stopString', 'seed'] as const) {
          assert.deepEqual(fast[fact], plain[fact]);
        }
        assert.equal(plain.speculation, undefined);
        accepted += fast.speculation?.accepted ?? 0;
        refused += (fast.speculation?.drafted ?? 0) - (fast.speculation?.accepted ?? 0);
      }),
      // One of each model that is sure to guess right, so that the counts below hold whatever is drawn.
      {
        numRuns: 60,
        examples: models.map((model): [typeof cases extends fc.Arbitrary<infer Case> ? Case : never] => [
          { model, prompt: [5, 6, 7, 5, 6, 7, 5], guesses: 4, maxTokens: 60, options: repeating },
        ]),
      },
    );
    assert.ok(accepted > 100 && refused > 20, `${accepted} right, ${refused} wrong`);
    for (const model of models) await model.dispose();
  });

  test('takes fewer steps where the text repeats itself, and counts its guesses', async () => {
    const weights = tinyWeights();
    const backend = await selectBackend('reference');
    const inner = await backend.load(buildProgram(weights.head), weights, { pageCount: 3 });
    let steps = 0;
    const store = new SequenceStore(
      Object.assign(Object.create(inner), {
        step: (...step: Parameters<typeof inner.step>) => {
          steps++;
          return inner.step(...step);
        },
        copyPage: (...page: Parameters<typeof inner.copyPage>) => inner.copyPage(...page),
        dispose: () => inner.dispose(),
      }),
    );
    const context = {
      sequence: store.create(),
      tokenizer: createTokenizer(weights.head.metadata),
      vocab: inner.program.vocab,
      contextLength: 160,
      chunkTokens: 32,
    };
    // Always the same token.
    const options = { temperature: 0, logitBias: [[40, 1000]] as const, maxTokens: 61, speculation: { tokens: 9 } };
    const { tokens, speculation } = await new Generation(context, [7, 8], options).complete();
    assert.deepEqual(new Set(tokens), new Set([40]));
    assert.ok(steps < 16, `${steps} steps`);
    assert.equal(61, steps + (speculation?.accepted ?? 0));
    await store.dispose();
  });

  test('leaves the session as single steps would: left early, forked, continued', async () => {
    await using model = await loadModel(tinyWeights(), { device: 'reference', sequences: 3 });
    const options = { temperature: 0, logitBias: [[40, 1000]] as const, ignoreEndOfText: true, maxTokens: 40 };
    using session = model.createSession();
    const pieces = session.generate('the cat', { ...options, speculation: { tokens: 8 } });
    let count = 0;
    for await (const _ of pieces) if (++count === 7) break;
    const text = [...session.tokens];
    assert.equal(text.length, pieces.promptTokens.length + 7);
    using fork = session.fork();
    const rest = { temperature: 1, seed: 4, ignoreEndOfText: true, maxTokens: 12 };
    const expected = await model.createSession().generate(text, rest).complete();
    assert.deepEqual(
      (await fork.generate(text, { ...rest, speculation: { tokens: 3 } }).complete()).tokens,
      expected.tokens,
    );
    assert.deepEqual((await session.generate(text, rest).complete()).tokens, expected.tokens);
    assert.throws(
      () => session.generate('x', { speculation: { tokens: 65 } }),
      (error) => isPixelError(error, 'bad-argument'),
    );
  });
});
