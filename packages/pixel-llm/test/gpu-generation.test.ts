/** Whole generations on a GPU, which runs ahead of the reader: what comes out must not show it. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { testDevice, useDriver } from '../src/backends/webgpu/testing.ts';
import { MemoryByteSink } from '../src/core/byte-sink.ts';
import { MemoryByteSource } from '../src/core/byte-source.ts';
import { isPixelError } from '../src/core/errors.ts';
import type { GenerateOptions } from '../src/engine/generation.ts';
import { loadModel } from '../src/engine/load-model.ts';
import type { Model } from '../src/engine/model.ts';
import { tinyWeights } from './tiny-model.ts';
import { watchDevices } from './watch-devices.ts';

useDriver('swiftshader');

const LONG: GenerateOptions = { ignoreEndOfText: true, seed: 11, temperature: 1.2, topP: 1, minP: 0, topK: 0 };

/** The tiny model on the GPU and on the reference. Undefined where there is no GPU. */
async function load(context: TestContext): Promise<{ gpu: Model; reference: Model } | undefined> {
  if (!(await testDevice(context))) return undefined;
  const gpu = await loadModel(tinyWeights(), { device: 'gpu', gpuAdapter: 'swiftshader', sequences: 2 });
  return { gpu, reference: await loadModel(tinyWeights(), { device: 'reference' }) };
}

async function tokensOf(model: Model, options: GenerateOptions): Promise<readonly number[]> {
  using session = model.createSession();
  return (await session.generate('the cat', { ...LONG, ...options }).complete()).tokens;
}

test('a stop string ends a text that ran ahead of it, and nothing of what ran on shows', async (context) => {
  const models = await load(context);
  if (!models) return;
  await using gpu = models.gpu;
  await using reference = models.reference;
  const greedy = { ...LONG, temperature: 0, maxTokens: 24 };
  using session = reference.createSession();
  const whole = await session.generate('the cat', greedy).complete();
  using ahead = gpu.createSession();
  for (const [from, length] of [
    [0, 1],
    [5, 3],
    [9, 7],
  ] as const) {
    const stop = whole.text.slice(from, from + length);
    const expected = await session.generate('the cat', { ...greedy, stop }).complete();
    const found = await ahead.generate('the cat', { ...greedy, stop }).complete();
    assert.equal(found.finishReason, 'stop');
    assert.deepEqual(
      [found.text, found.tokens, found.stopString],
      [expected.text, expected.tokens, expected.stopString],
    );
  }
  // What ran on was written into the cache behind the text; the next text does not see it.
  assert.deepEqual((await ahead.generate('the cat', greedy).complete()).tokens, whole.tokens);
});

test('pages of the GPU are copied for forks, and saved and restored to the same tokens', async (context) => {
  const models = await load(context);
  if (!models) return;
  await using gpu = models.gpu;
  await models.reference.dispose();
  // 75 tokens: one full page, and one that is partly filled.
  const prompt = Array.from({ length: 75 }, (_, i) => 3 + ((i * 17) % 100));
  const settings = { ...LONG, maxTokens: 12 };
  using session = gpu.createSession();
  const first = await session.generate(prompt, settings).complete();
  using fork = session.fork();
  const again = await fork.generate(prompt, settings).complete();
  assert.deepEqual(again.tokens, first.tokens);
  assert.ok(again.cachedTokens >= 74, `${again.cachedTokens} tokens were in the fork's cache`);
  // Both write behind the same partly filled page, each into its own.
  const [left, right] = await Promise.all(
    [1, 2].map(async (seed) => {
      using branch = session.fork();
      return await branch.generate([...prompt, ...first.tokens], { ...settings, seed }).complete();
    }),
  );
  using alone = gpu.createSession();
  for (const [seed, branch] of [left, right].entries()) {
    const expected = await alone.generate([...prompt, ...first.tokens], { ...settings, seed: seed + 1 }).complete();
    assert.deepEqual(branch?.tokens, expected.tokens);
  }
  const sink = new MemoryByteSink();
  await session.save(sink, { cache: true });
  const restored = await gpu.restoreSession(new MemoryByteSource(sink.result(), 'talk.pxi.png'));
  assert.equal(restored.cache, 'restored');
  const rest = await restored.session.generate(restored.tokens, { ...restored.settings, maxTokens: 8 }).complete();
  assert.equal(rest.cachedTokens, restored.tokens.length - 1);
  const whole = await alone.generate(prompt, { ...LONG, maxTokens: 20 }).complete();
  assert.deepEqual([...first.tokens, ...rest.tokens], whole.tokens);
});

