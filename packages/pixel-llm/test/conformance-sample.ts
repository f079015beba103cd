/** Conformance cases of sampling: rows of logits, many of them tied, each with settings of its own. */
import type { Batch, SamplingSettings } from '../src/backends/types.ts';
import { type ConformanceCase, flatInputs, oneOpProgram, randomRows } from './conformance-case.ts';
import { naiveSample } from './conformance-naive.ts';
import { type Random, seeded } from './conformance-weights.ts';

const ROWS = 33;

export function sampleCases(): ConformanceCase[] {
  return [1, 3, 31, 33, 257, 1000].map((vocab, i) => {
    const random = seeded(700 + i);
    // Steps of 1/8 make ties, where the lowest id has to win.
    const logits = randomRows(ROWS, vocab, random, 5).map((row) => row.map((value) => Math.round(8 * value) / 8));
    const sampling = logits.map(() => randomSettings(vocab, random));
    const batch: Batch = {
      sequences: new Int32Array(ROWS),
      positions: Int32Array.from(logits.keys()),
      pages: [[]],
      outputEntries: Int32Array.from(logits.keys()),
      sampling,
      inputs: flatInputs({ logits }),
    };
    return {
      title: `sample from ${vocab} tokens`,
      op: 'sample' as const,
      program: oneOpProgram({
        title: '',
        op: { op: 'sample', in: ['logits'], weights: [], out: 'out', attributes: {} },
        inputs: { logits },
        outShape: ['outputs'],
        leading: 'outputs',
        vocab,
      }),
      weights: [],
      steps: [{ batch, expected: logits.map((row, entry) => naiveSample(row, sampling[entry]!)) }],
    };
  });
}

function randomSettings(vocab: number, random: Random): SamplingSettings {
  const oneOf = <Item>(...items: Item[]): Item => items[Math.floor(random() * items.length)]!;
  const token = (): number => Math.floor(random() * vocab);
  return {
    temperature: oneOf(0, 0.3, 1, 2, 5),
    topK: oneOf(0, 0, 1, 5, 40, 500),
    topP: oneOf(1, 1, 0.95, 0.5, 0),
    minP: oneOf(0, 0, 0.01, 0.2),
    repeatPenalty: oneOf(1, 1, 1.3, 4),
    frequencyPenalty: oneOf(0, 0.7),
    presencePenalty: oneOf(0, 0.5, -0.5),
    recentTokens: Int32Array.from({ length: oneOf(0, 3, 200) }, token),
    bias: Array.from(
      { length: vocab > 1 ? oneOf(0, 4) : 0 },
      (_, i) => [token(), i === 0 ? -Infinity : oneOf(-3, 6)] as const,
    ),
    wholeVocabulary: oneOf(true, false),
    seed: oneOf(0, 7, 2 ** 31 + 5, 2 ** 52 + 3),
    position: Math.floor(random() * 1000),
    topLogprobs: 0,
  };
}
