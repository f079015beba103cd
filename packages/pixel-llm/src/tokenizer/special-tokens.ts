/**
 * Finds the tokens that are matched in a text as they stand, before any merging: user-defined ones always, control tokens
 * (<|im_end|>, </s>) only when asked, so that text from outside cannot speak with the model's own markers.
 */
import { PixelError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { isSpecialType, TOKEN_TYPE, type Vocabulary } from './vocabulary.ts';

export interface SpecialMatch {
  readonly token: number;
  readonly start: number;
  /** After the token and the white space it swallows. */
  readonly end: number;
}

const UNITS = 65_536;
const SPACES_TO_STRIP = /[ \t\n\v\f\r]*/y;

export class SpecialTokens {
  /** A trie over UTF-16 units: node * UNITS + unit -> node. */
  readonly #children = new Map<number, number>();
  readonly #userDefinedAt = new Map<number, number>();
  readonly #controlAt = new Map<number, number>();
  readonly #stripsAfter: ReadonlySet<number>;
  readonly #startOfUserDefined: RegExp | undefined;
  readonly #startOfAny: RegExp | undefined;
  #nodes = 1;

  /** Throws `limit-exceeded` for a special token of absurd length. */
  constructor({ texts, types, stripsAfter }: Vocabulary) {
    this.#stripsAfter = stripsAfter;
    const userStarts = new Set<number>();
    const starts = new Set<number>();
    for (let token = 0; token < texts.length; token++) {
      const text = texts[token]!;
      const isUserDefined = types[token] === TOKEN_TYPE.userDefined;
      if (text === '' || !(isUserDefined || isSpecialType(types[token]))) continue;
      (isUserDefined ? this.#userDefinedAt : this.#controlAt).set(this.#insert(token, text), token);
      starts.add(text.charCodeAt(0));
      if (isUserDefined) userStarts.add(text.charCodeAt(0));
    }
    this.#startOfUserDefined = anyOf(userStarts);
    this.#startOfAny = anyOf(starts);
  }

  /** The first special token at or after `from`, the longest where several start; user-defined ones only, unless `parseSpecial`. */
  find(text: string, from: number, parseSpecial: boolean): SpecialMatch | undefined {
    const start = parseSpecial ? this.#startOfAny : this.#startOfUserDefined;
    if (!start) return undefined;
    start.lastIndex = from;
    while (start.test(text)) {
      const match = this.#longestAt(text, start.lastIndex - 1, parseSpecial);
      if (match) return match;
    }
    return undefined;
  }

  #longestAt(text: string, start: number, parseSpecial: boolean): SpecialMatch | undefined {
    let found = -1;
    let end = start;
    let node = 0;
    for (let at = start; at < text.length; at++) {
      const child = this.#children.get(node * UNITS + text.charCodeAt(at));
      if (child === undefined) break;
      node = child;
      const token = this.#userDefinedAt.get(node) ?? (parseSpecial ? this.#controlAt.get(node) : undefined);
      if (token !== undefined) [found, end] = [token, at + 1];
    }
    if (found < 0) return undefined;
    if (this.#stripsAfter.has(found)) {
      SPACES_TO_STRIP.lastIndex = end;
      SPACES_TO_STRIP.test(text);
      end = SPACES_TO_STRIP.lastIndex;
    }
    return { token: found, start, end };
  }

  #insert(token: number, text: string): number {
    if (text.length > LIMITS.specialTokenLength) {
      throw new PixelError(
        'limit-exceeded',
        `The special token ${token} is ${text.length} characters long; the limit is ${LIMITS.specialTokenLength}.`,
      );
    }
    let node = 0;
    for (let at = 0; at < text.length; at++) {
      const key = node * UNITS + text.charCodeAt(at);
      let child = this.#children.get(key);
      if (child === undefined) {
        child = this.#nodes++;
        this.#children.set(key, child);
      }
      node = child;
    }
    return node;
  }
}

/** A pattern that stops at each of the given UTF-16 units; without the u flag, so that it sees units, not code points. */
function anyOf(units: ReadonlySet<number>): RegExp | undefined {
  if (units.size === 0) return undefined;
  const escaped = Array.from(units, (unit) => `\\u${unit.toString(16).padStart(4, '0')}`);
  return new RegExp(`[${escaped.join('')}]`, 'g');
}
