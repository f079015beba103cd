/**
 * SentencePiece's BPE mode: characters as symbols, merged wherever the joined text is a token, best score first; what no token
 * covers falls back to byte tokens. Spaces are written U+2581.
 * Source: Kudo and Richardson 2018 (arXiv 1808.06226) and the SentencePiece model format.
 */
import { PixelError } from '../core/errors.ts';
import { writeUtf8 } from './byte-level.ts';
import { PairTable } from './pair-table.ts';
import { type MergeRules, SymbolMerger } from './symbol-merger.ts';
import type { TokenList } from './token-list.ts';
import { type SpmVocabulary, TOKEN_TYPE } from './vocabulary.ts';
import { WordCache } from './word-cache.ts';

/** What SentencePiece writes for a space. */
export const SPM_SPACE = '\u2581';

const SPACE_UNIT = 0x20;
const NEWLINE_UNIT = 0x0a;
const SPM_SPACE_UNIT = 0x2581;
/** Pairs remembered, merging or not; real text needs some ten thousand. */
const REMEMBERED_PAIRS = 1 << 20;

export class SpmEncoder {
  readonly #vocabulary: SpmVocabulary;
  readonly #symbolOfCharacter = new Map<number, number>();
  readonly #byteTokens: Int32Array;
  readonly #merger: SymbolMerger;
  readonly #cache = new WordCache();
  /** Units that some token has right before a space: the text must not be cut there. */
  readonly #joinsSpace: ReadonlySet<number>;
  /** No token has a line's end and something else: a text may be cut before and after each. */
  readonly #newlineIsAlone: boolean;

  constructor(vocabulary: SpmVocabulary) {
    this.#vocabulary = vocabulary;
    this.#byteTokens = readByteTokens(vocabulary);
    this.#merger = new SymbolMerger(new ScoredPairs(vocabulary));
    this.#joinsSpace = unitsBeforeSpaces(vocabulary.texts);
    this.#newlineIsAlone = !vocabulary.texts.some((text) => text.length > 1 && text.includes('\n'));
    for (const [text, token] of vocabulary.textTokens) {
      const codePoint = text.codePointAt(0)!;
      if (text.length === (codePoint > 0xffff ? 2 : 1)) this.#symbolOfCharacter.set(codePoint, token);
    }
  }

  /** Appends the tokens of a text, which holds no lone surrogates and starts a whole text or follows a special token. */
  encode(text: string, tokens: TokenList): void {
    const whole = this.#vocabulary.addSpacePrefix ? ` ${text}` : text;
    for (let start = 0; start < whole.length; ) {
      const end = this.#endOfWord(whole, start);
      if (!this.#cache.replay(whole, start, end, tokens)) {
        const from = tokens.length;
        this.#encodeWord(whole, start, end, tokens);
        this.#cache.remember(whole, start, end, tokens, from);
      }
      start = end;
    }
    this.#merger.release();
  }

  /** No token reaches over a place where a word is cut, so cutting changes no result. */
  #endOfWord(text: string, start: number): number {
    let before = text.charCodeAt(start);
    for (let at = start + 1; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      if (isSpace(unit) && !isSpace(before) && !this.#joinsSpace.has(before)) return at;
      if (this.#newlineIsAlone && (unit === NEWLINE_UNIT || before === NEWLINE_UNIT)) return at;
      before = unit;
    }
    return text.length;
  }

  #encodeWord(text: string, start: number, end: number, tokens: TokenList): void {
    const symbols = this.#merger.reserve(end - start);
    let count = 0;
    for (let at = start; at < end; ) {
      const codePoint = text.codePointAt(at)!;
      at += codePoint > 0xffff ? 2 : 1;
      const character = codePoint === SPACE_UNIT ? SPM_SPACE_UNIT : codePoint;
      symbols[count++] = this.#symbolOfCharacter.get(character) ?? symbolBeyond(character);
    }
    const left = this.#merger.merge(count);
    for (let at = 0; at < left; at++) this.#emit(symbols[at]!, tokens);
  }

