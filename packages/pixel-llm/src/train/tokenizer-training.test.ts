import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPixelError } from '../core/errors.ts';
import { metadataStrings } from '../gguf/head.ts';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import { trainTokenizer } from './tokenizer-training.ts';

const TEXTS = ['the cat sat on the mat', 'the cat and the hat', 'a mat, a hat: the cat. naïve 猫'];

test('the most frequent pairs become tokens, in order', async () => {
  const metadata = await trainTokenizer(['aaab aaab aac', 'xy'], { vocabulary: 260 });
  // "a a" stands five times; then "a b", "aa a" and " aa" twice each, of which "a b" comes first.
  assert.deepEqual(metadataStrings(metadata, 'tokenizer.ggml.merges'), ['a a', 'a b', 'aa ab']);
});

test('a trained tokenizer gives every text back, also one it has never seen', async () => {
  const tokenizer = createTokenizer(await trainTokenizer(TEXTS, { vocabulary: 300 }));
  for (const text of [...TEXTS, 'Ωmega → <|end|> \n\t 12.5', '']) {
    assert.equal(tokenizer.decode(tokenizer.encode(text, { addSpecial: false })), text);
  }
});

test('frequent words are one token each', async () => {
  const tokenizer = createTokenizer(await trainTokenizer(TEXTS, { vocabulary: 300 }));
  const tokens = tokenizer.encode('a cat the mat', { addSpecial: false });
  assert.deepEqual(
    Array.from(tokens, (token) => tokenizer.decode([token])),
    ['a', ' cat', ' the', ' mat'],
  );
});

test('a corpus without repeated pairs gives a smaller vocabulary', async () => {
  const metadata = await trainTokenizer(['abc'], { vocabulary: 1000, specialTokens: ['<|end|>', '<|user|>'] });
  assert.equal(createTokenizer(metadata).vocabSize, 258);
});

test('a vocabulary too small for all bytes is refused', async () => {
  await assert.rejects(trainTokenizer(TEXTS, { vocabulary: 256 }), (error) => isPixelError(error, 'bad-argument'));
});
