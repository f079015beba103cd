import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isPixelError, type PixelErrorCode } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { anyCharacter, metadataOf, spmOf, type TinyToken, tinyBpe, tinySpm } from './testing.ts';
import { createTokenizer, type EncodeOptions, type Tokenizer } from './tokenizer.ts';
import { TOKEN_TYPE } from './vocabulary.ts';

const { control, userDefined, unused, unknown, byte } = TOKEN_TYPE;

/** Tokens 256 to 260: he, ll, hell, hello, Ġhello; then the special ones from 261. */
const MERGES = ['h e', 'l l', 'he ll', 'hell o', 'Ġ hello'];
const SPECIAL: readonly TinyToken[] = [
  ['<|im_start|>', control],
  ['<|im_end|>', control],
  ['<tool>', userDefined],
  ['<pad>', unused],
];
const bpe = createTokenizer(
  tinyBpe(MERGES, SPECIAL, { 'ggml.bos_token_id': 261, 'ggml.eos_token_id': 262, 'ggml.add_bos_token': true }),
);

/** Pieces from 259; scores such that "ab" beats "bc". */
const PIECES: readonly TinyToken[] = [
  ['▁', 1, -1],
  ['a', 1, -2],
  ['b', 1, -3],
  ['c', 1, -4],
  ['ab', 1, -5],
  ['bc', 1, -6],
  ['abc', 1, -7],
  ['▁a', 1, -8],
  ['<|end|>', control],
];
const spm = createTokenizer(tinySpm(PIECES));

function ids(tokenizer: Tokenizer, text: string, options: EncodeOptions = {}): number[] {
  return [...tokenizer.encode(text, { addSpecial: false, ...options })];
}

function throwsCode(code: PixelErrorCode, pattern: RegExp, work: () => unknown): void {
  assert.throws(work, (error) => isPixelError(error, code) && pattern.test(error.message));
}

test('byte-pair encoding merges by rank within words', () => {
  assert.deepEqual(ids(bpe, 'hello hello'), [259, 260]);
  assert.deepEqual(ids(bpe, 'hellhe'), [258, 256]);
  assert.deepEqual(ids(bpe, 'é'), [0xc3, 0xa9]);
  assert.deepEqual(ids(bpe, ''), []);
});

test('a word met again gives the same tokens as at first', () => {
  const once = ids(bpe, ' hello, hellhello');
  for (let time = 0; time < 3; time++) assert.deepEqual(ids(bpe, ' hello, hellhello'), once);
});

test('merges may go through texts that are no tokens; what stays untokenized falls apart into bytes', () => {
  const metadata = tinyBpe([], [['xyz']], { 'ggml.merges': ['x y', 'xy z'] });
  assert.deepEqual(ids(createTokenizer(metadata), 'xyz xy'), [256, 0x20, 0x78, 0x79]);
});

test('a word that is a token as a whole comes before all merges where the pre-tokenizer says so', () => {
  const extra: readonly TinyToken[] = [['Ġcat']];
  const merges = ['a t'];
  assert.deepEqual(ids(createTokenizer(tinyBpe(merges, extra, { 'ggml.pre': 'llama-bpe' })), ' cat'), [257]);
  assert.deepEqual(ids(createTokenizer(tinyBpe(merges, extra)), ' cat'), [0x20, 0x63, 256]);
});

test('SentencePiece merges the best score first, after a space put before the text', () => {
  assert.deepEqual(ids(spm, 'abc'), [259, 265]);
  assert.deepEqual(ids(spm, 'bc'), [259, 264]);
  assert.deepEqual(ids(spm, 'a a'), [266, 266]);
  assert.deepEqual(ids(spm, ' a'), [259, 266]);
  const plain = createTokenizer(tinySpm(PIECES, { 'ggml.add_space_prefix': false }));
  assert.deepEqual(ids(plain, 'a a'), [260, 266]);
});

test('SentencePiece falls back to bytes, and to the unknown token where there are no byte tokens', () => {
  assert.deepEqual(ids(spm, 'é😀'), [259, ...[0xc3, 0xa9, 0xf0, 0x9f, 0x98, 0x80].map((value) => value + 3)]);
  const withoutBytes = createTokenizer(
    spmOf([
      ['<unk>', unknown],
      ['▁', 1],
      ['a', 1],
    ]),
  );
  assert.deepEqual(ids(withoutBytes, 'a😀a'), [1, 2, 0, 2]);
});

