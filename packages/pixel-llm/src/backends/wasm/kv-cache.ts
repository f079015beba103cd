/**
 * A thread's key/value cache of one layer: for each page the heads the thread owns, laid out as assembly/kv-pages.ts says, and
 * attention over it.
 */
import type { AttentionAttributes } from '../../program/program.ts';
import type { Batch, KvType } from '../types.ts';
import type { Kernel, KernelModule } from './kernel-module.ts';

/** The heads of a layer that a thread owns: query heads, and the key/value heads these read. */
export interface OwnHeads {
  readonly heads: readonly [start: number, end: number];
  readonly kvHeads: readonly [start: number, end: number];
}

/** Where an op's q, k, v lie: the address of the first own head in the first row, and bytes from row to row. */
export interface HeadRows {
  readonly address: number;
  readonly stride: number;
}

export interface AttentionCall {
  readonly q: HeadRows;
  readonly k: HeadRows;
  readonly v: HeadRows;
  readonly out: HeadRows;
  readonly batch: Batch;
  /** As many bytes as the cache's `scratchBytes` says. */
  readonly scratch: number;
}

/** How many pages there are, of how many positions, and what keys and values are kept in. */
export interface CachePages {
  readonly pageCount: number;
  readonly pageTokens: number;
  readonly kvType: KvType;
}

/** Bytes of one key/value head's page. */
export function headPageBytes({ pageTokens, kvType }: Omit<CachePages, 'pageCount'>, headDim: number): number {
  const { stride, values } = pageShape(pageTokens, headDim);
  return kvType === 'f16' ? 2 * values : values + 2 * 4 * Math.ceil(headDim / 32) * stride;
}

export class KvCache {
  readonly #module: KernelModule;
  readonly #attributes: AttentionAttributes;
  readonly #own: OwnHeads;
  readonly #pageTokens: number;
  readonly #kvType: KvType;
  readonly #headBytes: number;
  /** Of a page widened to f32. */
  readonly #wideBytes: number;
  readonly #stride: number;
  readonly #width: number;
  readonly #address: number;

  constructor(module: KernelModule, attributes: AttentionAttributes, own: OwnHeads, pages: CachePages) {
    const { pageCount, pageTokens, kvType } = pages;
    const { stride, width, values } = pageShape(pageTokens, attributes.headDim);
    this.#module = module;
    this.#attributes = attributes;
    this.#own = own;
    this.#pageTokens = pageTokens;
    this.#kvType = kvType;
    this.#headBytes = headPageBytes(pages, attributes.headDim);
    this.#wideBytes = 4 * values;
    this.#stride = stride;
    this.#width = width;
    this.#address = module.take(pageCount * this.#pageBytes);
  }

  /** Bytes that attention needs beside the cache, for that many entries. */
  scratchBytes(entries: number): number {
    const { heads, kvHeads } = this.#attributes;
    const group = heads / kvHeads;
    return this.#wideBytes + 4 * group * this.#stride + entries * group * (16 + 4 * this.#width) + 64;
  }

  /** Copies all of a page: positions that the copy should not have are written before anyone reads them. */
  copyPage(from: number, to: number): void {
    const start = this.#address + from * this.#pageBytes;
    this.#module.u8.copyWithin(this.#address + to * this.#pageBytes, start, start + this.#pageBytes);
  }

  /** Stores the keys and values of all entries, then lets each entry attend to its own sequence's positions 0 .. its own. */
  attend(call: AttentionCall): void {
    this.#store(call);
    const [first, end] = this.#own.kvHeads;
    for (const entries of entriesBySequence(call.batch)) {
      for (let kvHead = first; kvHead < end; kvHead++) this.#attendHead(call, kvHead, entries);
    }
  }

  get #pageBytes(): number {
    return (this.#own.kvHeads[1] - this.#own.kvHeads[0]) * this.#headBytes;
  }

