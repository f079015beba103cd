/**
 * Text to token ids and back, by a model's own vocabulary. The engine, the commands and the training data come in here.
 */
import type { Metadata } from '../gguf/head.ts';
import { BpeEncoder } from './bpe-encoder.ts';
import { checkToken, createDetokenizer, type Detokenizer, type DetokenizerOptions, TokenBytes } from './detokenizer.ts';
import { SpecialTokens } from './special-tokens.ts';
import { SpmEncoder } from './spm-encoder.ts';
import { TokenList } from './token-list.ts';
import { isSpecialType, readVocabulary, type Vocabulary } from './vocabulary.ts';

export interface EncodeOptions {
  /** Adds BOS and EOS where the model wants them. Default true. */
  addSpecial?: boolean;
  /**
   * Finds control tokens (<|im_end|>) in the text. Default false: for text from outside, which must not be able to speak with
   * the model's own markers. True for what a chat template rendered.
   */
  parseSpecial?: boolean;
}

export interface Tokenizer {
  readonly vocabSize: number;
  readonly bosToken: number | undefined;
  readonly eosToken: number | undefined;
  /** Whether `addSpecial` puts a BOS first. */
  readonly addsBos: boolean;
  /** A lone surrogate counts as U+FFFD. Throws `limit-exceeded` for a word of many million characters. */
  encode(text: string, options?: EncodeOptions): Int32Array<ArrayBuffer>;
  /**
   * The text of a whole sequence; special tokens are left out unless `special`. Bytes that are no UTF-8 become U+FFFD.
   * Throws `bad-argument` for an id outside the vocabulary.
   */
  decode(tokens: ArrayLike<number>, options?: { special?: boolean }): string;
  /** Decodes as tokens arrive. */
  createDetokenizer(options?: DetokenizerOptions): Detokenizer;
  /** The bytes a token stands for (a copy). Throws `bad-argument`. */
  tokenBytes(token: number): Uint8Array<ArrayBuffer>;
  /** The token as the vocabulary writes it. Throws `bad-argument`. */
  tokenText(token: number): string;
  /**
   * The text, marked so that `encode` with `parseSpecial` finds no control token in it; the marks leave no trace in the tokens.
   * For what people and tools wrote, before it goes into a chat template.
   */
  guardSpecial(text: string): string;
  /** True for control and unknown tokens: no part of a text. */
  isSpecial(token: number): boolean;
  /** True for tokens at which a model's answer ends. */
  isEndOfText(token: number): boolean;
}

/**
 * Makes the tokenizer that a model's metadata describe.
 * Throws `bad-metadata`, `unknown-pre-tokenizer` (it lists the known ones) and `limit-exceeded`.
 */
export function createTokenizer(metadata: Metadata): Tokenizer {
  return new VocabularyTokenizer(readVocabulary(metadata));
}

/** A Unicode noncharacter, reserved for a program's inner use: it breaks a marker up until special tokens have been found. */
const GUARD = '\ufdd0';

class VocabularyTokenizer implements Tokenizer {
  readonly #vocabulary: Vocabulary;
  readonly #encoder: BpeEncoder | SpmEncoder;
  readonly #specialTokens: SpecialTokens;
  readonly #bytes: TokenBytes;

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
    this.#encoder = vocabulary.kind === 'spm' ? new SpmEncoder(vocabulary) : new BpeEncoder(vocabulary);
    this.#specialTokens = new SpecialTokens(vocabulary);
    this.#bytes = new TokenBytes(vocabulary);
  }

  get vocabSize(): number {
    return this.#vocabulary.texts.length;
  }

  get bosToken(): number | undefined {
    return this.#vocabulary.bosToken;
  }

  get eosToken(): number | undefined {
    return this.#vocabulary.eosToken;
  }

  get addsBos(): boolean {
    return this.#vocabulary.addBos;
  }

  encode(text: string, { addSpecial = true, parseSpecial = false }: EncodeOptions = {}): Int32Array<ArrayBuffer> {
    const { bosToken, eosToken, addBos, addEos } = this.#vocabulary;
    const tokens = new TokenList();
    if (addSpecial && addBos && bosToken !== undefined) tokens.push(bosToken);
    this.#encodeParts(text.toWellFormed(), parseSpecial, tokens);
    if (addSpecial && addEos && eosToken !== undefined) tokens.push(eosToken);
    return tokens.toInt32Array();
  }

  decode(tokens: ArrayLike<number>, { special = false }: { special?: boolean } = {}): string {
    const detokenizer = this.createDetokenizer({ special, atStart: true });
    let text = '';
    for (let at = 0; at < tokens.length; at++) text += detokenizer.push(tokens[at]!);
    return text + detokenizer.end();
  }

  createDetokenizer(options?: DetokenizerOptions): Detokenizer {
    return createDetokenizer(this.#vocabulary, this.#bytes, options);
  }

  tokenBytes(token: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.#bytes.of(token));
  }

  tokenText(token: number): string {
    return this.#vocabulary.texts[checkToken(this.#vocabulary, token)]!;
  }

  guardSpecial(text: string): string {
    const clean = text.replaceAll(GUARD, '\ufffd');
    let guarded = '';
    let from = 0;
    for (;;) {
      const match = this.#specialTokens.find(clean, from, true);
      if (!match) return guarded + clean.slice(from);
      // Going on after the first unit finds what begins inside the marker, too.
      guarded += clean.slice(from, match.start + 1) + (this.isSpecial(match.token) ? GUARD : '');
      from = match.start + 1;
    }
  }

  isSpecial(token: number): boolean {
    return isSpecialType(this.#vocabulary.types[token]);
  }

  isEndOfText(token: number): boolean {
    return this.#vocabulary.endOfText.has(token);
  }

  /** Special tokens as they stand, and the text between them by the encoder. */
  #encodeParts(text: string, parseSpecial: boolean, tokens: TokenList): void {
    let from = 0;
    for (;;) {
      const match = this.#specialTokens.find(text, from, parseSpecial);
      const end = match?.start ?? text.length;
      if (end > from) this.#encodeBetween(text.slice(from, end), parseSpecial, tokens);
      if (!match) return;
      tokens.push(match.token);
      from = match.end;
    }
  }
  /** Text without control tokens. Where guards are taken out, user-defined tokens may come together again. */
  #encodeBetween(text: string, parseSpecial: boolean, tokens: TokenList): void {
    if (parseSpecial && text.includes(GUARD)) this.#encodeParts(text.replaceAll(GUARD, ''), false, tokens);
    else this.#encoder.encode(text, tokens);
  }
}
