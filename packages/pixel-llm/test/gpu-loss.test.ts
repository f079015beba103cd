/** GPUs that are lost, too small or refuse: generation goes on, or a typed error says what happened. The losses are real, of a real device. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testDevice, useDriver } from '../src/backends/webgpu/testing.ts';
import '../src/backends/wasm/node.ts';
import { isPixelError } from '../src/core/errors.ts';
import type { GenerateOptions } from '../src/engine/generation.ts';
import { type LoadModelOptions, loadModel } from '../src/engine/load-model.ts';
import type { Model } from '../src/engine/model.ts';
import { makeTinyModel, tinyWeights } from './tiny-model.ts';
import { watchDevices } from './watch-devices.ts';

useDriver('swiftshader');

const ADAPTER = { device: 'gpu', gpuAdapter: 'swiftshader', sequences: 2 } as const;
const SETTINGS: GenerateOptions = { ignoreEndOfText: true, seed: 5, temperature: 1, maxTokens: 24 };

async function load(options: LoadModelOptions = {}): Promise<{ model: Model; notes: string[] }> {
  const notes: string[] = [];
  const model = await loadModel(tinyWeights(), { ...ADAPTER, onNote: (line) => notes.push(line), ...options });
  return { model, notes };
}

const reopen: LoadModelOptions['reopen'] = async () => tinyWeights();

async function textOf(model: Model, options: GenerateOptions = {}): Promise<string> {
  using session = model.createSession();
  return (await session.generate('the cat', { ...SETTINGS, ...options }).complete()).text;
}

/** After which tokens: the second time soon after the first. */
const LOSSES: readonly (readonly [how: string, after: readonly number[], options: GenerateOptions])[] = [
  ['running ahead', [7, 9], {}],
  ['guessing', [7], { speculation: { tokens: 4 }, temperature: 0 }],
];

for (const [how, after, options] of LOSSES) {
  void test(`a GPU that is lost while ${how} is made anew, and the text goes on as if nothing had happened`, async (context) => {
    if (!(await testDevice(context))) return;
    const devices = watchDevices(context);
    const { model: gpu, notes } = await load({ reopen });
    await using model = gpu;
    const whole = await textOf(model, options);
    using session = model.createSession();
    let text = '';
    let tokens = 0;
    for await (const piece of session.generate('the cat', { ...SETTINGS, ...options })) {
      text += piece.text;
      if (after.includes(++tokens)) devices.at(-1)!.destroy();
    }
    assert.equal(text, whole);
    assert.equal(tokens, SETTINGS.maxTokens);
    assert.equal(notes.length, after.length);
    assert.match(notes[0]!, /stopped working.*Loading .* anew/);
    assert.equal(model.status, 'ready');
    assert.equal(devices.length, 1 + after.length);
  });
}

void test('two texts at once survive the loss of their GPU, which is made anew once', async (context) => {
  if (!(await testDevice(context))) return;
  const devices = watchDevices(context);
  const { model: gpu } = await load({ reopen });
  await using model = gpu;
  const seeds = [1, 2];
  const whole = await Promise.all(seeds.map((seed) => textOf(model, { seed })));
  const made = devices.length;
  const texts = await Promise.all(
    seeds.map(async (seed) => {
      using session = model.createSession();
      let text = '';
      let tokens = 0;
      for await (const piece of session.generate('the cat', { ...SETTINGS, seed })) {
        text += piece.text;
        if (++tokens === 6 && seed === 1) devices.at(-1)!.destroy();
      }
      return text;
    }),
  );
  assert.deepEqual(texts, whole);
  assert.equal(devices.length, made + 1);
});

void test('a loss between two texts costs nothing but time, for sessions and scores', async (context) => {
  if (!(await testDevice(context))) return;
  const devices = watchDevices(context);
  const { model: gpu } = await load({ reopen });
  await using model = gpu;
  using session = model.createSession();
  const first = await session.generate('the cat', SETTINGS).complete();
  const score = await model.score('the cat sat');
  devices.at(-1)!.destroy();
  assert.deepEqual(await model.score('the cat sat'), score);
  const again = await session.generate('the cat', SETTINGS).complete();
  assert.deepEqual(again.tokens, first.tokens);
  // The session's cache was of the first device.
  assert.equal(again.cachedTokens, 0);
});

void test('without a way to open the model again, a lost GPU is a typed error and never a hang', async (context) => {
  if (!(await testDevice(context))) return;
  const devices = watchDevices(context);
  const { model: gpu } = await load();
  await using model = gpu;
  using session = model.createSession();
  const generation = session.generate('the cat', SETTINGS);
  const interrupted = async (): Promise<void> => {
    for await (const _ of generation) devices.at(-1)!.destroy();
  };
  await assert.rejects(interrupted(), (error) => isPixelError(error, 'device-lost'));
  assert.equal(model.status, 'lost');
  assert.throws(
    () => model.createSession(),
    (error) => isPixelError(error, 'device-lost'),
  );
});

void test('a model that changed meanwhile, or a GPU that is gone for good, is told', async (context) => {
  if (!(await testDevice(context))) return;
  let isGone = false;
  const devices = watchDevices(context, (real) => ({
    ...real,
    findAdapters: async () => (isGone ? [] : await real.findAdapters()),
  }));
  const { model: changed } = await load({ reopen: async () => tinyWeights(makeTinyModel({ seed: 2 })) });
  await using first = changed;
  devices.at(-1)!.destroy();
  await assert.rejects(textOf(first), { code: 'device-lost', message: /is another model now/ });
  const { model: gone } = await load({ reopen });
  await using second = gone;
  isGone = true;
  devices.at(-1)!.destroy();
  await assert.rejects(textOf(second), { code: 'device-lost', message: /there is no adapter/ });
  isGone = false;
  assert.equal((await textOf(second)).length > 0, true);
});

void test('a model that is too large for the GPU is refused by name, and with `auto` runs on the processor', async (context) => {
  if (!(await testDevice(context))) return;
  // The real adapter, introduced as hardware with little memory.
  const devices = watchDevices(context, (real) => ({
    mayHaveHardware: () => true,
    async findAdapters() {
      const found = await real.findAdapters();
      return found.map(({ gpu, adapter }) => {
        const limits = new Proxy(adapter.limits, {
          get: (of, name) => (name === 'maxBufferSize' ? 4096 : Reflect.get(of, name)),
        });
        const info = { vendor: 'test', architecture: '', device: '', description: '', isFallbackAdapter: false };
        const small = Object.create(adapter, {
          limits: { value: limits },
          info: { value: info },
          features: { value: adapter.features },
          requestDevice: {
            value: async (descriptor: GPUDeviceDescriptor) => {
              const device = await adapter.requestDevice({ ...descriptor, requiredLimits: {} });
              return Object.defineProperty(device, 'limits', {
                value: new Proxy(device.limits, {
                  get: (of, name) => (name === 'maxBufferSize' ? 4096 : Reflect.get(of, name)),
                }),
              });
            },
          },
        }) as GPUAdapter;
        return { gpu, adapter: small, name: 'small card' };
      });
    },
  }));
  const insisting = loadModel(tinyWeights(), { device: 'gpu' });
  await assert.rejects(insisting, { code: 'out-of-memory', message: /small card.*has no .* MB for/ });
  const { model: fallen, notes } = await load({ device: 'auto', gpuAdapter: undefined });
  await using model = fallen;
  assert.equal(model.device, 'cpu');
  assert.match(notes.join('\n'), /runs on the processor, because the GPU failed: .*small card/);
  assert.equal(devices.length, 2);
});
