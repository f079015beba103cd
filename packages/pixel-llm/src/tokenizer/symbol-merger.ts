/**
 * The one algorithm under byte-pair encoding and SentencePiece: a word starts as a row of symbols, and again and again the
 * neighbouring pair of best priority (leftmost on a tie) becomes one symbol, until no pair is left that may merge.
 * The symbols are a doubly linked list, the pairs an indexed binary heap, so n symbols cost O(n log n) however long the word.
 */

/** Says what two neighbours become. Symbols are any 32-bit integers. */
export interface MergeRules {
  /** A handle of the pair's rule, or -1 when the two do not merge. Read at once, by the two methods below. */
  find(left: number, right: number): number;
  /** Smaller merges earlier. */
  priority(rule: number): number;
  merged(rule: number): number;
}

const NONE = -1;
/** Buffers longer than this are dropped after use, so that one huge word does not hold memory for ever. */
const KEPT_SYMBOLS = 65_536;

export class SymbolMerger {
  /** Steps of the heap since the merger was made: what the tests of the running time count. */
  steps = 0;
  #rules: MergeRules;
  /** All indexed by the position of a symbol in the word. */
  #symbols = new Int32Array(0);
  #previous = new Int32Array(0);
  #next = new Int32Array(0);
  #priority = new Float64Array(0);
  #merged = new Int32Array(0);
  /** Where a position stands in the heap, or NONE. */
  #place = new Int32Array(0);
  #heap = new Int32Array(0);
  #heapSize = 0;

  constructor(rules: MergeRules) {
    this.#rules = rules;
  }

  /** A buffer for at least `count` symbols, to be filled before `merge`. */
  reserve(count: number): Int32Array {
    if (count > this.#symbols.length) this.#allocate(Math.max(64, count));
    return this.#symbols;
  }

  /**
   * Merges the first `count` symbols of the reserved buffer as far as the rules go.
   * Returns how many are left; they stand at the buffer's start.
   */
  merge(count: number): number {
    this.#link(count);
    for (let at = 0; at + 1 < count; at++) this.#consider(at);
    while (this.#heapSize > 0) this.#mergeAt(this.#heap[0]!);
    return this.#compact(count);
  }

  /** Frees the memory a huge word needed; the symbols of the last `merge` are gone afterwards. */
  release(): void {
    if (this.#symbols.length > KEPT_SYMBOLS) this.#allocate(0);
  }

  #link(count: number): void {
    this.#heapSize = 0;
    for (let at = 0; at < count; at++) {
      this.#previous[at] = at - 1;
      this.#next[at] = at + 1 < count ? at + 1 : NONE;
      this.#place[at] = NONE;
    }
  }

  #mergeAt(at: number): void {
    const right = this.#next[at]!;
    const after = this.#next[right]!;
    const before = this.#previous[at]!;
    this.#symbols[at] = this.#merged[at]!;
    this.#remove(right);
    this.#next[at] = after;
    if (after !== NONE) this.#previous[after] = at;
    this.#consider(at);
    if (before !== NONE) this.#consider(before);
  }

  /** Puts the pair that starts at a position into the heap, moves it, or takes it out: whatever is now true of it. */
  #consider(at: number): void {
    const right = this.#next[at]!;
    const rule = right === NONE ? -1 : this.#rules.find(this.#symbols[at]!, this.#symbols[right]!);
    if (rule < 0) {
      this.#remove(at);
      return;
    }
    this.#priority[at] = this.#rules.priority(rule);
    this.#merged[at] = this.#rules.merged(rule);
    if (this.#place[at] === NONE) this.#put(at, this.#heapSize++);
    this.#settle(at);
  }

  #compact(count: number): number {
    let kept = 0;
    for (let at = count > 0 ? 0 : NONE; at !== NONE; at = this.#next[at]!) this.#symbols[kept++] = this.#symbols[at]!;
    return kept;
  }

  #remove(at: number): void {
    const place = this.#place[at]!;
    if (place === NONE) return;
    this.#place[at] = NONE;
    const last = this.#heap[--this.#heapSize]!;
    if (last === at) return;
    this.#put(last, place);
    this.#settle(last);
  }

  /** Moves a position up or down the heap to where its priority belongs. */
  #settle(at: number): void {
    let place = this.#place[at]!;
    while (place > 0 && this.#before(at, this.#heap[(place - 1) >> 1]!)) {
      this.#put(this.#heap[(place - 1) >> 1]!, place);
      place = (place - 1) >> 1;
      this.steps++;
    }
    for (let child = 2 * place + 1; child < this.#heapSize; child = 2 * place + 1) {
      if (child + 1 < this.#heapSize && this.#before(this.#heap[child + 1]!, this.#heap[child]!)) child++;
      if (!this.#before(this.#heap[child]!, at)) break;
      this.#put(this.#heap[child]!, place);
      place = child;
      this.steps++;
    }
    this.#put(at, place);
  }

  #before(a: number, b: number): boolean {
    const difference = this.#priority[a]! - this.#priority[b]!;
    return difference < 0 || (difference === 0 && a < b);
  }

  #put(at: number, place: number): void {
    this.#heap[place] = at;
    this.#place[at] = place;
  }

  #allocate(count: number): void {
    this.#symbols = new Int32Array(count);
    this.#previous = new Int32Array(count);
    this.#next = new Int32Array(count);
    this.#priority = new Float64Array(count);
    this.#merged = new Int32Array(count);
    this.#place = new Int32Array(count);
    this.#heap = new Int32Array(count);
  }
}
