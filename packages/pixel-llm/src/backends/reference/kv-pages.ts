/** The KV cache of one layer: pages of keys and values, handed out by the engine, found through a sequence's page list. */
import { allocate } from './load-weights.ts';

export class KvPages {
  /** [pageCount, pageTokens, width] */
  readonly keys: Float32Array;
  readonly values: Float32Array;
  readonly pageTokens: number;
  /** Values a position holds: kvHeads x headDim. */
  readonly width: number;

  /** Throws `out-of-memory`. */
  constructor(pageCount: number, pageTokens: number, width: number) {
    this.pageTokens = pageTokens;
    this.width = width;
    this.keys = allocate(pageCount * pageTokens * width, 'the KV cache');
    this.values = allocate(pageCount * pageTokens * width, 'the KV cache');
  }

  /** Where a position of a sequence starts, in both arrays. */
  offset(pages: readonly number[], position: number): number {
    const page = pages[Math.floor(position / this.pageTokens)]!;
    return (page * this.pageTokens + (position % this.pageTokens)) * this.width;
  }

  /** The keys and the values of a page's first positions, in place. */
  page(page: number, tokens: number): Float32Array[] {
    const start = page * this.pageTokens * this.width;
    return [this.keys, this.values].map((array) => array.subarray(start, start + tokens * this.width));
  }

  copyPage(from: number, to: number, tokens: number): void {
    const pageLength = this.pageTokens * this.width;
    for (const array of [this.keys, this.values]) {
      array.copyWithin(to * pageLength, from * pageLength, from * pageLength + tokens * this.width);
    }
  }
}
