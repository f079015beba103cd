import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SamplingSettings } from '../backends/types.ts';
import { tinyBpe } from '../tokenizer/testing.ts';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import { type GenerateOptions, Generation, type GenerationResult } from './generation.ts';
import type { Sequence } from './sequence.ts';

/** Tokens 0 to 255 are the bytes. */
const tokenizer = createTokenizer(tinyBpe([]));

interface Written {
  readonly result: GenerationResult;
  readonly pieces: readonly string[];
  /** The settings of each step; undefined where nothing was sampled. */
  readonly settings: readonly (SamplingSettings | undefined)[];
}

/** What a generation makes of a model that says these tokens, whatever it is asked. */
async function write(said: readonly number[], options: GenerateOptions = {}): Promise<Written> {
  const settings: (SamplingSettings | undefined)[] = [];
  let next = 0;
  const sequence = {
    runAhead: () => undefined,
    tokens: [],
    claim: () => ({ [Symbol.dispose]: () => {} }),
    keep: () => 0,
    append: async (_tokens: readonly number[], { sampling }: { sampling?: SamplingSettings }) => {
      settings.push(sampling);
      return sampling && { token: said[next++] ?? assert.fail('more tokens were asked for'), logprob: -1, top: [] };
    },
  };
  const context = { tokenizer, vocab: 300, contextLength: 100, chunkTokens: 2 };
  const prompt = [65, 66, 67];
  const generation = new Generation({ ...context, sequence: sequence as unknown as Sequence }, prompt, {
    maxTokens: said.length,
    ...options,
  });
  const pieces: string[] = [];
  for await (const { text } of generation) pieces.push(text);
  return { result: generation.result ?? assert.fail('it has no result'), pieces, settings };
}

const bytesOf = (text: string): number[] => [...new TextEncoder().encode(text)];

describe('The text of a generation', () => {
  test('shows a character when it is whole, and at the end that one is not', async () => {
    assert.deepEqual((await write(bytesOf('a€b'))).pieces, ['a', '', '', '€', 'b']);
    assert.deepEqual((await write(bytesOf('a€').slice(0, -1))).pieces, ['a', '', '\ufffd']);
  });

  test('ends before a stop string whose characters come in several tokens', async () => {
    const { result, pieces } = await write(bytesOf('ab€cd'), { stop: 'b€c' });
    assert.deepEqual([result.text, result.finishReason, result.stopString], ['a', 'stop', 'b€c']);
    assert.deepEqual(pieces, ['a', '', '', '', '', '']);
  });

  test('gives what waited for a stop string when the string never comes', async () => {
    const { result, pieces } = await write(bytesOf('xab'), { stop: 'abc' });
    assert.deepEqual([result.text, result.finishReason, pieces], ['xab', 'length', ['x', '', 'ab']]);
  });

  test('has nothing of tokens beyond the vocabulary', async () => {
    const { result } = await write([97, 280, 98]);
    assert.deepEqual([result.text, result.tokens], ['ab', [97, 280, 98]]);
  });
});

test('each token is sampled at its own position, and only after the whole prompt', async () => {
  const { settings } = await write(bytesOf('abcdef'));
  assert.deepEqual(
    settings.map((step) => step?.position),
    [undefined, 3, 4, 5, 6, 7, 8],
  );
});

test('no token is sampled when none is wanted', async () => {
  const { settings, result } = await write([], { maxTokens: 0 });
  assert.deepEqual(settings, [undefined, undefined]);
  assert.deepEqual([result.finishReason, result.text, result.tokens], ['length', '', []]);
});
