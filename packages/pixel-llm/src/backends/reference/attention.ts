/**
 * Causal attention over the paged cache of each entry's own sequence (arXiv 1706.03762; grouped heads: arXiv 2305.13245).
 * Softmax in two passes, in f64.
 */
import type { AttentionAttributes } from '../../program/program.ts';
import type { Batch } from '../types.ts';
import type { KvPages } from './kv-pages.ts';

export interface AttentionInputs {
  /** [tokens, heads x headDim] */
  readonly q: Float32Array;
  /** [tokens, kvHeads x headDim] */
  readonly k: Float32Array;
  readonly v: Float32Array;
}

/** Stores the keys and values of all entries, then lets each entry attend to positions 0 .. its own -> shape of q */
export function attention(
  inputs: AttentionInputs,
  cache: KvPages,
  batch: Batch,
  attributes: AttentionAttributes,
): Float32Array {
  store(inputs, cache, batch);
  const { heads, headDim } = attributes;
  const out = new Float32Array(inputs.q.length);
  for (let entry = 0; entry < batch.positions.length; entry++) {
    const offsets = visibleOffsets(entry, cache, batch, attributes);
    for (let head = 0; head < heads; head++) {
      attendHead(inputs.q, out, (entry * heads + head) * headDim, head, offsets, cache, attributes);
    }
  }
  return out;
}

function store({ k, v }: AttentionInputs, cache: KvPages, { sequences, positions, pages }: Batch): void {
  const { width } = cache;
  for (let entry = 0; entry < positions.length; entry++) {
    const offset = cache.offset(pages[sequences[entry]!]!, positions[entry]!);
    cache.keys.set(k.subarray(entry * width, (entry + 1) * width), offset);
    cache.values.set(v.subarray(entry * width, (entry + 1) * width), offset);
  }
}

/** Where the positions that the entry sees lie in the cache, oldest first. */
function visibleOffsets(
  entry: number,
  cache: KvPages,
  { sequences, positions, pages }: Batch,
  { window }: AttentionAttributes,
): number[] {
  const position = positions[entry]!;
  const first = window === undefined ? 0 : Math.max(0, position - window + 1);
  const own = pages[sequences[entry]!]!;
  return Array.from({ length: position - first + 1 }, (_, i) => cache.offset(own, first + i));
}

/** One head of one entry; `start` is its place in q and out. */
function attendHead(
  q: Float32Array,
  out: Float32Array,
  start: number,
  head: number,
  offsets: readonly number[],
  { keys, values }: KvPages,
  { heads, kvHeads, headDim, scale, softcap }: AttentionAttributes,
): void {
  const kvStart = Math.floor((head * kvHeads) / heads) * headDim;
  let largest = -Infinity;
  const scores = offsets.map((offset) => {
    let sum = 0;
    for (let i = 0; i < headDim; i++) sum += q[start + i]! * keys[offset + kvStart + i]!;
    const score = softcap === undefined ? sum * scale : softcap * Math.tanh((sum * scale) / softcap);
    largest = Math.max(largest, score);
    return score;
  });
  const weights = scores.map((score) => Math.exp(score - largest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  for (let i = 0; i < headDim; i++) {
    let sum = 0;
    for (let j = 0; j < offsets.length; j++) sum += weights[j]! * values[offsets[j]! + kvStart + i]!;
    out[start + i] = sum / total;
  }
}
