/**
 * Attention of one key/value head over the paged cache, a page widened to f32 (kv-pages.ts) once for all entries and query heads
 * that read it: keys [headDim, stride] (a column a position, so that lanes are positions), then values [stride, width] (a row a
 * position); stride is the page's positions padded to 16, width headDim padded to 4.
 *
 * Softmax goes page by page, oldest first, rescaling what it has ("online softmax", arXiv 1805.02867): the order depends on the
 * entry's own pages alone. Query heads go two by two where there are two: each load of a key or a value serves both, and each has the
 * sums it would have alone.
 */
import { multiplyAdd } from './dot';
import { exponential, hyperbolicTangent, maxLanes, sumLanes } from './exponential';

/** Places in what an entry's head has so far. */
const CORRECTION: usize = 8;
const SUMS: usize = 16;

/** What an entry's head has so far: largest score, sum of powers, what the page corrects the values by, unused, then [width] f32 of weighted values. */
export function beginHeads(state: usize, heads: i32, width: i32): void {
  for (let head: i32 = 0; head < heads; head++) {
    store<f32>(state, -Infinity);
    memory.fill(state + 4, 0, 12 + 4 * <usize>width);
    state += 16 + 4 * <usize>width;
  }
}

/**
 * `heads` query heads of one entry, q: [heads, headDim], meet positions first .. last - 1 of a widened page.
 * scores: scratch for heads x stride f32. softcap 0 stands for none.
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
  const row: usize = 4 * <usize>stride;
  const stateBytes: usize = 16 + 4 * <usize>width;
  const queryBytes: usize = 4 * <usize>headDim;
  // All heads meet the keys, then the values: the first cache need not hold both.
  let to = scores;
  let head: i32 = 0;
  for (; head + 2 <= heads; head += 2, q += 2 * queryBytes, to += 2 * row) {
    scoreTwo(q, q + queryBytes, headDim, page, stride, first, last, to, to + row);
  }
  if (head < heads) scoreOne(q, headDim, page, stride, first, last, to);
  for (head = 0; head < heads; head++) {
    weigh(scores + row * <usize>head, first, last, factor, softcap, state + stateBytes * <usize>head);
  }
  for (head = 0; head + 2 <= heads; head += 2, scores += 2 * row, state += 2 * stateBytes) {
    addTwo(values, width, first, last, scores, scores + row, state, state + stateBytes);
  }
  if (head < heads) addOne(values, width, first, last, scores, state);
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

/** Products of a query with the keys of places first .. last - 1, and of some beside them. */
@inline
function scoreOne(q: usize, headDim: i32, keys: usize, stride: i32, first: i32, last: i32, scores: usize): void {
  const row: usize = 4 * <usize>stride;
  for (let place: i32 = first & ~15; place < last; place += 16) {
    let a = f32x4.splat(0);
    let b = a;
    let c = a;
    let d = a;
    let k = keys + 4 * <usize>place;
    for (let i = q, end = q + 4 * <usize>headDim; i < end; i += 4, k += row) {
      const x = v128.load32_splat(i);
      a = multiplyAdd(x, v128.load(k), a);
      b = multiplyAdd(x, v128.load(k, 16), b);
      c = multiplyAdd(x, v128.load(k, 32), c);
      d = multiplyAdd(x, v128.load(k, 48), d);
    }
    const at = scores + 4 * <usize>place;
    v128.store(at, a);
    v128.store(at, b, 16);
    v128.store(at, c, 32);
    v128.store(at, d, 48);
  }
}

