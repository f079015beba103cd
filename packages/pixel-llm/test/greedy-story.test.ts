/**
 * The greedy story of a trained model, as the engine writes it on every device: the exact one, token by token. A step whose two likeliest tokens are
 * nearer to each other than the rule for the device's activations (goldens/README.md) may go either way; the story goes on behind it from the exact token.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import type { DeviceName } from '../src/backends/types.ts';
import { testDevice, useDriver } from '../src/backends/webgpu/testing.ts';
import { loadModel } from '../src/engine/node.ts';
import { golden, goldenTest } from './goldens.ts';

useDriver('swiftshader');

const NAME = 'TinyStories-656K-Q8_0';

interface GoldenModel {
  readonly prompt: readonly number[];
  readonly exact_greedy_token_and_margin_in_nats: readonly (readonly [token: number, margin: number])[];
}

/** Nats: for sums in doubles, for activations in 8 bits, and in f32. */
const LEAST_MARGINS: readonly (readonly [DeviceName, number])[] = [
  ['reference', 0.002],
  ['cpu', 0.1],
  ['gpu', 0.02],
];

/** A software driver compiles for half a minute; by default gpu-golden-models.ts compares the same steps there, one by one. */
const compared = LEAST_MARGINS.filter(([device]) => device !== 'gpu' || process.env.PIXEL_FULL === '1');

for (const [device, leastMargin] of compared) {
  goldenTest(`the greedy story of ${NAME} on ${device} is the exact one`, async (context: TestContext) => {
    if (device === 'gpu' && !(await testDevice(context))) return;
    const story: GoldenModel = JSON.parse(readFileSync(golden(`models/${NAME}.json`), 'utf8'));
    const steps = story.exact_greedy_token_and_margin_in_nats;
    const exact = steps.map(([token]) => token);
    const nearTies = steps.flatMap(([, margin], step) => (margin < leastMargin ? [step] : []));
    await using model = await loadModel(golden(`models/${NAME}.gguf`), { device, gpuAdapter: 'swiftshader' });
    assert.equal(model.device, device);
    using session = model.createSession();
    let same = 0;
    for (const [i, end] of [...nearTies, steps.length].entries()) {
      const start = i === 0 ? 0 : (nearTies[i - 1] ?? 0) + 1;
      if (start === end) continue;
      const settings = { maxTokens: end - start, temperature: 0, ignoreEndOfText: true };
      const written = await session.generate([...story.prompt, ...exact.slice(0, start)], settings).complete();
      assert.deepEqual(written.tokens, exact.slice(start, end), `steps ${start} to ${end}`);
      same += written.tokens.length;
    }
    assert.ok(same >= 40, `${same} of ${steps.length} steps were compared`);
  });
}
