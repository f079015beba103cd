/**
 * Attention of one key/value head over the paged cache. A page of one head holds its keys, [headDim, stride] f16 (a column a
 * position, so that lanes are positions), then its values, [stride, width] f16 (a row a position); stride is the page's positions
 * padded to 16, width headDim padded to 4.
 *
 * Softmax goes page by page, oldest first, rescaling what it has ("online softmax", arXiv 1805.02867): the order depends on the
 * entry's own pages alone. A page is widened to f32 once for all entries and query heads that read it.
 */
import { HALF_BIAS, loadHalves, multiplyAdd } from './dot';
import { exponential, hyperbolicTangent, maxLanes, sumLanes } from './exponential';
import { toHalf } from './halves';

/** Stores one token's key and value, [headDim] f32 each, at a place of a page. */
export function storeKeyValue(k: usize, v: usize, headDim: i32, page: usize, place: i32, stride: i32, width: i32): void {
  const keys = page + 2 * <usize>place;
  const values = page + 2 * (<usize>headDim * stride + <usize>place * width);
  for (let i: i32 = 0; i < headDim; i++) {
    store<u16>(keys + 2 * <usize>i * stride, <u16>toHalf(load<f32>(k + 4 * <usize>i)));
    store<u16>(values + 2 * <usize>i, <u16>toHalf(load<f32>(v + 4 * <usize>i)));
  }
}

/** Widens `count` f16, a multiple of four, to f32. */
export function widenPage(halves: usize, count: i32, out: usize): void {
  for (let end = halves + 2 * <usize>count; halves < end; halves += 8, out += 16) {
    v128.store(out, f32x4.mul(loadHalves(halves), f32x4.splat(HALF_BIAS)));
  }
}

/** What an entry's head has so far: largest score, sum of powers, unused, unused, then [width] f32 of weighted values. */
export function beginHeads(state: usize, heads: i32, width: i32): void {
  for (let head: i32 = 0; head < heads; head++) {
    store<f32>(state, -Infinity);
    memory.fill(state + 4, 0, 12 + 4 * <usize>width);
    state += 16 + 4 * <usize>width;
  }
}

/**
 * `heads` query heads of one entry, q: [heads, headDim], meet positions first .. last - 1 of a widened page.
 * scores: scratch for `stride` f32. softcap 0 stands for none.
 */
export function attendPage(
  q: usize,
  heads: i32,
  headDim: i32,
  page: usize,
  stride: i32,
  width: i32,
  first: i32,
  last: i32,
  factor: f32,
  softcap: f32,
  scores: usize,
  state: usize,
): void {
  const values = page + 4 * <usize>headDim * stride;
  for (let head: i32 = 0; head < heads; head++) {
    const largest = scorePage(q, headDim, page, stride, first, last, factor, softcap, scores);
    const before = load<f32>(state);
    const now = max(before, largest);
    const correction = exponential(f32x4.splat(before - now));
    let sums = f32x4.splat(0);
    for (let place: i32 = first & ~3; place < last; place += 4) {
      const at = scores + 4 * <usize>place;
      const powers = exponential(f32x4.sub(v128.load(at), f32x4.splat(now)));
      v128.store(at, powers);
      sums = f32x4.add(sums, powers);
    }
    store<f32>(state, now);
    store<f32>(state, load<f32>(state, 4) * f32x4.extract_lane(correction, 0) + sumLanes(sums), 4);
    addValues(values, width, first, last, scores, correction, state + 16);
    q += 4 * <usize>headDim;
    state += 16 + 4 * <usize>width;
  }
}

/** out: [heads, headDim] = weighted values / sum of powers. */
export function finishHeads(state: usize, heads: i32, headDim: i32, width: i32, out: usize): void {
  for (let head: i32 = 0; head < heads; head++) {
    const inverse: f32 = 1.0 / load<f32>(state, 4);
    for (let i: i32 = 0; i < headDim; i++) {
      store<f32>(out + 4 * <usize>i, load<f32>(state + 16 + 4 * <usize>i) * inverse);
    }
    out += 4 * <usize>headDim;
    state += 16 + 4 * <usize>width;
  }
}

