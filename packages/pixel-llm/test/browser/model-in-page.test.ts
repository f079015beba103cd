/**
 * `import { loadModel } from "pixel-llm"` in a page of a real browser, from the built bundle: the same text as in Node, from a file and
 * from a server, with threads and without, while the page's own thread stays free.
 */
import assert from 'node:assert/strict';
import { loadModel } from '../../src/node.ts';
import { toPictures } from '../../src/pxi/testing.ts';
import { makeTinyModel, tinyGguf, tinyWeights } from '../tiny-model.ts';
import { browserTests, inPage } from './chromium.ts';

const browserTest = browserTests();
const model = makeTinyModel();
const gguf = tinyGguf(model);
const PROMPT = 'the robot and the sea';
const OPTIONS = { maxTokens: 24, temperature: 0.9, seed: 7, ignoreEndOfText: true };

async function textInNode(): Promise<string> {
  await using loaded = await loadModel(tinyWeights(model), { device: 'cpu', threads: 1 });
  return (await loaded.createSession().generate(PROMPT, OPTIONS).complete()).text;
}

for (const isIsolated of [true, false]) {
  browserTest(
    `A page ${isIsolated ? 'with threads' : 'without shared memory'} writes the text that Node writes`,
    async ({ server, openPage }) => {
      server.files.set('/model.pxi.png', (await toPictures(gguf)).get('model.pxi.png') ?? gguf);
      const page = await openPage({ isIsolated });
      const found = await inPage(
        page,
        async (pixel, { prompt, options }) => {
          const pieces: string[] = [];
          const model = await pixel.loadModel('model.pxi.png', { threads: 2, keep: false });
          const session = model.createSession();
          const generation = session.generate(prompt, options);
          for await (const { text } of generation) pieces.push(text);
          const { result, promptTokens, textTokens } = generation;
          const { device, name, vocab, contextLength } = model;
          const facts = { device, name, vocab, contextLength, isolated: crossOriginIsolated };
          const counts = [promptTokens.length, textTokens.length, session.tokens.length];
          const tokens = [...model.tokenizer.encode(prompt, { addSpecial: true })];
          await model.dispose();
          return { pieces, result, facts, counts, isSameTokens: String(tokens) === String(promptTokens) };
        },
        { prompt: PROMPT, options: OPTIONS },
      );
      assert.equal(found.pieces.join(''), await textInNode());
      assert.equal(found.pieces.length, OPTIONS.maxTokens);
      assert.equal(found.result?.finishReason, 'length');
      assert.equal(found.result?.text, found.pieces.join(''));
      assert.ok(found.isSameTokens);
      const workers = server.requests.filter(({ path }) => path === '/bundle/worker.js').length;
      assert.equal(workers, isIsolated ? 3 : 1, 'the engine, and two threads where they can share memory');
      const prompt = found.counts[0] ?? 0;
      assert.deepEqual(found.counts, [prompt, prompt + 24, prompt + 24]);
      assert.deepEqual(found.facts, {
        device: 'cpu',
        name: server.url('model.pxi.png'),
        vocab: 128,
        contextLength: 160,
        isolated: isIsolated,
      });
    },
  );
}

browserTest(
  'A dropped file is read in the worker; the page stays free while it loads and writes',
  async ({ server, openPage }) => {
    const large = tinyGguf(makeTinyModel({ contextLength: 4096 }));
    server.files.set('/model.gguf', large);
    const page = await openPage();
    const { longest, tokens, cached, text, again } = await inPage(
      page,
      async (pixel) => {
        const file = new File([await (await fetch('model.gguf')).blob()], 'model.gguf');
        let longest = 0;
        let last = performance.now();
        const timer = setInterval(() => {
          longest = Math.max(longest, performance.now() - last);
          last = performance.now();
        });
        await using model = await pixel.loadModel(file, { threads: 1 });
        using session = model.createSession();
        const options = { maxTokens: 400, temperature: 0, ignoreEndOfText: true };
        const { tokens, text } = await session.generate('once '.repeat(300), options).complete();
        clearInterval(timer);
        const next = await session.generate(session.tokens, { maxTokens: 1 }).complete();
        const again = await session.generate('once '.repeat(300), options).complete();
        return { longest, tokens: tokens.length, cached: next.cachedTokens, text, again: again.text };
      },
      undefined,
    );
    assert.equal(tokens, 400);
    assert.ok(cached > 600, `the session's cache was used: ${cached}`);
    assert.equal(again, text);
    // The worker computes for seconds; the page only ever waits for messages. (Generous: the machine may be busy.)
    assert.ok(longest < 500, `the page stood still for ${longest} ms`);
  },
);