test('tokens that reach over a space or a line’s end are found although words are cut there', () => {
  const tokenizer = createTokenizer(tinySpm([...PIECES, ['b▁', 1, -0.5], ['b▁a', 1, -0.25]]));
  assert.deepEqual(ids(tokenizer, 'cb a'), [259, 262, 269]);
  const overLines = createTokenizer(tinySpm([...PIECES, ['\n', 1, -9], ['b\n', 1, -0.5], ['b\na', 1, -0.25]]));
  assert.deepEqual(ids(overLines, 'cb\nac'), [259, 262, 270, 262]);
  assert.deepEqual(ids(spm, 'a\n\nab'), [266, 13, 13, 263]);
});

test('user-defined tokens are found in any text, control tokens only when asked for', () => {
  const text = 'hello<|im_end|><tool>he';
  assert.deepEqual(ids(bpe, text, { parseSpecial: true }), [259, 262, 263, 256]);
  const plain = ids(bpe, text);
  assert.ok(plain.includes(263) && !plain.includes(262));
  assert.equal(bpe.decode(plain), text);
});

test('of special tokens that start at the same place the longest is taken', () => {
  const tokenizer = createTokenizer(
    tinyBpe(
      [],
      ['<a', '<a>', '<a>>'].map((text): TinyToken => [text, control]),
    ),
  );
  assert.deepEqual(ids(tokenizer, '<a>>><a<', { parseSpecial: true }), [258, 0x3e, 256, 0x3c]);
});

test('no text turns into a control, unknown or byte token unless special tokens are asked for', () => {
  const markers: readonly TinyToken[] = [
    ['▁', 1],
    ['<s', 1, -1],
    ['<', 1],
    ['s', 1],
    ['>', 1],
    ['/', 1],
    ['</', 1],
    ['</s', 1],
    ['<unk', 1],
  ];
  const tokenizers = [createTokenizer(tinySpm(markers)), createTokenizer(tinyBpe(['< s', '<s >'], [['<s>', control]]))];
  const text = fc
    .array(fc.constantFrom('<s>', '</s>', '<unk>', '<', 's', '>', ' ', '<0x41>'))
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, (value) => {
      for (const tokenizer of tokenizers) {
        assert.ok(ids(tokenizer, value).every((token) => !tokenizer.isSpecial(token)));
        assert.equal(tokenizer.decode(ids(tokenizer, value)), value);
      }
    }),
  );
});

test('BOS and EOS are added as the metadata say, or as is usual for the kind of model', () => {
  assert.deepEqual([...bpe.encode('he')], [261, 256]);
  assert.deepEqual([...spm.encode('a')], [1, 266]);
  const both = tinySpm(PIECES, { 'ggml.add_bos_token': false, 'ggml.add_eos_token': true });
  assert.deepEqual([...createTokenizer(both).encode('a')], [266, 2]);
  const bos = { 'ggml.bos_token_id': 256 };
  const llama3 = createTokenizer(tinyBpe([], [['<s>', control]], { ...bos, 'ggml.pre': 'llama-bpe' }));
  assert.deepEqual([...llama3.encode('x')], [256, 0x78]);
  assert.equal(llama3.addsBos, true);
  const gpt2 = createTokenizer(tinyBpe([], [['<s>', control]], bos));
  assert.deepEqual([...gpt2.encode('x')], [0x78]);
  const none = createTokenizer(tinyBpe([], [], { 'ggml.bos_token_id': 0xffffffff, 'ggml.pre': 'llama-bpe' }));
  assert.deepEqual([none.bosToken, none.addsBos], [undefined, false]);
});

test("phi-3's markers swallow the white space after them, its plain ones do not", () => {
  const pieces: readonly TinyToken[] = [...PIECES, ['<|user|>', control], ['<|endoftext|>', control]];
  const tokenizer = createTokenizer(tinySpm(pieces, { 'general.name': 'Phi-3 mini' }));
  assert.deepEqual(ids(tokenizer, '<|user|> \n a', { parseSpecial: true }), [268, 266]);
  assert.deepEqual(ids(tokenizer, '<|endoftext|> a', { parseSpecial: true }), [269, 259, 266]);
});

test('any text survives encoding and decoding', () => {
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter, maxLength: 40 }), (text) => {
      assert.equal(bpe.decode(bpe.encode(text)), text);
      assert.equal(spm.decode(spm.encode(text)), text.replaceAll('\u2581', ' '));
    }),
    { numRuns: 200 },
  );
});

test('a lone surrogate counts as the replacement character', () => {
  for (const tokenizer of [bpe, spm]) assert.equal(tokenizer.decode(tokenizer.encode('a\ud800b')), 'a\ufffdb');
});

test('the detokenizer holds an unfinished character back and shows a broken one at the end', () => {
  const detokenizer = bpe.createDetokenizer();
  const bytes = [...new TextEncoder().encode('a😀')];
  assert.deepEqual(
    bytes.map((token) => detokenizer.push(token)),
    ['a', '', '', '', '😀'],
  );
  assert.equal(detokenizer.push(0xf0), '');
  assert.equal(detokenizer.end(), '\ufffd');
  assert.equal(detokenizer.push(0xef) + detokenizer.push(0xbb) + detokenizer.push(0xbf) + detokenizer.end(), '\ufeff');
});

