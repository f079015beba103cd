/**
 * All golden models in a real browser, loaded by their address and written on as a page does it: each follows the exact greedy text up to
 * the first step whose two likeliest tokens are nearer to each other than the rule's margin (goldens/README.md).
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { golden } from '../goldens.ts';
import { browserTests, inPage } from './chromium.ts';

const browserTest = browserTests();

interface GoldenModel {
  readonly prompt: readonly number[];
  readonly exact_greedy_token_and_margin_in_nats: readonly (readonly [token: number, margin: number])[];
}

const LLAMA_TYPES = 'BF16 F16 F32 Q2_K Q3_K Q4_0 Q4_1 Q4_K Q5_0 Q5_1 Q5_K Q6_K Q8_0'.split(' ');
const QWEN_TYPES = 'F16 Q4_0 Q4_K Q8_0'.split(' ');
const NAMES = [
  'TinyStories-656K-Q8_0',
  ...LLAMA_TYPES.map((type) => `random-llama-${type}`),
  ...QWEN_TYPES.flatMap((type) => [`random-qwen2-${type}`, `random-qwen3-${type}`]),
];

/** One of each architecture and way of packing: on a software adapter every model compiles its kernels for seconds. All with PIXEL_FULL=1. */
const ON_GPU =
  process.env.PIXEL_FULL === '1'
    ? NAMES
    : NAMES.filter((name) => /Tiny|llama-(F32|F16|Q4_0|Q4_K|Q6_K)|qwen2-Q8_0|qwen3-Q4_K/.test(name));

const WAYS = [
  { way: 'cpu with threads', names: NAMES, isIsolated: true, load: { device: 'cpu', threads: 2 } },
  { way: 'cpu without shared memory', names: NAMES, isIsolated: false, load: { device: 'cpu' } },
  // A test for each: what a software adapter compiles takes as long as the machine likes.
  ...ON_GPU.map((name) => ({
    way: `gpu on SwiftShader (${name})`,
    names: [name],
    isIsolated: false,
    load: { device: 'gpu', gpuAdapter: 'swiftshader' } as const,
  })),
] as const;

for (const { way, names, isIsolated, load } of WAYS) {
  browserTest(
    `In a page, ${way}, golden models write the exact greedy text, by the rules`,
    async ({ server, openPage }) => {
      const page = await openPage({ isIsolated });
      let compared = 0;
      for (const name of names) {
        server.files.set('/model.gguf', readFileSync(golden(`models/${name}.gguf`)));
        const model: GoldenModel = JSON.parse(readFileSync(golden(`models/${name}.json`), 'utf8'));
        const steps = model.exact_greedy_token_and_margin_in_nats;
        const margin = load.device === 'gpu' || /F32|F16/.test(name) ? 0.02 : 0.1;
        const near = steps.findIndex(([, distance]) => distance < margin);
        const exact = steps.slice(0, near < 0 ? steps.length : near).map(([token]) => token);
        const found = await inPage(
          page,
          async (pixel, { prompt, maxTokens, load }) => {
            await using loaded = await pixel.loadModel('model.gguf', { ...load, contextLength: 128, keep: false });
            const options = { maxTokens, temperature: 0 };
            const { tokens } = await loaded.createSession().generate(prompt, options).complete();
            return { device: loaded.device, tokens };
          },
          { prompt: model.prompt, maxTokens: Math.max(1, exact.length), load },
        );
        assert.equal(found.device, load.device);
        assert.ok(found.tokens.length > 0);
        // A text that ends where the exact one does not shows in its last token.
        assert.deepEqual(found.tokens.slice(0, exact.length), exact.slice(0, found.tokens.length), name);
        compared += Math.min(exact.length, found.tokens.length);
      }
      if (names.length > 1) assert.ok(compared > 60, `${compared} tokens were compared`);
    },
    existsSync(golden('models')) ? undefined : '../shared/goldens is not here',
  );
}
