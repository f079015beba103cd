/**
 * Remembers the tokens of words met before: text repeats its words, so most of them are never merged twice.
 * A slot a hash, the newest word wins: fixed memory, nothing to clear, no list for hostile text to make long, and no garbage
 * (the words are compared in place, never cut out of the text).
 */
import type { TokenList } from './token-list.ts';

const SLOT_BITS = 15;
const SLOTS = 2 ** SLOT_BITS;
/** UTF-16 units of the longest word remembered. */
const WORD_UNITS = 24;
/** Tokens of the word with the most that is remembered. */
const WORD_TOKENS = 8;

export class WordCache {
  readonly #units = new Uint16Array(SLOTS * WORD_UNITS);
  /** 0: the slot is empty. */
  readonly #unitCounts = new Uint8Array(SLOTS);
  readonly #tokens = new Int32Array(SLOTS * WORD_TOKENS);
  readonly #tokenCounts = new Uint8Array(SLOTS);
  #slot = 0;

  /** Appends the tokens of text[start, end) to `tokens` if they are known. */
  replay(text: string, start: number, end: number, tokens: TokenList): boolean {
    const length = end - start;
    if (length > WORD_UNITS) return false;
    const slot = hash(text, start, end);
    this.#slot = slot;
    if (this.#unitCounts[slot] !== length) return false;
    const base = slot * WORD_UNITS - start;
    for (let at = start; at < end; at++) {
      if (this.#units[base + at] !== text.charCodeAt(at)) return false;
    }
    const first = slot * WORD_TOKENS;
    const count = this.#tokenCounts[slot]!;
    for (let at = 0; at < count; at++) tokens.push(this.#tokens[first + at]!);
    return true;
  }

  /** Remembers the tokens appended since `from`, for the word that `replay` has just not found. */
  remember(text: string, start: number, end: number, tokens: TokenList, from: number): void {
    const length = end - start;
    const count = tokens.length - from;
    if (length > WORD_UNITS || count > WORD_TOKENS) return;
    const slot = this.#slot;
    const base = slot * WORD_UNITS - start;
    for (let at = start; at < end; at++) this.#units[base + at] = text.charCodeAt(at);
    for (let at = 0; at < count; at++) this.#tokens[slot * WORD_TOKENS + at] = tokens.at(from + at);
    this.#unitCounts[slot] = length;
    this.#tokenCounts[slot] = count;
  }
}

/** FNV-1a over UTF-16 units, folded to a slot. */
function hash(text: string, start: number, end: number): number {
  let value = 0x811c9dc5;
  for (let at = start; at < end; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return (value ^ (value >>> SLOT_BITS)) & (SLOTS - 1);
}
