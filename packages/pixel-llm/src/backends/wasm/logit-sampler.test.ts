/** Fast sampling against the specification, reference/sample.ts: the same tokens, the same numbers. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { GREEDY } from '../../../test/sampling-settings.ts';
import { noise } from '../../gguf/testing.ts';
import { sampleRow } from '../reference/sample.ts';
import type { SamplingSettings } from '../types.ts';
import { KernelModule } from './kernel-module.ts';
import { LogitSampler } from './logit-sampler.ts';

const VOCABULARY = 50_003;
const PLAIN: SamplingSettings = { ...GREEDY, seed: 7 };

for (const build of ['relaxed', 'plain'] as const) {
  void test(`${build} kernels sample the tokens, and the probabilities, that the specification gives`, () => {
    const sampler = samplerOf(build);
    for (const [row, logits] of rows().entries()) {
      const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b);
      const [first = 0, second = 0] = order;
      for (const settings of settingsFor(first, second)) {
        for (let position = 0; position < 3; position++) {
          const asked = { ...PLAIN, ...settings, position };
          const what = `row ${row}, ${JSON.stringify(settings)}`;
          assert.deepEqual(sampler.sample(logits, asked), sampleRow(logits, asked), what);
          if (!settings.temperature) break;
        }
      }
    }
  });
}

void test('rows of logits that are not numbers, and a bias that forbids every token, are refused', () => {
  const sampler = samplerOf('relaxed');
  for (const broken of [NaN, Infinity]) {
    for (const place of [0, 77, VOCABULARY - 1]) {
      const logits = randomRow(1, 3);
      logits[place] = broken;
      assert.throws(() => sampler.sample(logits, PLAIN), { code: 'not-finite' });
    }
  }
  const bias = Array.from({ length: VOCABULARY }, (_, token) => [token, -Infinity] as const);
  assert.throws(() => sampler.sample(randomRow(1, 3), { ...PLAIN, bias }), { code: 'not-finite' });
});

function settingsFor(first: number, second: number): Partial<SamplingSettings>[] {
  const recentTokens = Int32Array.of(first, 5, 5, second, VOCABULARY - 1, 0);
  const bias = [[first, -Infinity], [second, -3], [12, 2.5]] as const; // biome-ignore format: one line
  return [
    {},
    { topLogprobs: 1 },
    { topLogprobs: 20 },
    { bias },
    { recentTokens, repeatPenalty: 1.3, frequencyPenalty: 0.2, presencePenalty: 0.1, topLogprobs: 3 },
    { temperature: 1 },
    { temperature: 0.7, topK: 40, topP: 0.9 },
    { temperature: 1.5, minP: 0.05, recentTokens, repeatPenalty: 1.1 },
    { temperature: 3, topP: 0.99, bias, recentTokens, frequencyPenalty: 1, topLogprobs: 5 },
    { temperature: 1e300 },
  ];
}

/** Ordinary logits; many equal ones; one far above; most at -Infinity; nearly none. */
function rows(): Float32Array[] {
  const peaked = randomRow(3, 1);
  peaked[31_111] = 1000;
  const masked = randomRow(4, 8).map((logit, i) => (i % 7 ? -Infinity : logit));
  const lonely = new Float32Array(VOCABULARY).fill(-Infinity);
  lonely.set([1, 2], 49_998);
  return [randomRow(1, 3), randomRow(2, 2).map((logit) => Math.round(logit)), peaked, masked, lonely];
}

/** A sum of uniform numbers, times `size`. */
function randomRow(seed: number, size: number): Float32Array {
  const words = new Uint32Array(noise(16 * VOCABULARY, seed).buffer);
  return Float32Array.from({ length: VOCABULARY }, (_, i) => {
    const sum = words[4 * i]! + words[4 * i + 1]! + words[4 * i + 2]! + words[4 * i + 3]!;
    return size * (sum / 2 ** 31 - 4);
  });
}

function samplerOf(build: 'relaxed' | 'plain'): LogitSampler {
  const bytes = readFileSync(new URL(`./kernels-${build}.wasm`, import.meta.url));
  return new LogitSampler(new KernelModule(new WebAssembly.Module(bytes)));
}
