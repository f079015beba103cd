/**
 * Byte-level byte-pair encoding: words by the pre-tokenizer's patterns, each word's UTF-8 bytes as symbols, merged by the
 * vocabulary's ranked list. Source: Sennrich et al. 2016 (arXiv 1508.07909), in the byte-level form of GPT-2.
 */
import { PixelError } from '../core/errors.ts';
import { CHARACTER_OF_BYTE, toByteLevel, writeUtf8 } from './byte-level.ts';
import { PairTable } from './pair-table.ts';
import { SymbolMerger } from './symbol-merger.ts';
import type { TokenList } from './token-list.ts';
import type { BpeVocabulary } from './vocabulary.ts';
import { WordCache } from './word-cache.ts';
import { splitWords } from './word-splitter.ts';

export class BpeEncoder {
  readonly #vocabulary: BpeVocabulary;
  /**
   * Symbols are token ids; what merges name but the vocabulary lacks (and a byte that has no token) gets a number
   * beyond it, so that later merges can still use it.
   */
  readonly #symbolsBeyond = new Map<string, number>();
  /** The text of the symbols beyond the vocabulary. */
  readonly #beyond: string[] = [];
  readonly #symbolOfByte: Int32Array;
  readonly #merger: SymbolMerger;
  readonly #cache = new WordCache();

  /** Throws `bad-metadata` for a merge that is not a pair. */
  constructor(vocabulary: BpeVocabulary) {
    this.#vocabulary = vocabulary;
    this.#symbolOfByte = Int32Array.from(CHARACTER_OF_BYTE, (character) => this.#symbolOf(character));
    this.#merger = new SymbolMerger(this.#readMerges());
  }

  /** Appends the tokens of a text, which holds no lone surrogates, to the list. */
  encode(text: string, tokens: TokenList): void {
    splitWords(text, this.#vocabulary.preTokenizer.patterns, (whole, start, end) => {
      if (this.#cache.replay(whole, start, end, tokens)) return;
      const from = tokens.length;
      this.#encodeWord(whole, start, end, tokens);
      this.#cache.remember(whole, start, end, tokens, from);
    });
    this.#merger.release();
  }

  #encodeWord(text: string, start: number, end: number, tokens: TokenList): void {
    if (this.#vocabulary.preTokenizer.ignoreMerges) {
      const token = this.#vocabulary.textTokens.get(toByteLevel(text.slice(start, end)));
      if (token !== undefined) {
        tokens.push(token);
        return;
      }
    }
    const symbols = this.#merger.reserve((end - start) * 3);
    const left = this.#merger.merge(this.#writeBytes(text, start, end, symbols));
    for (let at = 0; at < left; at++) this.#emit(symbols[at]!, tokens);
  }

  #writeBytes(text: string, start: number, end: number, symbols: Int32Array): number {
    const bytes = new Uint8Array(4);
    let count = 0;
    for (let at = start; at < end; ) {
      const codePoint = text.codePointAt(at)!;
      at += codePoint > 0xffff ? 2 : 1;
      const length = writeUtf8(codePoint, bytes, 0);
      for (let index = 0; index < length; index++) symbols[count++] = this.#symbolOfByte[bytes[index]!]!;
    }
    return count;
  }

  #emit(symbol: number, tokens: TokenList): void {
    const { texts, textTokens, unknownToken } = this.#vocabulary;
    if (symbol < texts.length) {
      tokens.push(symbol);
      return;
    }
    for (const character of this.#beyond[symbol - texts.length]!) {
      const token = textTokens.get(character) ?? unknownToken;
      if (token === undefined) {
        throw new PixelError('bad-metadata', `The vocabulary has no token for the byte ${JSON.stringify(character)}.`);
      }
      tokens.push(token);
    }
  }

  #symbolOf(text: string): number {
    let symbol = this.#vocabulary.textTokens.get(text) ?? this.#symbolsBeyond.get(text);
    if (symbol === undefined) {
      symbol = this.#vocabulary.texts.length + this.#beyond.length;
      this.#symbolsBeyond.set(text, symbol);
      this.#beyond.push(text);
    }
    return symbol;
  }

  #readMerges(): PairTable {
    const { merges } = this.#vocabulary;
    const table = new PairTable(merges.length);
    let expected = 0;
    for (let rank = 0; rank < merges.length; rank++) {
      const merge = merges[rank]!;
      const middle = merge.indexOf(' ', 1);
      if (middle < 0 || middle === merge.length - 1) {
        throw new PixelError('bad-metadata', `Merge ${rank} of the vocabulary is no pair: ${JSON.stringify(merge)}.`);
      }
      const left = merge.slice(0, middle);
      const right = merge.slice(middle + 1);
      const merged = this.#mergedSymbol(left, right, expected);
      expected = merged + 1;
      table.set(this.#symbolOf(left), this.#symbolOf(right), rank, merged);
    }
    return table;
  }

  /** Most vocabularies list their tokens in the order of the merges that make them: then nothing has to be joined and looked for. */
  #mergedSymbol(left: string, right: string, expected: number): number {
    const { texts, textTokens } = this.#vocabulary;
    const text = texts[expected];
    const isExpected = text?.length === left.length + right.length && text.startsWith(left) && text.endsWith(right);
    const token = isExpected ? textTokens.get(text) : undefined;
    return token ?? this.#symbolOf(left + right);
  }
}
