import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSampler } from './sampling-options.ts';

const VOCAB = 50;

test('penalties look at the last tokens of the window, and at none when all of them are off', () => {
  const context = [1, 2, 3, 4, 5];
  const recent = (options: Parameters<typeof createSampler>[0]) => [
    ...createSampler(options, VOCAB).settingsAfter(context).recentTokens,
  ];
  assert.deepEqual(recent({ repeatPenalty: 1.1, repeatWindow: 3 }), [3, 4, 5]);
  assert.deepEqual(recent({ frequencyPenalty: 1 }), context);
  assert.deepEqual(recent({ presencePenalty: 1, repeatWindow: 0 }), []);
  assert.deepEqual(recent({ repeatWindow: 3 }), []);
});

test('the position of the random number is that of the token to come, and the seed stays', () => {
  const sampler = createSampler({ seed: 9 }, VOCAB);
  assert.deepEqual(
    [[], [7], [7, 8]].map((context) => sampler.settingsAfter(context)).map(({ seed, position }) => [seed, position]),
    [
      [9, 0],
      [9, 1],
      [9, 2],
    ],
  );
});

test('biases of the same token add up, and no more likeliest tokens are asked for than there are', () => {
  const bias = [
    [3, 1],
    [4, -Infinity],
    [3, 0.5],
  ] as const;
  const settings = createSampler({ logitBias: bias, logprobs: 200 }, VOCAB).settingsAfter([]);
  assert.deepEqual(settings.bias, [
    [3, 1.5],
    [4, -Infinity],
  ]);
  assert.equal(settings.topLogprobs, VOCAB);
});