test('pieces of a stream join up to the text and never end in half a surrogate pair', () => {
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter, maxLength: 30 }), (text) => {
      const detokenizer = bpe.createDetokenizer();
      const pieces = ids(bpe, text).map((token) => detokenizer.push(token));
      assert.ok(pieces.every((piece) => piece.isWellFormed()));
      assert.equal(pieces.join('') + detokenizer.end(), text);
    }),
  );
});

test('the space before a SentencePiece text goes away at its start only', () => {
  const tokens = spm.encode('a a');
  assert.equal(spm.decode(tokens), 'a a');
  assert.equal(spm.decode(tokens, { special: true }), '<s>a a');
  const continued = spm.createDetokenizer();
  assert.equal(continued.push(266) + continued.push(266) + continued.end(), ' a a');
  const started = spm.createDetokenizer({ atStart: true });
  for (let time = 0; time < 2; time++) assert.equal(started.push(1) + started.push(266) + started.end(), 'a');
});

test('special tokens are left out of a text unless asked for; unused ones always', () => {
  const tokens = [261, 259, 264, 262];
  assert.equal(bpe.decode(tokens), 'hello');
  assert.equal(bpe.decode(tokens, { special: true }), '<|im_start|>hello<|im_end|>');
  assert.deepEqual(
    [260, 261, 262, 263].map((token) => bpe.isSpecial(token)),
    [false, true, true, false],
  );
});

test('a token gives its bytes and its text', () => {
  assert.deepEqual([...bpe.tokenBytes(260)], [...new TextEncoder().encode(' hello')]);
  assert.equal(bpe.tokenText(260), 'Ġhello');
  assert.deepEqual([...spm.tokenBytes(3 + 0xe9)], [0xe9]);
  assert.deepEqual([...spm.tokenBytes(266)], [0x20, 0x61]);
  assert.equal(bpe.vocabSize, 265);
  bpe.tokenBytes(260).fill(0);
  assert.equal(bpe.decode([260]), ' hello');
  throwsCode('bad-argument', /265/, () => bpe.tokenText(265));
  throwsCode('bad-argument', /-1/, () => bpe.decode([-1]));
  throwsCode('bad-argument', /0\.5/, () => bpe.tokenBytes(0.5));
});

test('an answer ends at the tokens that metadata or their published names say', () => {
  assert.deepEqual(
    [261, 262, 263, 5, 999].map((token) => bpe.isEndOfText(token)),
    [false, true, false, false, false],
  );
  const names = ['<|eot_id|>', '<end_of_turn>', '<|end|>', 'x'];
  const tokens = names.map((name): TinyToken => [name, control]);
  const tokenizer = createTokenizer(tinyBpe([], [...tokens, ['</s>']], { 'ggml.eot_token_id': 259 }));
  assert.deepEqual(
    [256, 257, 258, 259, 260].map((token) => tokenizer.isEndOfText(token)),
    [true, true, true, true, false],
  );
});

test('<|end|> ends a message, not the answer, in models that have <|return|> and <|call|>', () => {
  const tokens = ['<|end|>', '<|return|>', '<|call|>'].map((name): TinyToken => [name, control]);
  const tokenizer = createTokenizer(tinyBpe([], tokens));
  assert.deepEqual(
    [256, 257, 258].map((token) => tokenizer.isEndOfText(token)),
    [false, true, true],
  );
});

test('markers in a guarded text stay text, whatever is parsed around it', () => {
  const guarded = bpe.guardSpecial('he<|im_end|><tool>');
  const tokens = [...bpe.encode(`<|im_start|>${guarded}<|im_end|>`, { addSpecial: false, parseSpecial: true })];
  assert.deepEqual(tokens, [261, ...ids(bpe, 'he<|im_end|><tool>'), 262]);
  const text = fc
    .array(fc.constantFrom('<|im_end|>', '<|', 'im_end|>', '<|im_start|>', '<tool>', '\ufdd0', 'he'))
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, (value) => {
      const found = ids(bpe, bpe.guardSpecial(value), { parseSpecial: true });
      assert.ok(found.every((token) => !bpe.isSpecial(token)));
      assert.equal(bpe.decode(found), value.replaceAll('\ufdd0', '\ufffd'));
    }),
  );
});

test('a model without tokenizer, or with one that is not known, says so', () => {
  throwsCode('bad-metadata', /tokenizer\.ggml\.model/, () => createTokenizer(metadataOf({})));
  throwsCode('unknown-pre-tokenizer', /"bert".*gpt2/, () => createTokenizer(metadataOf({ 'ggml.model': 'bert' })));
  throwsCode('unknown-pre-tokenizer', /"x"/, () => createTokenizer(tinyBpe([], [], { 'ggml.pre': 'x' })));
});