  /** A character without a token becomes its bytes, or the unknown token where the vocabulary has no bytes. */
  #emit(symbol: number, tokens: TokenList): void {
    if (symbol >= 0) {
      tokens.push(symbol);
      return;
    }
    const bytes = new Uint8Array(4);
    const length = writeUtf8(characterBeyond(symbol), bytes, 0);
    const byteTokens = Array.from(bytes.subarray(0, length), (byte) => this.#byteTokens[byte]!);
    if (byteTokens.every((token) => token >= 0)) for (const token of byteTokens) tokens.push(token);
    else tokens.push(this.#unknownTokenFor(symbol));
  }

  #unknownTokenFor(symbol: number): number {
    if (this.#vocabulary.unknownToken !== undefined) return this.#vocabulary.unknownToken;
    const character = JSON.stringify(String.fromCodePoint(characterBeyond(symbol)));
    throw new PixelError(
      'bad-metadata',
      `The vocabulary has no token for ${character}, no bytes and no unknown token.`,
    );
  }
}

/** Which pairs merge, found out by looking the joined text up, and remembered. */
class ScoredPairs implements MergeRules {
  readonly #vocabulary: SpmVocabulary;
  readonly #longest: number;
  readonly #known = new PairTable();

  constructor(vocabulary: SpmVocabulary) {
    this.#vocabulary = vocabulary;
    let longest = 0;
    for (const text of vocabulary.textTokens.keys()) longest = Math.max(longest, text.length);
    this.#longest = longest;
  }

  find(left: number, right: number): number {
    let slot = this.#known.find(left, right);
    if (slot < 0) {
      if (this.#known.size >= REMEMBERED_PAIRS) this.#known.clear();
      const token = this.#tokenOf(this.#textOf(left), this.#textOf(right));
      slot = this.#known.set(left, right, token < 0 ? 0 : -this.#vocabulary.scores[token]!, token);
    }
    return this.#known.merged(slot) < 0 ? -1 : slot;
  }

  priority(slot: number): number {
    return this.#known.priority(slot);
  }

  merged(slot: number): number {
    return this.#known.merged(slot);
  }

  #tokenOf(left: string, right: string): number {
    if (left.length + right.length > this.#longest) return -1;
    return this.#vocabulary.textTokens.get(left + right) ?? -1;
  }

  #textOf(symbol: number): string {
    return symbol >= 0 ? this.#vocabulary.texts[symbol]! : String.fromCodePoint(characterBeyond(symbol));
  }
}

/** Characters that are no token are symbols below zero. */
function symbolBeyond(codePoint: number): number {
  return -1 - codePoint;
}

function characterBeyond(symbol: number): number {
  return -1 - symbol;
}

function isSpace(unit: number): boolean {
  return unit === SPACE_UNIT || unit === SPM_SPACE_UNIT;
}

function unitsBeforeSpaces(texts: readonly string[]): Set<number> {
  const units = new Set<number>();
  for (const text of texts) {
    for (let at = text.indexOf(SPM_SPACE, 1); at > 0; at = text.indexOf(SPM_SPACE, at + 1)) {
      if (text[at - 1] !== SPM_SPACE) units.add(text.charCodeAt(at - 1));
    }
  }
  return units;
}

/** The token of each byte, <0x00> to <0xFF>; -1 where there is none. */
function readByteTokens({ texts, types }: SpmVocabulary): Int32Array {
  const tokens = new Int32Array(256).fill(-1);
  for (let token = 0; token < texts.length; token++) {
    const byte = types[token] === TOKEN_TYPE.byte ? byteOfToken(texts[token]!) : undefined;
    if (byte !== undefined) tokens[byte] = token;
  }
  return tokens;
}

/** The byte that a byte token's text (<0x0A>) names. */
export function byteOfToken(text: string): number | undefined {
  const digits = /^<0x([0-9A-Fa-f]{2})>$/.exec(text)?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 16);
}
