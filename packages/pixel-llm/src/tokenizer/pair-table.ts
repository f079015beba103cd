/**
 * A hash table from a pair of symbols to what they merge into and how early: the inner loop of every tokenizer looks here.
 * Open addressing in typed arrays, so that a lookup makes no garbage. The multipliers of the hash are random, so that no
 * vocabulary or text can be written to make all pairs collide; results do not depend on them.
 */

const EMPTY = -0x80000000;
const SMALLEST_BITS = 8;

export class PairTable {
  #bits = 0;
  #size = 0;
  #left = new Int32Array(0);
  #right = new Int32Array(0);
  #priority = new Float64Array(0);
  #merged = new Int32Array(0);
  readonly #leftFactor = randomOdd();
  readonly #rightFactor = randomOdd();

  /** @param expected pairs to make room for at once. */
  constructor(expected = 0) {
    this.#allocate(Math.max(SMALLEST_BITS, Math.ceil(Math.log2((expected * 4) / 3 + 1))));
  }

  /** Number of pairs held. */
  get size(): number {
    return this.#size;
  }

  /** The slot of a pair, or -1. Valid until the next `set` or `clear`. */
  find(left: number, right: number): number {
    const mask = this.#left.length - 1;
    let slot = this.#slotOf(left, right);
    while (this.#left[slot] !== EMPTY) {
      if (this.#left[slot] === left && this.#right[slot] === right) return slot;
      slot = (slot + 1) & mask;
    }
    return -1;
  }

  /** What the pair in a slot becomes. */
  merged(slot: number): number {
    return this.#merged[slot]!;
  }

  /** Smaller merges earlier. */
  priority(slot: number): number {
    return this.#priority[slot]!;
  }

  /** Adds a pair; one that is there already stays as it is. Returns its slot. */
  set(left: number, right: number, priority: number, merged: number): number {
    if (this.#size * 4 >= this.#left.length * 3) this.#grow();
    const found = this.find(left, right);
    return found >= 0 ? found : this.#insert(left, right, priority, merged);
  }

  clear(): void {
    this.#size = 0;
    this.#allocate(SMALLEST_BITS);
  }

  #insert(left: number, right: number, priority: number, merged: number): number {
    const mask = this.#left.length - 1;
    let slot = this.#slotOf(left, right);
    while (this.#left[slot] !== EMPTY) slot = (slot + 1) & mask;
    this.#left[slot] = left;
    this.#right[slot] = right;
    this.#priority[slot] = priority;
    this.#merged[slot] = merged;
    this.#size++;
    return slot;
  }

  #slotOf(left: number, right: number): number {
    return (Math.imul(left, this.#leftFactor) + Math.imul(right, this.#rightFactor)) >>> (32 - this.#bits);
  }

  #grow(): void {
    const [left, right, priority, merged] = [this.#left, this.#right, this.#priority, this.#merged];
    this.#allocate(this.#bits + 1);
    this.#size = 0;
    for (let slot = 0; slot < left.length; slot++) {
      if (left[slot] !== EMPTY) this.#insert(left[slot]!, right[slot]!, priority[slot]!, merged[slot]!);
    }
  }

  #allocate(bits: number): void {
    this.#bits = bits;
    this.#left = new Int32Array(2 ** bits).fill(EMPTY);
    this.#right = new Int32Array(2 ** bits);
    this.#priority = new Float64Array(2 ** bits);
    this.#merged = new Int32Array(2 ** bits);
  }
}

function randomOdd(): number {
  return Math.floor(Math.random() * 2 ** 32) | 1;
}