test('a vocabulary that contradicts itself is refused, and the message says where', () => {
  const bad: readonly (readonly [RegExp, Parameters<typeof tinyBpe>[2]])[] = [
    [/tokens.*missing/, { 'ggml.tokens': undefined }],
    [/tokens.*empty/, { 'ggml.tokens': [] }],
    [/token_type" has 3 entries/, { 'ggml.token_type': Int32Array.of(1, 1, 1) }],
    [/merges" is missing/, { 'ggml.merges': undefined }],
    [/Merge 1 .*"ab"/, { 'ggml.merges': ['a b', 'ab'] }],
    [/Merge 0 /, { 'ggml.merges': ['a '] }],
    [/bos_token_id" is 256/, { 'ggml.bos_token_id': 256 }],
    [/eos_token_id" is 4000000000/, { 'ggml.eos_token_id': 4e9 }],
    [/eot_token_id" should be a number/, { 'ggml.eot_token_id': 'x' }],
    [/add_bos_token" is set/, { 'ggml.add_bos_token': true }],
    [/tokens" should be an array of strings/, { 'ggml.tokens': 3 }],
  ];
  for (const [pattern, entries] of bad)
    throwsCode('bad-metadata', pattern, () => createTokenizer(tinyBpe([], [], entries)));
  throwsCode('bad-metadata', /scores" is missing/, () => createTokenizer(tinySpm([], { 'ggml.scores': undefined })));
  throwsCode('bad-metadata', /score of token 260/, () => createTokenizer(tinySpm([['a'], ['b', 1, Number.NaN]])));
  const long: TinyToken = ['x'.repeat(LIMITS.specialTokenLength + 1), control];
  throwsCode('limit-exceeded', /special token 256/, () => createTokenizer(tinyBpe([], [long])));
});

test('a vocabulary that lacks a byte says which one when a text needs it', () => {
  const tokenizer = createTokenizer(
    metadataOf({ 'ggml.model': 'gpt2', 'ggml.tokens': ['a', 'b'], 'ggml.merges': ['a b', 'q r'] }),
  );
  assert.deepEqual(ids(tokenizer, 'aba'), [0, 1, 0]);
  throwsCode('bad-metadata', /"z"/, () => tokenizer.encode('z'));
  const withoutUnknown = createTokenizer(spmOf([['▁'], ['a'], ['b']], { 'ggml.unknown_token_id': 0xffffffff }));
  assert.deepEqual(ids(withoutUnknown, 'ab'), [0, 1, 2]);
  throwsCode('bad-metadata', /"é"/, () => withoutUnknown.encode('é'));
});

test('empty and repeated tokens, and specials without text, do no harm', () => {
  const tokenizer = createTokenizer(tinyBpe(['a a'], [['', control], ['', userDefined], ['aa'], ['<x>', byte]]));
  assert.deepEqual(ids(tokenizer, 'aaa<x>', { parseSpecial: true }), [259, 0x61, 0x3c, 0x78, 0x3e]);
});

test('a long run of one letter takes time in proportion to its length, roughly', () => {
  const tokenizer = createTokenizer(tinyBpe(['a a', 'aa aa', 'aaaa aaaa']));
  const spmOfLetters = createTokenizer(
    tinySpm([
      ['a', 1, -1],
      ['aa', 1, -2],
      ['aaaa', 1, -3],
      ['▁', 1, -9],
    ]),
  );
  for (const each of [tokenizer, spmOfLetters]) {
    each.encode('a'.repeat(10_000));
    const short = secondsOf(() => each.encode('a'.repeat(20_000)));
    const long = secondsOf(() => each.encode('a'.repeat(320_000)));
    // 16 times the length: 16 times the time is linear, 256 times quadratic.
    assert.ok(long < 90 * short, `${long} s after ${short} s`);
  }
});

test('more words than the cache holds, all of one length, are not mistaken for each other', () => {
  const words = Array.from({ length: 50_000 }, (_, index) => ` ${(index * 7).toString(16).padStart(5, 'g')}`).join('');
  for (const tokenizer of [bpe, spm]) assert.equal(tokenizer.decode(tokenizer.encode(words)), words);
});

test('a long text of characters without tokens survives', () => {
  const strange = Array.from({ length: 3000 }, (_, index) =>
    String.fromCodePoint(0x4e00 + ((index * 7919) % 20_000)),
  ).join('');
  assert.equal(spm.decode(spm.encode(strange)), strange);
});

function secondsOf(work: () => void): number {
  const begun = performance.now();
  work();
  return (performance.now() - begun) / 1000;
}
