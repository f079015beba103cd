/**
 * Learns a byte-level BPE vocabulary from a corpus (arXiv 1508.07909, over bytes as in GPT-2): the most frequent pair of tokens within words becomes a
 * token, again and again. Words are counted once, and a merge touches only the words that hold its pair.
 * Ties go to the pair that comes first by its bytes, so that the same corpus always gives the same vocabulary.
 */
import { PixelError } from '../core/errors.ts';
import type { MetadataValue } from '../gguf/head.ts';
import { CHARACTER_OF_BYTE, toByteLevel } from '../tokenizer/byte-level.ts';
import { preTokenizerOf } from '../tokenizer/pre-tokenizers.ts';
import { TOKEN_TYPE } from '../tokenizer/vocabulary.ts';
import { splitWords } from '../tokenizer/word-splitter.ts';

export interface TokenizerTrainingOptions {
  /** Tokens in all: 256 bytes, the special tokens, and what is learned. Fewer when the corpus has no more pairs. */
  readonly vocabulary: number;
  /** How text is cut into words, by its name in GGUF files (tokenizer.ggml.pre). Default `gpt-2`. */
  readonly preTokenizer?: string;
  /** Control tokens, which come first. The first one ends a text. Default: `<|end|>` alone. */
  readonly specialTokens?: readonly string[];
}

/** A distinct word of the corpus. */
interface Word {
  tokens: number[];
  readonly count: number;
}

/**
 * The tokenizer's metadata, in the form that any GGUF file has them.
 * Throws `bad-argument` for a vocabulary smaller than bytes and special tokens, `unknown-pre-tokenizer`.
 */
export async function trainTokenizer(
  texts: Iterable<string> | AsyncIterable<string>,
  { vocabulary, preTokenizer = 'gpt-2', specialTokens = ['<|end|>'] }: TokenizerTrainingOptions,
): Promise<Map<string, MetadataValue>> {
  const first = specialTokens.length;
  if (first === 0 || vocabulary < 256 + first) {
    throw new PixelError('bad-argument', `A vocabulary needs 256 bytes and its special tokens: at least ${257}.`);
  }
  const words = await countWords(texts, preTokenizer);
  const names = [...specialTokens, ...CHARACTER_OF_BYTE];
  const merges = learnMerges(words, names, first, vocabulary);
  return tokenizerMetadata(names, merges, { preTokenizer, specials: first });
}

async function countWords(texts: Iterable<string> | AsyncIterable<string>, name: string): Promise<Map<string, number>> {
  const { patterns } = preTokenizerOf(name);
  const counts = new Map<string, number>();
  for await (const text of texts) {
    splitWords(text, patterns, (whole, start, end) => {
      const word = whole.slice(start, end);
      counts.set(word, (counts.get(word) ?? 0) + 1);
    });
  }
  return counts;
}

/** Extends `names` by what each merge makes; returns the merges as GGUF writes them. */
function learnMerges(
  counts: ReadonlyMap<string, number>,
  names: string[],
  firstByte: number,
  vocabulary: number,
): string[] {
  const byteTokens = new Map(CHARACTER_OF_BYTE.map((character, byte) => [character, firstByte + byte]));
  const words = [...counts].map(
    ([text, count]): Word => ({
      tokens: Array.from(toByteLevel(text), (character) => byteTokens.get(character)!),
      count,
    }),
  );
  const pairs = new PairCounts(words);
  const merges: string[] = [];
  while (names.length < vocabulary) {
    const best = pairs.mostFrequent(names);
    if (!best) break;
    const [left, right] = best;
    merges.push(`${names[left]} ${names[right]}`);
    names.push(`${names[left]}${names[right]}`);
    pairs.merge(left, right, names.length - 1);
  }
  return merges;
}

/** How often each pair of neighbours stands in the corpus, and in which words. */
class PairCounts {
  readonly #words: readonly Word[];
  readonly #counts = new Map<number, number>();
  readonly #places = new Map<number, Set<number>>();

  constructor(words: readonly Word[]) {
    this.#words = words;
    words.forEach((_, index) => {
      this.#count(index, 1);
    });
  }

  /** Undefined when no pair stands there twice. */
  mostFrequent(names: readonly string[]): [left: number, right: number] | undefined {
    let best = -1;
    let most = 1;
    for (const [pair, count] of this.#counts) {
      if (count > most || (count === most && best >= 0 && comesBefore(pair, best, names))) [best, most] = [pair, count];
    }
    return best < 0 ? undefined : split(best);
  }

  /** Every such pair becomes the token. */
  merge(left: number, right: number, token: number): void {
    for (const index of [...(this.#places.get(join(left, right)) ?? [])]) {
      this.#count(index, -1);
      const word = this.#words[index]!;
      const merged: number[] = [];
      for (let i = 0; i < word.tokens.length; i++) {
        const isPair = word.tokens[i] === left && word.tokens[i + 1] === right;
        merged.push(isPair ? token : word.tokens[i]!);
        if (isPair) i++;
      }
      word.tokens = merged;
      this.#count(index, 1);
    }
  }

  #count(index: number, sign: 1 | -1): void {
    const { tokens, count } = this.#words[index]!;
    for (let i = 0; i + 1 < tokens.length; i++) {
      const pair = join(tokens[i]!, tokens[i + 1]!);
      const next = (this.#counts.get(pair) ?? 0) + sign * count;
      if (next > 0) this.#counts.set(pair, next);
      else this.#counts.delete(pair);
      const places = this.#places.get(pair) ?? new Set();
      this.#places.set(pair, places);
      if (sign > 0) places.add(index);
      else places.delete(index);
    }
  }
}

/** Vocabularies stay below 2^24 tokens: two ids make one exact number. */
const PAIR_BASE = 2 ** 24;

function join(left: number, right: number): number {
  return left * PAIR_BASE + right;
}

function split(pair: number): [left: number, right: number] {
  return [Math.floor(pair / PAIR_BASE), pair % PAIR_BASE];
}

function comesBefore(pair: number, other: number, names: readonly string[]): boolean {
  const text = (ids: number): string =>
    split(ids)
      .map((id) => names[id])
      .join(' ');
  return text(pair) < text(other);
}

function tokenizerMetadata(
  names: readonly string[],
  merges: readonly string[],
  { preTokenizer, specials }: { preTokenizer: string; specials: number },
): Map<string, MetadataValue> {
  const text = (value: string): MetadataValue => ({ type: 'string', value });
  const types = Int32Array.from(names, (_, id) => (id < specials ? TOKEN_TYPE.control : TOKEN_TYPE.normal));
  return new Map<string, MetadataValue>([
    ['tokenizer.ggml.model', text('gpt2')],
    ['tokenizer.ggml.pre', text(preTokenizer)],
    ['tokenizer.ggml.tokens', { type: 'array', itemType: 'string', value: [...names] }],
    ['tokenizer.ggml.token_type', { type: 'array', itemType: 'int32', value: types }],
    ['tokenizer.ggml.merges', { type: 'array', itemType: 'string', value: [...merges] }],
    ['tokenizer.ggml.bos_token_id', { type: 'uint32', value: 0 }],
    ['tokenizer.ggml.eos_token_id', { type: 'uint32', value: 0 }],
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: true }],
  ]);
}
