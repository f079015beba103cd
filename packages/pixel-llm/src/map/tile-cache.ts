/** The blocks of tiles that were read last, within a budget of bytes. A block's number stands for its pixels for ever, so none grows stale. */
import type { ReadOptions } from '../core/byte-source.ts';
import { blockBytes, type TileBlock } from './tile.ts';
import type { StoredTile, TileQuery, TileReader } from './tile-store.ts';

/** 64 MB: some 4000 tiles of 64 x 64. */
const USUAL_CACHE_BYTES = 67_108_864;

export interface CacheStatistics {
  /** Blocks that were asked for and there, or not. */
  readonly hits: number;
  readonly misses: number;
  readonly evictions: number;
  readonly blocks: number;
  readonly bytes: number;
  readonly budgetBytes: number;
}

export interface CachedTiles {
  readonly tiles: readonly StoredTile[];
  readonly catalogRevision: number;
  blockOf(number: number): TileBlock;
}

export class TileCache {
  readonly #budget: number;
  /** The one used longest ago comes first. */
  readonly #blocks: Map<number, TileBlock> = new Map();
  #bytes = 0;
  #hits = 0;
  #misses = 0;
  #evictions = 0;

  constructor(budgetBytes: number = USUAL_CACHE_BYTES) {
    this.#budget = budgetBytes;
  }

  get statistics(): CacheStatistics {
    const [hits, misses, evictions] = [this.#hits, this.#misses, this.#evictions];
    return { hits, misses, evictions, blocks: this.#blocks.size, bytes: this.#bytes, budgetBytes: this.#budget };
  }

  /** Tiles of one moment; of the blocks only those that are not here are read. Throws what reading throws. */
  async read(reader: Pick<TileReader, 'readTiles'>, query: TileQuery, options?: ReadOptions): Promise<CachedTiles> {
    const held = new Map<number, TileBlock>();
    const holds = (number: number): boolean => {
      const block = this.get(number);
      if (block) held.set(number, block);
      return block !== undefined;
    };
    const { tiles, blocks, catalogRevision } = await reader.readTiles(query, holds, options);
    for (const [number, block] of blocks) this.set(number, block);
    return { tiles, catalogRevision, blockOf: (number) => held.get(number) ?? blocks.get(number)! };
  }

  get(number: number): TileBlock | undefined {
    const block = this.#blocks.get(number);
    if (!block) {
      this.#misses++;
      return undefined;
    }
    this.#hits++;
    this.#blocks.delete(number);
    this.#blocks.set(number, block);
    return block;
  }

  set(number: number, block: TileBlock): void {
    if (this.#blocks.has(number)) return;
    this.#blocks.set(number, block);
    this.#bytes += blockBytes(block);
    for (const [oldest, { pixels, written }] of this.#blocks) {
      if (this.#bytes <= this.#budget) break;
      this.#blocks.delete(oldest);
      this.#bytes -= blockBytes({ pixels, written });
      this.#evictions++;
    }
  }
}
