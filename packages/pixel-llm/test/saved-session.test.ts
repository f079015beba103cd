import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MemoryByteSink } from '../src/core/byte-sink.ts';
import { MemoryByteSource } from '../src/core/byte-source.ts';
import { isPixelError } from '../src/core/errors.ts';
import type { GenerateOptions } from '../src/engine/generation.ts';
import { loadModel } from '../src/engine/node.ts';
import type { SaveSessionOptions, Session } from '../src/engine/session.ts';
import { openGgufModel } from '../src/gguf/split.ts';
import { convertToPictures } from '../src/pxi/convert/convert-to-picture.ts';
import { createGgufWeights } from '../src/pxi/gguf-weights.ts';
import { openContentFile } from '../src/pxi/node.ts';
import { golden, goldenTest } from './goldens.ts';
import { makeTinyModel, tinyGguf, tinyWeights } from './tiny-model.ts';

const load = (seed = 1, options: Parameters<typeof loadModel>[1] = {}) =>
  loadModel(tinyWeights(makeTinyModel({ seed })), { device: 'reference', ...options });
/** Any device that gives its cache away can be added here; on the others it is computed again. */
const DEVICES = [
  { device: 'reference', keeps: true },
  { device: 'cpu', keeps: false },
  { device: 'cpu', keeps: false, kvType: 'q8' },
] as const;
const LONG: GenerateOptions = { ignoreEndOfText: true, temperature: 1.2, topK: 0 };
const hasCode = (code: Parameters<typeof isPixelError>[1]) => (error: unknown) => isPixelError(error, code);

async function save(session: Session, options?: SaveSessionOptions): Promise<Uint8Array> {
  const sink = new MemoryByteSink();
  await session.save(sink, options);
  return sink.result();
}
const source = (bytes: Uint8Array) => new MemoryByteSource(bytes, 'talk.pxi.png');

for (const { keeps, ...options } of DEVICES)
  test(`on ${JSON.stringify(options)}, a session saved at any token goes on with exactly the tokens that would have come, with its cache and without`, async () => {
    await using model = await load(1, { ...options, threads: 1 });
    await using other = await load(1, { ...options, threads: 1 });
    const any = fc.record({
      seed: fc.nat(1000),
      prompt: fc.array(fc.integer({ min: 3, max: 120 }), { minLength: 1, maxLength: 90 }),
      first: fc.integer({ min: 1, max: 40 }),
      options: fc.constantFrom<GenerateOptions>(
        {},
        { temperature: 0 },
        { repeatPenalty: 1.5, presencePenalty: 0.5, repeatWindow: 9 },
        {
          logitBias: [
            [40, 2],
            [50, -Infinity],
          ],
        },
      ),
    });
    await fc.assert(
      fc.asyncProperty(any, async ({ seed, prompt, first, options: chosen }) => {
        const settings = { ...LONG, ...chosen, seed };
        const whole = await model
          .createSession()
          .generate(prompt, { ...settings, maxTokens: first + 20 })
          .complete();
        using session = model.createSession();
        await session.generate(prompt, { ...settings, maxTokens: first }).complete();
        for (const cache of [false, true]) {
          const restored = await other.restoreSession(source(await save(session, { cache })));
          assert.equal(restored.cache, cache && keeps ? 'restored' : 'computed');
          assert.deepEqual(restored.tokens, [...prompt, ...whole.tokens.slice(0, first)]);
          const rest = restored.session.generate(restored.tokens, { ...restored.settings, maxTokens: 20 });
          const { tokens, cachedTokens } = await rest.complete();
          assert.deepEqual(tokens, whole.tokens.slice(first));
          assert.equal(cachedTokens, restored.tokens.length - 1);
          restored.session.dispose();
        }
      }),
      { numRuns: 15 },
    );
  });