  /** Of those that come for each type. */
  #kernel(name: 'storeKeyValue' | 'widenPage'): Kernel {
    return this.#module.kernel(this.#kvType === 'q8' ? `${name}Q8` : name);
  }

  #headPage(page: number, kvHead: number): number {
    return this.#address + page * this.#pageBytes + (kvHead - this.#own.kvHeads[0]) * this.#headBytes;
  }

  #store({ k, v, batch: { positions, sequences, pages } }: AttentionCall): void {
    const storeKeyValue = this.#kernel('storeKeyValue');
    const [first, end] = this.#own.kvHeads;
    const { headDim } = this.#attributes;
    for (let entry = 0; entry < positions.length; entry++) {
      const position = positions[entry]!;
      const page = pages[sequences[entry]!]![Math.floor(position / this.#pageTokens)]!;
      for (let kvHead = first; kvHead < end; kvHead++) {
        const offset = 4 * headDim * (kvHead - first);
        const place = position % this.#pageTokens;
        const keys = k.address + entry * k.stride + offset;
        const values = v.address + entry * v.stride + offset;
        storeKeyValue(keys, values, headDim, this.#headPage(page, kvHead), place, this.#stride, this.#width);
      }
    }
  }

  /** One key/value head of one sequence, whose entries ascend in position: page by page, for all entries that see it. */
  #attendHead({ q, out, batch, scratch }: AttentionCall, kvHead: number, entries: readonly number[]): void {
    const { heads, kvHeads, headDim, scale, softcap = 0 } = this.#attributes;
    const module = this.#module;
    const group = heads / kvHeads;
    const first = Math.max(this.#own.heads[0], kvHead * group);
    const count = Math.min(this.#own.heads[1], (kvHead + 1) * group) - first;
    const offset = 4 * headDim * (first - this.#own.heads[0]);
    const scores = scratch + this.#wideBytes;
    const states = scores + 4 * group * this.#stride;
    const stateBytes = count * (16 + 4 * this.#width);
    const attendPage = module.kernel('attendPage');
    const widenPage = this.#kernel('widenPage');
    module.kernel('beginHeads')(states, count * entries.length, this.#width);
    const pages = batch.pages[batch.sequences[entries[0]!]!]!;
    const last = batch.positions[entries.at(-1)!]!;
    const oldest = this.#firstSeen(batch.positions[entries[0]!]!);
    for (let index = Math.floor(oldest / this.#pageTokens); index * this.#pageTokens <= last; index++) {
      const start = index * this.#pageTokens;
      widenPage(this.#headPage(pages[index]!, kvHead), headDim, this.#stride, this.#width, scratch);
      for (let i = 0; i < entries.length; i++) {
        const entry = entries[i]!;
        const from = Math.max(0, this.#firstSeen(batch.positions[entry]!) - start);
        const to = Math.min(this.#pageTokens, batch.positions[entry]! + 1 - start);
        if (from >= to) continue;
        const query = q.address + entry * q.stride + offset;
        const state = states + i * stateBytes;
        attendPage(query, count, headDim, scratch, this.#stride, this.#width, from, to, scale, softcap, scores, state);
      }
    }
    for (let i = 0; i < entries.length; i++) {
      const to = out.address + entries[i]! * out.stride + offset;
      module.kernel('finishHeads')(states + i * stateBytes, count, headDim, this.#width, to);
    }
  }

  /** The oldest position that the entry at `position` sees. */
  #firstSeen(position: number): number {
    const { window } = this.#attributes;
    return window === undefined ? 0 : Math.max(0, position - window + 1);
  }
}

/** A page's positions padded to whole steps of the score kernel, a head's dimensions to whole vectors; its keys and values in all. */
function pageShape(pageTokens: number, headDim: number): { stride: number; width: number; values: number } {
  const stride = Math.ceil(pageTokens / 16) * 16;
  const width = Math.ceil(headDim / 4) * 4;
  return { stride, width, values: headDim * stride + stride * width };
}

function entriesBySequence({ sequences }: Batch): number[][] {
  const entries = new Map<number, number[]>();
  for (const [entry, sequence] of sequences.entries()) {
    const own = entries.get(sequence);
    if (own) own.push(entry);
    else entries.set(sequence, [entry]);
  }
  return [...entries.values()];
}