/** Scores of places first .. last - 1, the others of their vectors -Infinity; returns the largest. */
@inline
function scorePage(
  q: usize,
  headDim: i32,
  keys: usize,
  stride: i32,
  first: i32,
  last: i32,
  factor: f32,
  softcap: f32,
  scores: usize,
): f32 {
  let largest = f32x4.splat(-Infinity);
  const row: usize = 4 * <usize>stride;
  for (let place: i32 = first & ~15; place < last; place += 16) {
    let a = f32x4.splat(0);
    let b = a;
    let c = a;
    let d = a;
    let k = keys + 4 * <usize>place;
    for (let i: i32 = 0; i < headDim; i++) {
      const x = v128.load32_splat(q + 4 * <usize>i);
      a = multiplyAdd(x, v128.load(k), a);
      b = multiplyAdd(x, v128.load(k, 16), b);
      c = multiplyAdd(x, v128.load(k, 32), c);
      d = multiplyAdd(x, v128.load(k, 48), d);
      k += row;
    }
    const at = scores + 4 * <usize>place;
    const s0 = finishScores(a, place, first, last, factor, softcap);
    const s1 = finishScores(b, place + 4, first, last, factor, softcap);
    const s2 = finishScores(c, place + 8, first, last, factor, softcap);
    const s3 = finishScores(d, place + 12, first, last, factor, softcap);
    v128.store(at, s0);
    v128.store(at, s1, 16);
    v128.store(at, s2, 32);
    v128.store(at, s3, 48);
    largest = f32x4.max(largest, f32x4.max(f32x4.max(s0, s1), f32x4.max(s2, s3)));
  }
  return maxLanes(largest);
}

@inline
function finishScores(sums: v128, place: i32, first: i32, last: i32, factor: f32, softcap: f32): v128 {
  let scores = f32x4.mul(sums, f32x4.splat(factor));
  if (softcap > 0) {
    const cap = f32x4.splat(softcap);
    scores = f32x4.mul(cap, hyperbolicTangent(f32x4.div(scores, cap)));
  }
  const places = i32x4.add(i32x4(0, 1, 2, 3), i32x4.splat(place));
  const seen = v128.and(i32x4.ge_s(places, i32x4.splat(first)), i32x4.lt_s(places, i32x4.splat(last)));
  return v128.bitselect(scores, f32x4.splat(-Infinity), seen);
}

/** sums = sums x correction + powers x values, sixteen dimensions at a time where there are that many. */
@inline
function addValues(
  values: usize,
  width: i32,
  first: i32,
  last: i32,
  powers: usize,
  correction: v128,
  sums: usize,
): void {
  const row: usize = 4 * <usize>width;
  const begin: usize = values + row * <usize>first;
  let i: i32 = 0;
  for (; i + 16 <= width; i += 16) {
    const at = sums + 4 * <usize>i;
    let a = f32x4.mul(v128.load(at), correction);
    let b = f32x4.mul(v128.load(at, 16), correction);
    let c = f32x4.mul(v128.load(at, 32), correction);
    let d = f32x4.mul(v128.load(at, 48), correction);
    let v = begin + 4 * <usize>i;
    for (let place: i32 = first; place < last; place++) {
      const power = v128.load32_splat(powers + 4 * <usize>place);
      a = multiplyAdd(power, v128.load(v), a);
      b = multiplyAdd(power, v128.load(v, 16), b);
      c = multiplyAdd(power, v128.load(v, 32), c);
      d = multiplyAdd(power, v128.load(v, 48), d);
      v += row;
    }
    v128.store(at, a);
    v128.store(at, b, 16);
    v128.store(at, c, 32);
    v128.store(at, d, 48);
  }
  for (; i < width; i += 4) {
    const at = sums + 4 * <usize>i;
    let a = f32x4.mul(v128.load(at), correction);
    let v = begin + 4 * <usize>i;
    for (let place: i32 = first; place < last; place++) {
      a = multiplyAdd(v128.load32_splat(powers + 4 * <usize>place), v128.load(v), a);
      v += row;
    }
    v128.store(at, a);
  }
}