/** The same of two queries. */
@inline
function scoreTwo(
  q: usize,
  r: usize,
  headDim: i32,
  keys: usize,
  stride: i32,
  first: i32,
  last: i32,
  scores: usize,
  more: usize,
): void {
  const row: usize = 4 * <usize>stride;
  const distance = r - q;
  for (let place: i32 = first & ~15; place < last; place += 16) {
    let a0 = f32x4.splat(0);
    let a1 = a0;
    let a2 = a0;
    let a3 = a0;
    let b0 = a0;
    let b1 = a0;
    let b2 = a0;
    let b3 = a0;
    let k = keys + 4 * <usize>place;
    for (let i = q, end = q + 4 * <usize>headDim; i < end; i += 4, k += row) {
      const x = v128.load32_splat(i);
      const y = v128.load32_splat(i + distance);
      const k0 = v128.load(k);
      a0 = multiplyAdd(x, k0, a0);
      b0 = multiplyAdd(y, k0, b0);
      const k1 = v128.load(k, 16);
      a1 = multiplyAdd(x, k1, a1);
      b1 = multiplyAdd(y, k1, b1);
      const k2 = v128.load(k, 32);
      a2 = multiplyAdd(x, k2, a2);
      b2 = multiplyAdd(y, k2, b2);
      const k3 = v128.load(k, 48);
      a3 = multiplyAdd(x, k3, a3);
      b3 = multiplyAdd(y, k3, b3);
    }
    const at: usize = 4 * <usize>place;
    v128.store(scores + at, a0);
    v128.store(scores + at, a1, 16);
    v128.store(scores + at, a2, 32);
    v128.store(scores + at, a3, 48);
    v128.store(more + at, b0);
    v128.store(more + at, b1, 16);
    v128.store(more + at, b2, 32);
    v128.store(more + at, b3, 48);
  }
}

/**
 * Products with keys become powers of e, relative to the largest score so far; the head's state follows, with what the values summed
 * before are to be multiplied by.
 */
@inline
function weigh(scores: usize, first: i32, last: i32, factor: f32, softcap: f32, state: usize): void {
  let most = f32x4.splat(-Infinity);
  const factors = f32x4.splat(factor);
  for (let place: i32 = first & ~3; place < last; place += 4) {
    const at = scores + 4 * <usize>place;
    let finished = f32x4.mul(v128.load(at), factors);
    if (softcap > 0) finished = capped(finished, softcap);
    if (place < first || place + 4 > last) finished = unseen(finished, place, first, last);
    v128.store(at, finished);
    most = f32x4.pmax(most, finished);
  }
  const before = load<f32>(state);
  const now = max(before, maxLanes(most));
  const correction = exponential(f32x4.splat(before - now));
  const largest = f32x4.splat(now);
  let sums = f32x4.splat(0);
  for (let place: i32 = first & ~3; place < last; place += 4) {
    const at = scores + 4 * <usize>place;
    const powers = exponential(f32x4.sub(v128.load(at), largest));
    v128.store(at, powers);
    sums = f32x4.add(sums, powers);
  }
  store<f32>(state, now);
  store<f32>(state, load<f32>(state, 4) * f32x4.extract_lane(correction, 0) + sumLanes(sums), 4);
  store<f32>(state, f32x4.extract_lane(correction, 0), CORRECTION);
}

function capped(scores: v128, softcap: f32): v128 {
  const cap = f32x4.splat(softcap);
  return f32x4.mul(cap, hyperbolicTangent(f32x4.div(scores, cap)));
}

/** Lanes outside first .. last - 1 become -Infinity. */
function unseen(scores: v128, place: i32, first: i32, last: i32): v128 {
  const places = i32x4.add(i32x4(0, 1, 2, 3), i32x4.splat(place));
  const seen = v128.and(i32x4.ge_s(places, i32x4.splat(first)), i32x4.lt_s(places, i32x4.splat(last)));
  return v128.bitselect(scores, f32x4.splat(-Infinity), seen);
}

