/** Attention over the batch's own entries, and its gradients (the softmax's Jacobian applied row by row), in f64. */
import type { SelfAttentionAttributes } from '../../../program/training-program.ts';

interface Heads {
  /** [T, heads x headDim] */
  readonly q: Float32Array;
  /** [T, kvHeads x headDim] */
  readonly k: Float32Array;
  readonly v: Float32Array;
  /** First entry of each entry's sequence. [T] */
  readonly starts: Int32Array;
}

/** -> shape of q */
export function selfAttention(inputs: Heads, attributes: SelfAttentionAttributes): Float32Array {
  const { heads, headDim } = attributes;
  const out = new Float32Array(inputs.q.length);
  forEachHead(inputs, attributes, ({ entry, head, kv, first, weights }) => {
    for (let i = 0; i < headDim; i++) {
      let sum = 0;
      weights.forEach((weight, j) => {
        sum += weight * inputs.v[kv(first + j) + i]!;
      });
      out[(entry * heads + head) * headDim + i] = sum;
    }
  });
  return out;
}

/** d: shape of q -> [T, (heads + 2 kvHeads) x headDim], the gradients of q, k, v side by side */
export function selfAttentionGradient(
  inputs: Heads,
  d: Float32Array,
  attributes: SelfAttentionAttributes,
): Float32Array {
  const { heads, kvHeads, headDim, scale, softcap } = attributes;
  const width = (heads + 2 * kvHeads) * headDim;
  const out = new Float64Array(inputs.starts.length * width);
  forEachHead(inputs, attributes, ({ entry, head, kvHead, kv, first, weights, scores }) => {
    const at = (entry * heads + head) * headDim;
    const toWeights = weights.map((_, j) => dot(d, at, inputs.v, kv(first + j), headDim));
    const mean = weights.reduce((sum, weight, j) => sum + weight * toWeights[j]!, 0);
    weights.forEach((weight, j) => {
      const bent = softcap === undefined ? 1 : 1 - (scores[j]! / softcap) ** 2;
      const toScore = weight * (toWeights[j]! - mean) * bent * scale;
      const other = first + j;
      const key = other * width + (heads + kvHead) * headDim;
      for (let i = 0; i < headDim; i++) {
        out[entry * width + head * headDim + i]! += toScore * inputs.k[kv(other) + i]!;
        out[key + i]! += toScore * inputs.q[at + i]!;
        out[key + kvHeads * headDim + i]! += weight * d[at + i]!;
      }
    });
  });
  return Float32Array.from(out);
}

interface HeadOfEntry {
  readonly entry: number;
  readonly head: number;
  readonly kvHead: number;
  /** Where an entry's key (or value) of this head starts. */
  kv(entry: number): number;
  /** The oldest entry seen; weights and scores count from it. */
  readonly first: number;
  readonly weights: readonly number[];
  /** Scaled and capped. */
  readonly scores: readonly number[];
}

function forEachHead(
  { q, k, starts }: Heads,
  attributes: SelfAttentionAttributes,
  visit: (head: HeadOfEntry) => void,
): void {
  const { heads, kvHeads, headDim, scale, softcap, window = Infinity } = attributes;
  for (let entry = 0; entry < starts.length; entry++) {
    const first = Math.max(starts[entry]!, entry - window + 1);
    for (let head = 0; head < heads; head++) {
      const kvHead = Math.floor((head * kvHeads) / heads);
      const kv = (other: number): number => (other * kvHeads + kvHead) * headDim;
      const scores = Array.from({ length: entry - first + 1 }, (_, j) => {
        const score = scale * dot(q, (entry * heads + head) * headDim, k, kv(first + j), headDim);
        return softcap === undefined ? score : softcap * Math.tanh(score / softcap);
      });
      const largest = Math.max(...scores);
      const powers = scores.map((score) => Math.exp(score - largest));
      const total = powers.reduce((sum, power) => sum + power, 0);
      visit({ entry, head, kvHead, kv, first, weights: powers.map((power) => power / total), scores });
    }
  }
}

function dot(a: Float32Array, aStart: number, b: Float32Array, bStart: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += a[aStart + i]! * b[bStart + i]!;
  return sum;
}
