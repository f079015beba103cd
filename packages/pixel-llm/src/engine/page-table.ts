/**
 * The paged KV cache, as bookkeeping: which page of the executor belongs to which sequence. A page holds `pageTokens` positions
 * in every layer. Full pages are never written again, so forks share them; a page that is shared and only partly filled is
 * copied by whoever writes into it first. The executor stores the pages and knows nothing of this.
 */
import { PixelError } from '../core/errors.ts';

/** Copies the first `tokens` positions of a page, as Executor.copyPage does. */
export type CopyPage = (from: number, to: number, tokens: number) => Promise<void>;

/** The pages of one executor, each counted by the tables that hold it. */
export class PagePool {
  readonly pageTokens: number;
  readonly #free: number[] = [];
  readonly #holders: Int32Array<ArrayBuffer>;
  readonly #reclaim: () => boolean;

  /** `reclaim` is asked for pages when none is free: it releases some and returns true, or false when it has none. */
  constructor(pageCount: number, pageTokens: number, reclaim: () => boolean = () => false) {
    this.pageTokens = pageTokens;
    this.#holders = new Int32Array(pageCount);
    this.#reclaim = reclaim;
    for (let page = pageCount - 1; page >= 0; page--) this.#free.push(page);
  }

  get pageCount(): number {
    return this.#holders.length;
  }

  get freePages(): number {
    return this.#free.length;
  }

  /** A page nobody holds, now held once. Throws `out-of-memory` when all are in use. */
  allocate(): number {
    while (this.#free.length === 0 && this.#reclaim());
    const page = this.#free.pop();
    if (page === undefined) {
      throw new PixelError(
        'out-of-memory',
        `All ${this.pageCount} pages of the KV cache (${this.pageCount * this.pageTokens} tokens) are in use by texts being ` +
          'generated at this moment: let one of them end, or load the model with more `sequences`.',
        { details: { pageCount: this.pageCount, pageTokens: this.pageTokens } },
      );
    }
    this.#holders[page] = 1;
    return page;
  }

  share(page: number): void {
    this.#holders[page]! += 1;
  }

  isShared(page: number): boolean {
    return this.#holders[page]! > 1;
  }

  release(page: number): void {
    const left = this.#holders[page]! - 1;
    if (left < 0) throw new PixelError('bad-argument', `KV page ${page} is released by more than hold it.`);
    this.#holders[page] = left;
    if (left === 0) this.#free.push(page);
  }
}

/** The pages of one sequence, in order, and how many of their positions are filled. */
export class PageTable {
  readonly #pool: PagePool;
  readonly #copyPage: CopyPage;
  #pages: number[] = [];
  #length = 0;

  constructor(pool: PagePool, copyPage: CopyPage) {
    this.#pool = pool;
    this.#copyPage = copyPage;
  }

  /** Positions filled. */
  get length(): number {
    return this.#length;
  }

  get pageTokens(): number {
    return this.#pool.pageTokens;
  }

  /** Page i holds positions i x pageTokens to (i + 1) x pageTokens - 1. */
  get pages(): readonly number[] {
    return this.#pages;
  }

  /**
   * Makes the next `count` positions writable: pages are added, and a partly filled page that a fork shares is replaced by a
   * copy. The length stays until `advance`. Throws `out-of-memory`; the table is whole then, too.
   */
  async reserve(count: number): Promise<void> {
    const { pageTokens } = this.#pool;
    await this.#ownPartialPage();
    const needed = Math.ceil((this.#length + count) / pageTokens);
    while (this.#pages.length < needed) this.#pages.push(this.#pool.allocate());
  }

  /** Counts positions as filled that were reserved and then written. */
  advance(count: number): void {
    if (this.#length + count > this.#pages.length * this.#pool.pageTokens) {
      throw new PixelError('bad-argument', `${count} more KV positions were never reserved.`);
    }
    this.#length += count;
  }

  /** Forgets all positions from `length` on. */
  truncate(length: number): void {
    if (length > this.#length) throw new PixelError('bad-argument', `The KV cache holds no ${length} positions.`);
    this.#length = length;
    const kept = Math.ceil(length / this.#pool.pageTokens);
    for (const page of this.#pages.splice(kept)) this.#pool.release(page);
  }

  /** A second table with the same content; the pages are shared until one of the two writes. */
  fork(): PageTable {
    const copy = new PageTable(this.#pool, this.#copyPage);
    copy.#length = this.#length;
    copy.#pages = this.#pages.slice(0, Math.ceil(this.#length / this.#pool.pageTokens));
    for (const page of copy.#pages) this.#pool.share(page);
    return copy;
  }

  /** Takes the full pages of the other's first `count` positions instead of its own; full pages are never written again. */
  adopt(other: PageTable, count: number): void {
    const full = Math.floor(count / this.#pool.pageTokens);
    const adopted = other.#pages.slice(0, full);
    for (const page of adopted) this.#pool.share(page);
    this.truncate(0);
    this.#pages = adopted;
    this.#length = adopted.length * this.#pool.pageTokens;
  }

  async #ownPartialPage(): Promise<void> {
    const filled = this.#length % this.#pool.pageTokens;
    const index = (this.#length - filled) / this.#pool.pageTokens;
    const shared = this.#pages[index];
    if (filled === 0 || shared === undefined || !this.#pool.isShared(shared)) return;
    const own = this.#pool.allocate();
    try {
      await this.#copyPage(shared, own, filled);
    } catch (error) {
      this.#pool.release(own);
      throw error;
    }
    this.#pages[index] = own;
    this.#pool.release(shared);
  }
}