browserTest(
  'Stopping, leaving, disposing and wrong use are as in Node, with the same codes',
  async ({ server, openPage }) => {
    server.files.set('/model.gguf', gguf);
    server.files.set('/page.gguf', Buffer.from('<!doctype html>'.padEnd(600)));
    const page = await openPage();
    const found = await inPage(
      page,
      async (pixel) => {
        const codeOf = async (work: () => unknown): Promise<string> => {
          try {
            await work();
            return 'none';
          } catch (error) {
            return pixel.isPixelError(error) ? error.code : String(error);
          }
        };
        const load = (options?: object) => pixel.loadModel('model.gguf', { keep: false, threads: 1, ...options });
        const model = await load();
        const session = model.createSession();
        const long = { maxTokens: 100, ignoreEndOfText: true, seed: 1 };
        const controller = new AbortController();
        const stopped = session.generate('a robot', { ...long, signal: controller.signal });
        let cause: unknown;
        const abort = await codeOf(async () => {
          for await (const _ of stopped) controller.abort('enough');
        }).finally(async () => {
          await stopped.complete().catch((error: Error) => {
            cause = error.message;
          });
        });
        const left = session.generate('a robot', long);
        for await (const _ of left) break;
        const busy = session.generate('a robot', long);
        const iterator = busy[Symbol.asyncIterator]();
        await iterator.next();
        const whileBusy = await codeOf(() => session.generate('b', long).complete());
        await iterator.return?.();
        const codes = {
          abort,
          abortedBefore: await codeOf(() => load({ signal: AbortSignal.abort() })),
          whileBusy,
          temperature: await codeOf(() => session.generate('a', { temperature: -1 })),
          tooLong: await codeOf(() => session.generate('a '.repeat(500)).complete()),
          notFound: await codeOf(() => pixel.loadModel('nothing.gguf', { keep: false })),
          noModel: await codeOf(() => pixel.loadModel('page.gguf', { keep: false })),
          device: await codeOf(() => load({ device: 'quantum' })),
          context: await codeOf(() => load({ contextLength: 1e6 })),
          noWorker: await codeOf(() => load({ assets: 'nowhere/' })),
          source: await codeOf(() => pixel.loadModel(7 as never)),
        };
        const waiting = codeOf(() => session.generate('a robot', long).complete());
        await new Promise((resolve) => setTimeout(resolve, 30));
        await model.dispose();
        await model.dispose();
        const after = { waiting: await waiting, create: await codeOf(() => model.createSession()) };
        return { codes, cause, after, reasons: [stopped.result?.finishReason, left.result?.finishReason] };
      },
      undefined,
    );
    assert.deepEqual(found.codes, {
      abort: 'aborted',
      abortedBefore: 'aborted',
      whileBusy: 'bad-argument',
      temperature: 'bad-argument',
      tooLong: 'context-full',
      notFound: 'http',
      noModel: 'unknown-format',
      device: 'unknown-device',
      context: 'bad-argument',
      noWorker: 'device-lost',
      source: 'bad-argument',
    });
    assert.deepEqual(found.after, { waiting: 'disposed', create: 'disposed' });
    assert.deepEqual(found.reasons, ['aborted', 'aborted']);
    assert.match(String(found.cause), /iterated once/);
  },
);

browserTest(
  'Forks, scores, embeddings and saved sessions cross the boundary, and so do sources of the page',
  async ({ server, openPage }) => {
    server.files.set('/model.gguf', gguf);
    const page = await openPage({ isIsolated: false });
    const found = await inPage(
      page,
      async (pixel, prompt) => {
        const bytes = new Uint8Array(await (await fetch('model.gguf')).arrayBuffer());
        let isClosed = false;
        const source = {
          name: 'mine',
          size: bytes.length,
          async read(offset: number, targets: readonly Uint8Array[]) {
            let at = offset;
            for (const target of targets) {
              target.set(bytes.subarray(at, at + target.length));
              at += target.length;
            }
          },
          async dispose() {
            isClosed = true;
          },
        };
        const ofBytes = await pixel.loadModel(source);
        const weights = await pixel.openWeights(new pixel.BlobByteSource(new Blob([bytes])));
        const ofWeights = await pixel.loadModel(weights);
        const options = { maxTokens: 8, seed: 3, ignoreEndOfText: true };
        const texts: string[] = [];
        const sinks: Uint8Array<ArrayBuffer>[] = [];
        for (const model of [ofBytes, ofWeights]) {
          const session = model.createSession();
          texts.push((await session.generate(prompt, options).complete()).text);
          const rest = { maxTokens: 8, seed: 3, ignoreEndOfText: true };
          texts.push((await session.fork().generate(session.tokens, rest).complete()).text);
          const sink = new pixel.MemoryByteSink('saved');
          await session.save(sink, { messages: [{ role: 'user', content: 'hello' }] });
          sinks.push(sink.result());
          const restored = await model.restoreSession(new Blob([sink.result().slice()]));
          texts.push((await restored.session.generate(restored.tokens, rest).complete()).text);
          texts.push(restored.messages[0]?.content ?? '');
        }
        const { perplexity } = await ofBytes.score(prompt);
        const vector = await ofBytes.embed(prompt);
        await ofBytes.dispose();
        await ofWeights.dispose();
        return { texts, isClosed, perplexity, length: Math.hypot(...vector), saved: sinks.map(({ length }) => length) };
      },
      PROMPT,
    );
    const [text, forked, restored, message, ...others] = found.texts;
    assert.deepEqual(others, [text, forked, restored, message]);
    assert.equal(restored, forked);
    assert.equal(message, 'hello');
    assert.ok(found.isClosed);
    assert.ok(Math.abs(found.length - 1) < 1e-5);
    await using model = await loadModel(tinyWeights(makeTinyModel()), { device: 'cpu', threads: 1 });
    assert.equal(found.perplexity, (await model.score(PROMPT)).perplexity);
  },
);