/** sums = sums x correction + powers x values, sixteen dimensions at a time where there are that many. */
@inline
function addOne(
  values: usize,
  width: i32,
  first: i32,
  last: i32,
  powers: usize,
  state: usize,
): void {
  const correction = v128.load32_splat(state, CORRECTION);
  const sums = state + SUMS;
  const row: usize = 4 * <usize>width;
  const end = powers + 4 * <usize>last;
  let i: i32 = 0;
  for (; i + 16 <= width; i += 16) {
    const at = sums + 4 * <usize>i;
    let a = f32x4.mul(v128.load(at), correction);
    let b = f32x4.mul(v128.load(at, 16), correction);
    let c = f32x4.mul(v128.load(at, 32), correction);
    let d = f32x4.mul(v128.load(at, 48), correction);
    let v = values + row * <usize>first + 4 * <usize>i;
    for (let p = powers + 4 * <usize>first; p < end; p += 4, v += row) {
      const power = v128.load32_splat(p);
      a = multiplyAdd(power, v128.load(v), a);
      b = multiplyAdd(power, v128.load(v, 16), b);
      c = multiplyAdd(power, v128.load(v, 32), c);
      d = multiplyAdd(power, v128.load(v, 48), d);
    }
    v128.store(at, a);
    v128.store(at, b, 16);
    v128.store(at, c, 32);
    v128.store(at, d, 48);
  }
  for (; i < width; i += 4) addFour(values, row, first, last, powers, correction, sums, i);
}

/** The same of two heads. */
@inline
function addTwo(
  values: usize,
  width: i32,
  first: i32,
  last: i32,
  powers: usize,
  others: usize,
  state: usize,
  otherState: usize,
): void {
  const correction = v128.load32_splat(state, CORRECTION);
  const otherCorrection = v128.load32_splat(otherState, CORRECTION);
  const sums = state + SUMS;
  const otherSums = otherState + SUMS;
  const row: usize = 4 * <usize>width;
  const end = powers + 4 * <usize>last;
  const distance = others - powers;
  let i: i32 = 0;
  for (; i + 16 <= width; i += 16) {
    const at = sums + 4 * <usize>i;
    const otherAt = otherSums + 4 * <usize>i;
    let a0 = f32x4.mul(v128.load(at), correction);
    let a1 = f32x4.mul(v128.load(at, 16), correction);
    let a2 = f32x4.mul(v128.load(at, 32), correction);
    let a3 = f32x4.mul(v128.load(at, 48), correction);
    let b0 = f32x4.mul(v128.load(otherAt), otherCorrection);
    let b1 = f32x4.mul(v128.load(otherAt, 16), otherCorrection);
    let b2 = f32x4.mul(v128.load(otherAt, 32), otherCorrection);
    let b3 = f32x4.mul(v128.load(otherAt, 48), otherCorrection);
    let v = values + row * <usize>first + 4 * <usize>i;
    for (let p = powers + 4 * <usize>first; p < end; p += 4, v += row) {
      const x = v128.load32_splat(p);
      const y = v128.load32_splat(p + distance);
      const v0 = v128.load(v);
      a0 = multiplyAdd(x, v0, a0);
      b0 = multiplyAdd(y, v0, b0);
      const v1 = v128.load(v, 16);
      a1 = multiplyAdd(x, v1, a1);
      b1 = multiplyAdd(y, v1, b1);
      const v2 = v128.load(v, 32);
      a2 = multiplyAdd(x, v2, a2);
      b2 = multiplyAdd(y, v2, b2);
      const v3 = v128.load(v, 48);
      a3 = multiplyAdd(x, v3, a3);
      b3 = multiplyAdd(y, v3, b3);
    }
    v128.store(at, a0);
    v128.store(at, a1, 16);
    v128.store(at, a2, 32);
    v128.store(at, a3, 48);
    v128.store(otherAt, b0);
    v128.store(otherAt, b1, 16);
    v128.store(otherAt, b2, 32);
    v128.store(otherAt, b3, 48);
  }
  for (; i < width; i += 4) {
    addFour(values, row, first, last, powers, correction, sums, i);
    addFour(values, row, first, last, others, otherCorrection, otherSums, i);
  }
}

/** Dimensions i .. i + 3 of one head. */
@inline
function addFour(
  values: usize,
  row: usize,
  first: i32,
  last: i32,
  powers: usize,
  correction: v128,
  sums: usize,
  i: i32,
): void {
  const at = sums + 4 * <usize>i;
  let a = f32x4.mul(v128.load(at), correction);
  let v = values + row * <usize>first + 4 * <usize>i;
  for (let place: i32 = first; place < last; place++, v += row) {
    a = multiplyAdd(v128.load32_splat(powers + 4 * <usize>place), v128.load(v), a);
  }
  v128.store(at, a);
}
