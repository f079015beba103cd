/**
 * A working byte-level vocabulary for made models: the 256 bytes, so that every text has tokens; pairs and quadruples of letters,
 * likelier ones first, each with the merge that makes it; and the special tokens where the real model has them.
 * The letters that stand for bytes are GPT-2's (bytes_to_unicode).
 */
import type { MetadataValue } from '../../gguf/head.ts';
import type { ModelShape } from './shapes.ts';

/** Token types of a GGUF vocabulary. */
const NORMAL = 1;
const CONTROL = 3;
const UNUSED = 5;

interface SpecialTokens {
  /** Id of the first one; they follow each other. */
  readonly first: (vocabulary: number) => number;
  readonly names: readonly string[];
  readonly bos: string;
  readonly eos: string;
  readonly addBos: boolean;
  readonly template: string;
}

const CHAT_ML =
  "{%- for turn in messages -%}{{ '<|im_start|>' + turn.role + '\\n' + turn.content + '<|im_end|>\\n' }}{%- endfor -%}" +
  "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}";
const HEADERS =
  '{{- bos_token -}}{%- for turn in messages -%}' +
  "{{ '<|start_header_id|>' + turn.role + '<|end_header_id|>\\n\\n' + turn.content + '<|eot_id|>' }}{%- endfor -%}" +
  "{%- if add_generation_prompt -%}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif -%}";

const SPECIAL_TOKENS: Readonly<Record<ModelShape['vocabularyKind'], SpecialTokens>> = {
  smollm: {
    first: () => 0,
    names: ['<|endoftext|>', '<|im_start|>', '<|im_end|>'],
    bos: '<|im_start|>',
    eos: '<|im_end|>',
    addBos: false,
    template: CHAT_ML,
  },
  qwen2: {
    first: () => 151_643,
    names: ['<|endoftext|>', '<|im_start|>', '<|im_end|>'],
    bos: '<|endoftext|>',
    eos: '<|im_end|>',
    addBos: false,
    template: CHAT_ML,
  },
  'llama-bpe': {
    first: () => 128_000,
    names: [
      '<|begin_of_text|>',
      '<|end_of_text|>',
      ...reserved(0, 2),
      '<|finetune_right_pad_id|>',
      ...reserved(2, 1),
      '<|start_header_id|>',
      '<|end_header_id|>',
      '<|eom_id|>',
      '<|eot_id|>',
      '<|python_tag|>',
      ...reserved(3, 245),
    ],
    bos: '<|begin_of_text|>',
    eos: '<|eot_id|>',
    addBos: true,
    template: HEADERS,
  },
};

/** The tokenizer's metadata, in the order they are written. */
export function vocabularyMetadata(shape: ModelShape): [key: string, value: MetadataValue][] {
  const special = SPECIAL_TOKENS[shape.vocabularyKind];
  const { tokens, types, merges } = buildVocabulary(shape.vocabulary, special);
  const text = (value: string): MetadataValue => ({ type: 'string', value });
  const id = (token: string): MetadataValue => ({ type: 'uint32', value: tokens.indexOf(token) });
  return [
    ['tokenizer.ggml.model', text('gpt2')],
    ['tokenizer.ggml.pre', text(shape.vocabularyKind)],
    ['tokenizer.ggml.tokens', { type: 'array', itemType: 'string', value: tokens }],
    ['tokenizer.ggml.token_type', { type: 'array', itemType: 'int32', value: types }],
    ['tokenizer.ggml.merges', { type: 'array', itemType: 'string', value: merges }],
    ['tokenizer.ggml.bos_token_id', id(special.bos)],
    ['tokenizer.ggml.eos_token_id', id(special.eos)],
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: special.addBos }],
    ['tokenizer.chat_template', text(special.template)],
  ];
}

interface Vocabulary {
  readonly tokens: string[];
  readonly types: Int32Array;
  readonly merges: string[];
}

function buildVocabulary(size: number, special: SpecialTokens): Vocabulary {
  const first = special.first(size);
  const bytes = byteLetters();
  const wanted = Math.max(0, (first > 0 ? first : size - special.names.length) - bytes.length);
  const merges = takeMerges(wanted);
  const ordinary = [...bytes, ...merges.map(([left, right]) => left + right)];
  const tokens = first > 0 ? [...ordinary, ...special.names] : [...special.names, ...ordinary];
  const types = new Int32Array(size).fill(NORMAL);
  for (const name of special.names) types[tokens.indexOf(name)] = CONTROL;
  // Real vocabularies are padded too, to a size that divides well.
  for (let id = tokens.length; id < size; id++) {
    types[id] = UNUSED;
    tokens.push(`[PAD${id}]`);
  }
  return { tokens, types, merges: merges.map(([left, right]) => `${left} ${right}`) };
}

/** The letter that stands for each byte: itself where it can be seen, else one from 256 on. */
function byteLetters(): string[] {
  let hidden = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const visible = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCharCode(visible ? byte : hidden++);
  });
}

/** A space, as a byte letter. */
const SPACE = '\u0120';
/** By how often English has them. */
const LETTERS = 'etaoinshrdlucmfwypvbgkjqxz';

/**
 * The first merges of an endless-enough list: a space with each letter, pairs of letters, a space with each pair, and pairs of
 * pairs with and without a space. Each string arises in one way only, and its halves stand before it.
 */
function takeMerges(count: number): [left: string, right: string][] {
  const pairs = byRank(LETTERS.length, LETTERS.length ** 2).map(
    ([a, b]) => [LETTERS.charAt(a), LETTERS.charAt(b)] as const,
  );
  const merges: [string, string][] = [];
  const add = (left: string, right: string) => {
    if (merges.length < count) merges.push([left, right]);
  };
  for (const [a, b] of pairs.slice(0, 200)) add(a, b);
  for (const letter of LETTERS) add(SPACE, letter);
  for (const [a, b] of pairs.slice(200)) add(a, b);
  for (const [a, b] of pairs) add(SPACE, a + b);
  for (const [first, second] of byRank(pairs.length, Math.max(0, count - merges.length))) {
    const [left, right] = [pairs[first]?.join('') ?? '', pairs[second]?.join('') ?? ''];
    add(left, right);
    add(SPACE, left + right);
  }
  return merges;
}

/** The first `count` pairs of numbers below `size`, the smallest sums first. */
function byRank(size: number, count: number): [number, number][] {
  const pairs: [number, number][] = [];
  for (let sum = 0; sum <= 2 * (size - 1) && pairs.length < count; sum++) {
    for (let a = Math.max(0, sum - size + 1); a <= Math.min(sum, size - 1) && pairs.length < count; a++) {
      pairs.push([a, sum - a]);
    }
  }
  return pairs;
}

function reserved(first: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `<|reserved_special_token_${first + index}|>`);
}