test('a GPU that runs ahead writes what the reference writes, at every length, and stops where it should', async (context) => {
  const models = await load(context);
  if (!models) return;
  await using gpu = models.gpu;
  await using reference = models.reference;
  // Greedy text is the reference's. At a temperature a last bit may decide, so there the same GPU is asked, step by step: a penalty of next
  // to nothing depends on the tokens before, and so nothing runs ahead.
  const greedy = { temperature: 0, maxTokens: 24 };
  assert.deepEqual(await tokensOf(gpu, greedy), await tokensOf(reference, greedy));
  const stepwise = { presencePenalty: 1e-12 };
  const whole = await tokensOf(gpu, { ...stepwise, maxTokens: 24 });
  for (const maxTokens of [1, 2, 5, 24])
    assert.deepEqual(await tokensOf(gpu, { maxTokens }), whole.slice(0, maxTokens));
  // Two at once, each with its own place on the device.
  const both = await Promise.all([tokensOf(gpu, { maxTokens: 12 }), tokensOf(gpu, { maxTokens: 12, seed: 12 })]);
  assert.deepEqual(both, [whole.slice(0, 12), await tokensOf(gpu, { ...stepwise, maxTokens: 12, seed: 12 })]);

  // A loop that is left early, then the same session: what ran ahead is forgotten.
  using session = gpu.createSession();
  for await (const _ of session.generate('the cat', { ...LONG, maxTokens: 24 })) break;
  const again = await session.generate('the cat', { ...LONG, maxTokens: 8 }).complete();
  assert.deepEqual(again.tokens, whole.slice(0, 8));

  const stopped = session.generate('the cat', { ...LONG, signal: AbortSignal.abort() });
  await assert.rejects(stopped.complete(), (error) => isPixelError(error, 'aborted'));
});

test('a token costs one submit to the GPU, and is waited for once', async (context) => {
  if (!(await testDevice(context))) return;
  const devices = watchDevices(context);
  await using gpu = await loadModel(tinyWeights(), { device: 'gpu', gpuAdapter: 'swiftshader' });
  const counts = countRoundTrips(devices.at(-1)!);
  const costOf = async (maxTokens: number): Promise<number[]> => {
    const before = { ...counts };
    assert.equal((await tokensOf(gpu, { maxTokens })).length, maxTokens);
    return [counts.submits - before.submits, counts.waits - before.waits];
  };
  await costOf(24);
  const [few, many] = [await costOf(8), await costOf(24)];
  assert.deepEqual(
    many.map((count, i) => count - few[i]!),
    [16, 16],
  );
});

/** Counts submits, and whatever a caller has to wait for: mapped buffers, finished work, error scopes, pipelines. */
function countRoundTrips(device: GPUDevice): { submits: number; waits: number } {
  const counts = { submits: 0, waits: 0 };
  const watch = (owner: object, name: string, count: keyof typeof counts): void => {
    const original: (...given: unknown[]) => unknown = Reflect.get(owner, name);
    Object.defineProperty(owner, name, {
      configurable: true,
      value: (...given: unknown[]) => {
        counts[count]++;
        return Reflect.apply(original, owner, given);
      },
    });
  };
  watch(device.queue, 'submit', 'submits');
  watch(device.queue, 'onSubmittedWorkDone', 'waits');
  for (const name of ['popErrorScope', 'createComputePipelineAsync']) watch(device, name, 'waits');
  const create = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = create(descriptor);
    watch(buffer, 'mapAsync', 'waits');
    return buffer;
  };
  return counts;
}
