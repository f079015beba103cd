/** A list of token ids that grows, in one typed array. */
export class TokenList {
  length = 0;
  #tokens = new Int32Array(64);

  push(token: number): void {
    if (this.length === this.#tokens.length) {
      const grown = new Int32Array(this.length * 2);
      grown.set(this.#tokens);
      this.#tokens = grown;
    }
    this.#tokens[this.length++] = token;
  }

  at(index: number): number {
    return this.#tokens[index]!;
  }

  /** A copy of exactly the right length. */
  toInt32Array(): Int32Array<ArrayBuffer> {
    return this.#tokens.slice(0, this.length);
  }
}
