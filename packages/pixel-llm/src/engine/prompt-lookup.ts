/**
 * Prompt lookup: guesses the next tokens of a text from what followed the last time its latest tokens stood there
 * (A. Saxena, "Prompt Lookup Decoding", 2023). Texts that quote themselves, as code, tables and summaries do, are guessed well; a guess
 * costs no model. What the model makes of a guess is the generation's business.
 */

/** Tokens that must agree before anything is guessed; longer ones first, as they guess better. */
const LONGEST = 4;
const SHORTEST = 2;
/** A text that does not repeat itself tries a guess at least this seldom: it pays for one token too many in so many steps. */
const LONGEST_REST = 32;

export class PromptLookup {
  readonly #tokens: number[] = [];
  /** For each length, from n tokens to the place after their latest occurrence that has something after it. */
  readonly #places: readonly Map<string, number>[] = Array.from({ length: LONGEST - SHORTEST + 1 }, () => new Map());
  readonly #most: number;
  /** How many tokens to guess: fewer after wrong guesses, which cost time; more after right ones. */
  #allowed: number;
  /** Guesses in a row of which nothing was right, and how many times more not to guess because of them. */
  #misses = 0;
  #rest = 0;

  /** Guesses up to `most` tokens. */
  constructor(tokens: readonly number[], most: number) {
    this.#most = most;
    this.#allowed = most;
    for (const token of tokens) this.push(token);
  }

  /** The text has one more token. */
  push(token: number): void {
    // Entered only now that a token follows, so that no n-gram finds itself.
    for (const [index, places] of this.#places.entries()) {
      const key = this.#lastTokens(SHORTEST + index);
      if (key !== undefined) places.set(key, this.#tokens.length);
    }
    this.#tokens.push(token);
  }

  /** The tokens that may come next, `most` at most, and perhaps none. */
  guess(most: number): number[] {
    if (this.#rest > 0) {
      this.#rest--;
      return [];
    }
    const count = Math.min(most, this.#allowed);
    for (let length = LONGEST; length >= SHORTEST; length--) {
      const key = this.#lastTokens(length);
      const place = key === undefined ? undefined : this.#places[length - SHORTEST]?.get(key);
      if (place !== undefined) return this.#tokensFrom(place, count);
    }
    return [];
  }

  /** How many of a guess were right. */
  learn({ drafted, accepted }: { drafted: number; accepted: number }): void {
    if (drafted === 0) return;
    this.#misses = accepted === 0 ? this.#misses + 1 : 0;
    this.#rest = this.#misses === 0 ? 0 : Math.min(2 ** (this.#misses - 1), LONGEST_REST);
    if (accepted === drafted) this.#allowed = Math.min(this.#most, this.#allowed * 2);
    else if (accepted * 2 < drafted) this.#allowed = Math.max(1, this.#allowed >> 1);
  }

  /** A text whose last period ends before the guess does goes round once more. */
  #tokensFrom(place: number, count: number): number[] {
    const period = this.#tokens.length - place;
    return Array.from({ length: count }, (_, index) => this.#tokens[place + (index % period)] ?? 0);
  }

  #lastTokens(count: number): string | undefined {
    return this.#tokens.length < count ? undefined : this.#tokens.slice(-count).join();
  }
}
