import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isPixelError } from '../core/errors.ts';
import { preTokenizerOf } from './pre-tokenizers.ts';
import { anyCharacter } from './testing.ts';
import { splitWords } from './word-splitter.ts';

function words(name: string, text: string): string[] {
  const found: string[] = [];
  splitWords(text, preTokenizerOf(name).patterns, (whole, start, end) => found.push(whole.slice(start, end)));
  return found;
}

const KNOWN = ['gpt-2', 'llama-bpe', 'qwen2', 'deepseek-coder', 'falcon', 'smollm', 'default'];

/** What each pattern says of the same text, worked out by hand. */
const TEXT = "I'LL say 'tis 12345 (ok)\n\n  x=y";
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  'gpt-2': ['I', "'", 'LL', ' say', " '", 'tis', ' 12345', ' (', 'ok', ')', '\n\n ', ' x', '=', 'y'],
  'llama-bpe': ['I', "'LL", ' say', " '", 'tis', ' ', '123', '45', ' (', 'ok', ')\n\n', ' ', ' x', '=y'],
  qwen2: ['I', "'LL", ' say', " '", 'tis', ' ', '1', '2', '3', '4', '5', ' (', 'ok', ')\n\n', ' ', ' x', '=y'],
  'deepseek-coder': [
    ...['I', "'", 'LL', ' say', " '", 'tis', ' ', '1', '2', '3', '4', '5'],
    ...[' (', 'ok', ')', '\n', '\n', ' ', ' x', '=', 'y'],
  ],
  falcon: ['I', "'", 'LL', ' say', ' ', "'", 'tis', ' ', '123', '45', ' ', '(', 'ok', ')', '\n\n ', ' x', '=', 'y'],
  smollm: [
    ...['I', "'", 'LL', ' say', " '", 'tis', ' ', '1', '2', '3', '4', '5'],
    ...[' (', 'ok', ')', '\n\n ', ' x', '=', 'y'],
  ],
  default: [
    ...['I', "'", 'LL', ' say', ' ', "'", 'tis', ' ', '123', '45'],
    ...[' ', '(', 'ok', ')', '\n\n ', ' x', '=', 'y'],
  ],
};

for (const name of KNOWN) {
  test(`${name} cuts a text with contractions, digits and white space as published`, () => {
    assert.deepEqual(words(name, TEXT), EXPECTED[name]);
  });
}

test('lower-case contractions are words of their own, and only with the straight apostrophe', () => {
  assert.deepEqual(words('gpt-2', "we've it's he’s"), ['we', "'ve", ' it', "'s", ' he', '’', 's']);
});

test('white space is what Unicode says, not what JavaScript says: U+0085 is, U+FEFF is not', () => {
  assert.deepEqual(words('gpt-2', 'a\u0085\u0085b'), ['a', '\u0085', '\u0085', 'b']);
  assert.deepEqual(words('gpt-2', 'a\ufeff!b'), ['a', '\ufeff!', 'b']);
});

test('letters and digits outside the basic plane are letters and digits', () => {
  assert.deepEqual(words('qwen2', '𝒳𝒴 𝟙𝟚'), ['𝒳𝒴', ' ', '𝟙', '𝟚']);
});

test('the words of every pre-tokenizer join up to the text again', () => {
  for (const name of KNOWN) {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter, maxLength: 60 }), (text) => {
        assert.equal(words(name, text).join(''), text);
      }),
      { numRuns: 200 },
    );
  }
});

test('other published names of the same patterns are known', () => {
  for (const [alias, name] of [
    ['llama3', 'llama-bpe'],
    ['llama-v3', 'llama-bpe'],
    ['gpt2', 'gpt-2'],
    ['phi-2', 'gpt-2'],
    ['deepseek-r1-qwen', 'qwen2'],
    ['starcoder', 'smollm'],
  ] as const) {
    assert.deepEqual(words(alias, TEXT), EXPECTED[name], alias);
  }
  assert.deepEqual(preTokenizerOf().patterns, preTokenizerOf('default').patterns);
});

test('an unknown pre-tokenizer is named, and the known ones are listed', () => {
  assert.throws(
    () => preTokenizerOf('klingon'),
    (error) =>
      isPixelError(error, 'unknown-pre-tokenizer') &&
      error.message.includes('"klingon"') &&
      KNOWN.every((name) => error.message.includes(name)),
  );
});

test('a run too long for the regular expression engine is a typed error', () => {
  const overflow = { sticky: true, lastIndex: 0, test: () => tooDeep() } as unknown as RegExp;
  assert.throws(
    () => splitWords('text', [overflow], () => {}),
    (error) => isPixelError(error, 'limit-exceeded'),
  );
});

function tooDeep(): never {
  throw new RangeError('Maximum call stack size exceeded');
}
