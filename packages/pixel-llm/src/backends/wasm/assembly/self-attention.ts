/**
 * Attention of training: a sequence's head at a time, over blocks of entries, by matrix products; nothing is cached. Probabilities are
 * computed again for the gradients, which is cheaper than keeping them.
 */
import { exponential, hyperbolicTangent, maxLanes, sumLanes } from './exponential';
import { gemm } from './gemm';
import { lanesBelow } from './norms';

/** Entries whose scores are computed together: what they cannot see yet is at most this much wasted work. */
const BLOCK: i32 = 32;

/** Bytes of scratch for sequences of up to `tokens` entries, beside gemm's. */
export function attentionScratchBytes(tokens: i32): usize {
  // Probabilities, their gradients, and the slopes of a soft cap, a block of rows each, padded to whole vectors.
  return 3 * 4 * <usize>BLOCK * <usize>((tokens + 7) & ~3);
}

/**
 * One head of one sequence. q, out: the head's first value of the sequence's first entry; qRow, outRow: bytes from entry to entry.
 * window: 0 for none; softcap: 0 for none.
 */
export function attendSequence(
  q: usize,
  qRow: usize,
  k: usize,
  v: usize,
  kvRow: usize,
  tokens: i32,
  headDim: i32,
  scale: f32,
  softcap: f32,
  window: i32,
  out: usize,
  outRow: usize,
  scratch: usize,
  gemmScratch: usize,
): void {
  const stride: usize = 4 * <usize>((tokens + 7) & ~3);
  for (let first: i32 = 0; first < tokens; first += BLOCK) {
    const rows = min(BLOCK, tokens - first);
    const seen = first + rows;
    gemm(rows, seen, headDim, q + qRow * <usize>first, qRow, 4, k, 4, kvRow, scratch, stride, 0, gemmScratch);
    for (let row: i32 = 0; row < rows; row++) {
      probabilities(scratch + stride * <usize>row, first + row, seen, scale, softcap, window, 0);
    }
    gemm(rows, headDim, seen, scratch, stride, 4, v, kvRow, 4, out + outRow * <usize>first, outRow, 0, gemmScratch);
  }
}

/**
 * The gradients of one head of one sequence. d: of the result, with the strides of q. dq is written; dk and dv are added to, since heads
 * of a group share them. gradientRow: bytes from entry to entry in all three.
 */
export function attendSequenceGradient(
  q: usize,
  qRow: usize,
  k: usize,
  v: usize,
  kvRow: usize,
  d: usize,
  tokens: i32,
  headDim: i32,
  scale: f32,
  softcap: f32,
  window: i32,
  dq: usize,
  dk: usize,
  dv: usize,
  gradientRow: usize,
  scratch: usize,
  gemmScratch: usize,
): void {
  const stride: usize = 4 * <usize>((tokens + 7) & ~3);
  const dp = scratch + stride * <usize>BLOCK;
  const slopes = dp + stride * <usize>BLOCK;
  for (let first: i32 = 0; first < tokens; first += BLOCK) {
    const rows = min(BLOCK, tokens - first);
    const seen = first + rows;
    const queries = q + qRow * <usize>first;
    const dBlock = d + qRow * <usize>first;
    gemm(rows, seen, headDim, queries, qRow, 4, k, 4, kvRow, scratch, stride, 0, gemmScratch);
    for (let row: i32 = 0; row < rows; row++) {
      const at = stride * <usize>row;
      probabilities(scratch + at, first + row, seen, scale, softcap, window, softcap > 0 ? slopes + at : 0);
    }
    // dv += P' d; dP = d v'
    gemm(seen, headDim, rows, scratch, 4, stride, dBlock, qRow, 4, dv, gradientRow, 1, gemmScratch);
    gemm(rows, seen, headDim, dBlock, qRow, 4, v, 4, kvRow, dp, stride, 0, gemmScratch);
    for (let row: i32 = 0; row < rows; row++) {
      const at = stride * <usize>row;
      toScores(scratch + at, dp + at, seen, scale, softcap > 0 ? slopes + at : 0);
    }
    // dq = dS k; dk += dS' q
    gemm(rows, headDim, seen, dp, stride, 4, k, kvRow, 4, dq + gradientRow * <usize>first, gradientRow, 0, gemmScratch);
    gemm(seen, headDim, rows, dp, 4, stride, queries, qRow, 4, dk, gradientRow, 1, gemmScratch);
  }
}

/** Raw products q k become probabilities over what entry `entry` sees, zeros elsewhere up to `count`. slopes: of the soft cap, or 0. */
function probabilities(p: usize, entry: i32, count: i32, scale: f32, softcap: f32, window: i32, slopes: usize): void {
  const from = window > 0 ? max(0, entry - window + 1) : 0;
  const end = entry + 1;
  let largest = f32x4.splat(-Infinity);
  for (let i: i32 = 0; i < count; i += 4) {
    const at: usize = 4 * <usize>i;
    let scores = f32x4.mul(v128.load(p + at), f32x4.splat(scale));
    if (softcap > 0) {
      const bent = hyperbolicTangent(f32x4.div(scores, f32x4.splat(softcap)));
      scores = f32x4.mul(bent, f32x4.splat(softcap));
      if (slopes) v128.store(slopes + at, f32x4.sub(f32x4.splat(1), f32x4.mul(bent, bent)));
    }
    const isSeen = v128.andnot(lanesBelow(end - i), lanesBelow(from - i));
    scores = v128.bitselect(scores, f32x4.splat(-Infinity), isSeen);
    v128.store(p + at, scores);
    largest = f32x4.max(largest, scores);
  }
  const top = f32x4.splat(maxLanes(largest));
  let sums = f32x4.splat(0);
  for (let i: i32 = 0; i < count; i += 4) {
    const at: usize = 4 * <usize>i;
    const powers = exponential(f32x4.sub(v128.load(p + at), top));
    v128.store(p + at, powers);
    sums = f32x4.add(sums, powers);
  }
  const inverse = f32x4.splat(1 / sumLanes(sums));
  for (let i: i32 = 0; i < count; i += 4) {
    const at: usize = 4 * <usize>i;
    v128.store(p + at, f32x4.mul(v128.load(p + at), inverse));
  }
}

/** Gradients of probabilities become gradients of the raw products: p (dp - sum(p dp)) x slope x scale. */
function toScores(p: usize, dp: usize, count: i32, scale: f32, slopes: usize): void {
  let sums = f32x4.splat(0);
  for (let i: i32 = 0; i < count; i += 4) {
    const at: usize = 4 * <usize>i;
    // Past the end stands what an earlier block left.
    const product = v128.and(f32x4.mul(v128.load(p + at), v128.load(dp + at)), lanesBelow(count - i));
    sums = f32x4.add(sums, product);
  }
  const mean = f32x4.splat(sumLanes(sums));
  for (let i: i32 = 0; i < count; i += 4) {
    const at: usize = 4 * <usize>i;
    const centred = f32x4.sub(v128.load(dp + at), mean);
    let value = f32x4.mul(f32x4.mul(v128.load(p + at), centred), f32x4.splat(scale));
    if (slopes) value = f32x4.mul(value, v128.load(slopes + at));
    v128.store(dp + at, value);
  }
}