test('messages and settings come back; saved again, it is the same file', async () => {
  await using model = await load();
  using session = model.createSession();
  const messages = [{ role: 'user', content: 'hi "there"' }] as const;
  await session.generate(messages, { ...LONG, seed: 3, maxTokens: 9, stop: '~none~' }).complete();
  const saved = await save(session, { messages });
  const restored = await model.restoreSession(source(saved));
  assert.deepEqual(restored.messages, messages);
  assert.deepEqual(restored.settings, { ignoreEndOfText: true, temperature: 1.2, topK: 0, seed: 3, stop: ['~none~'] });
  assert.deepEqual(await save(restored.session, { messages }), saved);
  const fork = restored.session.fork();
  assert.deepEqual(fork.tokens, session.tokens);
});

test('it belongs to one model: the same as another file is taken, other weights are refused by name', async () => {
  await using model = await load();
  using session = model.createSession();
  await session.generate('the cat', { ...LONG, maxTokens: 3 }).complete();
  const saved = await save(session, { cache: true });

  const bytes = new MemoryByteSource(tinyGguf(makeTinyModel({ seed: 1 })));
  await using file = await loadModel(createGgufWeights(await openGgufModel('tiny.gguf', async () => bytes)), {
    device: 'reference',
  });
  assert.equal((await file.restoreSession(source(saved))).cache, 'restored');

  await using elsewhere = await load(1, { device: 'cpu', threads: 2 });
  // Another device rounds otherwise: what it finds in the file is no use to it.
  assert.equal((await elsewhere.restoreSession(source(saved))).cache, 'computed');

  await using stranger = await load(2);
  await assert.rejects(stranger.restoreSession(source(saved)), (error) => {
    assert.ok(isPixelError(error, 'other-model'));
    assert.match(error.message, /talk\.pxi\.png is a conversation with another model \("tiny", llama\)/);
    return true;
  });
});

test('what is damaged, of another kind or too long is refused, and nothing keeps pages', async () => {
  await using model = await load();
  using session = model.createSession();
  await session.generate('the cat sat', { ...LONG, maxTokens: 30 }).complete();
  const saved = await save(session, { cache: true });
  for (const place of [0.3, 0.6]) {
    const damaged = saved.slice();
    const at = Math.floor(saved.length * place);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    await assert.rejects(model.restoreSession(source(damaged)), hasCode('damaged-picture'));
  }
  await assert.rejects(model.restoreSession(source(saved.subarray(0, 3000))));
  await using short = await load(1, { contextLength: 16 });
  await assert.rejects(short.restoreSession(source(saved)), hasCode('context-full'));
  await assert.rejects(model.restoreSession(source(saved), { signal: AbortSignal.abort() }), hasCode('aborted'));
  // All pages are there for one long text.
  await model
    .createSession()
    .generate(new Array<number>(150).fill(9), { ...LONG, maxTokens: 5 })
    .complete();
});

test('a session that is generating is not saved, and the sink is given up', async () => {
  await using model = await load();
  using session = model.createSession();
  const pieces = session.generate('the cat', LONG)[Symbol.asyncIterator]();
  await pieces.next();
  await assert.rejects(save(session), hasCode('bad-argument'));
  await pieces.return();
  const untouched = await save(model.createSession());
  assert.deepEqual((await model.restoreSession(source(untouched))).tokens, []);
});

for (const name of ['TinyStories-656K-Q8_0', 'random-llama-Q4_K', 'random-qwen3-F16']) {
  goldenTest(`a conversation with ${name} goes from device to device and from GGUF to picture`, async () => {
    const path = golden(`models/${name}.gguf`);
    const sink = new MemoryByteSink('model.pxi.png');
    const content = await openContentFile(path);
    await convertToPictures(content, async () => sink, {});
    await content.dispose();
    const picture = new Blob([sink.result()]);
    await using file = await loadModel(path, { device: 'reference' });
    using session = file.createSession();
    await session.generate([1, 5, 9], { ...LONG, maxTokens: 3 }).complete();
    const saved = await save(session);
    for (const model of [await loadModel(path, { device: 'cpu', threads: 2 }), await loadModel(picture)]) {
      assert.equal((await model.restoreSession(source(saved))).tokens.length, 6);
      await model.dispose();
    }
  });
}
