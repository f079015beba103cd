/**
 * Products with one token: each group of four rows is read once, in the order it lies in memory, two groups side by side that share
 * what is loaded of the activations. What limits them is memory, and on some machines its latency (see touch.ts).
 *
 * The arithmetic, here and in tiles.ts, operation by operation, so that both give the same bits: for each block in turn,
 * acc = multiplyAdd(f32(exact integer dot), weight scale x activation scale, acc); where there are minimums also
 * acc = multiplyAdd(minimum, activation scale x activation sum, acc); at the end acc + bias.
 */
import {
  blockBytes,
  fifthBits,
  gatherPairs,
  groupBytes,
  HEADER_BYTES,
  MINIMUM,
  PLAIN,
  SUPER16,
  SUPER32,
  sectionBlocks,
  sectionScaleBytes,
} from './blocks';
import {
  ACTIVATION_BYTES,
  addDot,
  firstDot,
  halfMaskInRegister,
  inRegister,
  loadActivations,
  loadHalvesBy,
  multiplyAdd,
  onesInRegister,
  PAIRS,
  storeLanes,
  total,
} from './dot';
import { FIRST_SUM, META_BYTES, SCALED_SUM, SECOND_SUM, SUM } from './quantize';
import { touch } from './touch';

/** Products of a [rows, 32 x blocks] matrix with one token's activations `q`, of which `meta` says scales and sums. */
@inline
export function matvec(
  bits: i32,
  scaling: i32,
  shift: i32,
  way: i32,
  weights: usize,
  rows: i32,
  blocks: i32,
  q: usize,
  meta: usize,
  out: usize,
  bias: usize,
): void {
  const group = groupBytes(bits, scaling, blocks);
  const count = (rows + 3) >> 2;
  const half = count >> 1;
  // Two streams, half the matrix apart, so that each goes on without a jump. An odd group, the last, is its own neighbour.
  for (let i = 0; i < count - half; i++) {
    const row = i < half ? 4 * i : 8 * half;
    const row2 = i < half ? 4 * (i + half) : row;
    const first = weights + <usize>(row >> 2) * group;
    const second = weights + <usize>(row2 >> 2) * group;
    if (scaling === SUPER16) superGroups(bits, shift, way, first, second, row, row2, rows, blocks, q, meta, out, bias);
    else groups(bits, scaling, shift, way, first, second, row, row2, rows, blocks, q, meta, out, bias);
  }
}

/** Adds the bias, if any, and stores the rows that there are. Biases are padded to four. */
@inline
export function finish(out: usize, bias: usize, row: i32, rows: i32, acc: v128): void {
  const offset = <usize>row * 4;
  if (bias) acc = f32x4.add(acc, v128.load(bias + offset));
  storeLanes(out + offset, acc, rows - row);
}

/** acc with a block's integer dot product added; excess: what excessOf gave. */
@inline
export function fold(dots: v128, shift: i32, excess: v128, scale: v128, activationScale: v128, acc: v128): v128 {
  if (shift) dots = i32x4.sub(dots, excess);
  return multiplyAdd(f32x4.convert_i32x4_s(dots), f32x4.mul(scale, activationScale), acc);
}

/** What weights too large by 2^shift have added to a dot product: the sum of activations at `sum` in `meta`, times 2^shift. */
@inline
export function excessOf(meta: usize, sum: usize, shift: i32): v128 {
  return i32x4.shl(v128.load32_splat(meta + sum), shift);
}

/** Four rows from `row` on, whose group is at `first`, and four from `row2` on, whose group is at `second`. */
@inline
function groups(
  bits: i32,
  scaling: i32,
  shift: i32,
  way: i32,
  first: usize,
  second: usize,
  row: i32,
  row2: i32,
  rows: i32,
  blocks: i32,
  q: usize,
  meta: usize,
  out: usize,
  bias: usize,
): void {
  const low = inRegister(15);
  const upper = inRegister(16);
  const ones = onesInRegister();
  const halfMask = halfMaskInRegister();
  const hasMinimum = scaling === MINIMUM || scaling === SUPER32;
  let factor = v128.load32_splat(first);
  let factor2 = v128.load32_splat(second);
  let minimumFactor = v128.load32_splat(first, 4);
  let minimumFactor2 = v128.load32_splat(second, 4);
  let p = first + HEADER_BYTES;
  let p2 = second + HEADER_BYTES;
  let scales = p;
  let scales2 = p2;
  let acc = f32x4.splat(0);
  let acc2 = acc;
  for (let block = 0; block < blocks; block++) {
    if (block % sectionBlocks(scaling) === 0) {
      const bytes = sectionScaleBytes(scaling, block, blocks);
      scales = p;
      scales2 = p2;
      p += bytes;
      p2 += bytes;
    }
    touch(bits, way, block, p);
    touch(bits, way, block, p2);
    if (scaling === SUPER32 && (block & 7) === 0) {
      factor = v128.load(scales);
      factor2 = v128.load(scales2);
      minimumFactor = v128.load(scales, 16);
      minimumFactor2 = v128.load(scales2, 16);
      scales += 32;
      scales2 += 32;
    }
    const a0 = loadActivations(q);
    const a1 = loadActivations(q + 4 * ACTIVATION_BYTES);
    const a2 = loadActivations(q + 8 * ACTIVATION_BYTES);
    const a3 = loadActivations(q + 12 * ACTIVATION_BYTES);
    const a4 = loadActivations(q + 16 * ACTIVATION_BYTES);
    const a5 = loadActivations(q + 20 * ACTIVATION_BYTES);
    const a6 = loadActivations(q + 24 * ACTIVATION_BYTES);
    const a7 = loadActivations(q + 28 * ACTIVATION_BYTES);
    const dots = dotBlock(bits, way, p, a0, a1, a2, a3, a4, a5, a6, a7, low, upper, ones);
    const dots2 = dotBlock(bits, way, p2, a0, a1, a2, a3, a4, a5, a6, a7, low, upper, ones);
    const activationScale = v128.load32_splat(meta);
    const excess = excessOf(meta, SUM, shift);
    const scaledSum = hasMinimum ? v128.load32_splat(meta, SCALED_SUM) : excess;
    if (scaling === SUPER32) {
      const bytes = v128.load8x8_u(scales);
      const bytes2 = v128.load8x8_u(scales2);
      acc = fold(dots, shift, excess, f32x4.mul(factor, firstBytes(bytes)), activationScale, acc);
      acc2 = fold(dots2, shift, excess, f32x4.mul(factor2, firstBytes(bytes2)), activationScale, acc2);
      acc = multiplyAdd(f32x4.mul(minimumFactor, secondBytes(bytes)), scaledSum, acc);
      acc2 = multiplyAdd(f32x4.mul(minimumFactor2, secondBytes(bytes2)), scaledSum, acc2);
    } else {
      const scale = f32x4.mul(loadHalvesBy(scales, halfMask), factor);
      const scale2 = f32x4.mul(loadHalvesBy(scales2, halfMask), factor2);
      acc = fold(dots, shift, excess, scale, activationScale, acc);
      acc2 = fold(dots2, shift, excess, scale2, activationScale, acc2);
      if (scaling === MINIMUM) {
        const minimum = f32x4.mul(loadHalvesBy(scales + 8, halfMask), minimumFactor);
        const minimum2 = f32x4.mul(loadHalvesBy(scales2 + 8, halfMask), minimumFactor2);
        acc = multiplyAdd(minimum, scaledSum, acc);
        acc2 = multiplyAdd(minimum2, scaledSum, acc2);
      }
    }
    scales += scaling === MINIMUM ? 16 : 8;
    scales2 += scaling === MINIMUM ? 16 : 8;
    p += blockBytes(bits);
    p2 += blockBytes(bits);
    q += 32 * ACTIVATION_BYTES;
    meta += META_BYTES;
  }
  finish(out, bias, row, rows, acc);
  finish(out, bias, row2, rows, acc2);
}

/** The same where each half of a block has a scale of its own (SUPER16). */
@inline
function superGroups(
  bits: i32,
  shift: i32,
  way: i32,
  first: usize,
  second: usize,
  row: i32,
  row2: i32,
  rows: i32,
  blocks: i32,
  q: usize,
  meta: usize,
  out: usize,
  bias: usize,
): void {
  const low = inRegister(bits === 6 ? 63 : 15);
  const upper = inRegister(bits === 6 ? 0xc0 : 16);
  const ones = onesInRegister();
  let p = first + HEADER_BYTES;
  let p2 = second + HEADER_BYTES;
  let scales = p;
  let scales2 = p2;
  let d = f32x4.splat(0);
  let d2 = d;
  let acc = d;
  let acc2 = d;
  for (let block = 0; block < blocks; block++) {
    if (block % sectionBlocks(SUPER16) === 0) {
      const bytes = sectionScaleBytes(SUPER16, block, blocks);
      scales = p;
      scales2 = p2;
      p += bytes;
      p2 += bytes;
    }
    touch(bits, way, block, p);
    touch(bits, way, block, p2);
    if ((block & 7) === 0) {
      d = v128.load(scales);
      d2 = v128.load(scales2);
      scales += 16;
      scales2 += 16;
    }
    const bytes = v128.load8x8_s(scales);
    const bytes2 = v128.load8x8_s(scales2);
    const activationScale = v128.load32_splat(meta);
    const a0 = loadActivations(q);
    const a1 = loadActivations(q + 4 * ACTIVATION_BYTES);
    const a2 = loadActivations(q + 8 * ACTIVATION_BYTES);
    const a3 = loadActivations(q + 12 * ACTIVATION_BYTES);
    const excess0 = excessOf(meta, FIRST_SUM, shift);
    const dots0 = dotHalf(bits, way, 0, p, a0, a1, a2, a3, low, upper, ones);
    acc = fold(dots0, shift, excess0, f32x4.mul(d, firstBytes(bytes)), activationScale, acc);
    const others0 = dotHalf(bits, way, 0, p2, a0, a1, a2, a3, low, upper, ones);
    acc2 = fold(others0, shift, excess0, f32x4.mul(d2, firstBytes(bytes2)), activationScale, acc2);
    const a4 = loadActivations(q + 16 * ACTIVATION_BYTES);
    const a5 = loadActivations(q + 20 * ACTIVATION_BYTES);
    const a6 = loadActivations(q + 24 * ACTIVATION_BYTES);
    const a7 = loadActivations(q + 28 * ACTIVATION_BYTES);
    const excess1 = excessOf(meta, SECOND_SUM, shift);
    const dots1 = dotHalf(bits, way, 1, p, a4, a5, a6, a7, low, upper, ones);
    acc = fold(dots1, shift, excess1, f32x4.mul(d, secondBytes(bytes)), activationScale, acc);
    const others1 = dotHalf(bits, way, 1, p2, a4, a5, a6, a7, low, upper, ones);
    acc2 = fold(others1, shift, excess1, f32x4.mul(d2, secondBytes(bytes2)), activationScale, acc2);
    scales += 8;
    scales2 += 8;
    p += blockBytes(bits);
    p2 += blockBytes(bits);
    q += 32 * ACTIVATION_BYTES;
    meta += META_BYTES;
  }
  finish(out, bias, row, rows, acc);
  finish(out, bias, row2, rows, acc2);
}

/** The first four of eight small integers as f32. */
@inline
export function firstBytes(integers: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(integers));
}

@inline
export function secondBytes(integers: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(integers));
}

/** a0 .. a7: the activations. low, upper: masks for what lies in the lower and upper bits. */
@inline
function dotBlock(
  bits: i32,
  way: i32,
  p: usize,
  a0: v128,
  a1: v128,
  a2: v128,
  a3: v128,
  a4: v128,
  a5: v128,
  a6: v128,
  a7: v128,
  low: v128,
  upper: v128,
  ones: v128,
): v128 {
  if (bits === 4 || (bits === 8 && way === PAIRS)) {
    const x0 = v128.load(p);
    const x1 = v128.load(p, 16);
    const x2 = v128.load(p, 32);
    const x3 = v128.load(p, 48);
    let c = firstDot(way, a0, v128.and(x0, low));
    c = addDot(way, a1, v128.and(x1, low), c);
    c = addDot(way, a2, v128.and(x2, low), c);
    c = addDot(way, a3, v128.and(x3, low), c);
    const y0 = v128.and(i16x8.shr_u(x0, 4), low);
    const y1 = v128.and(i16x8.shr_u(x1, 4), low);
    const y2 = v128.and(i16x8.shr_u(x2, 4), low);
    const y3 = v128.and(i16x8.shr_u(x3, 4), low);
    if (bits === 4) {
      if (way === PAIRS) {
        c = addDot(way, a7, y3, addDot(way, a6, y2, addDot(way, a5, y1, addDot(way, a4, y0, c))));
        return total(way, c, ones);
      }
      const d = addDot(way, a7, y3, addDot(way, a6, y2, addDot(way, a5, y1, firstDot(way, a4, y0))));
      return i32x4.add(c, d);
    }
    // 16 x upper four bits + lower four.
    let d = addDot(way, a3, y3, addDot(way, a2, y2, addDot(way, a1, y1, firstDot(way, a0, y0))));
    const x4 = v128.load(p, 64);
    const x5 = v128.load(p, 80);
    const x6 = v128.load(p, 96);
    const x7 = v128.load(p, 112);
    c = addDot(way, a4, v128.and(x4, low), c);
    d = addDot(way, a4, v128.and(i16x8.shr_u(x4, 4), low), d);
    c = addDot(way, a5, v128.and(x5, low), c);
    d = addDot(way, a5, v128.and(i16x8.shr_u(x5, 4), low), d);
    c = addDot(way, a6, v128.and(x6, low), c);
    d = addDot(way, a6, v128.and(i16x8.shr_u(x6, 4), low), d);
    c = addDot(way, a7, v128.and(x7, low), c);
    d = addDot(way, a7, v128.and(i16x8.shr_u(x7, 4), low), d);
    return i32x4.add(total(way, c, ones), i32x4.shl(total(way, d, ones), 4));
  }
  const first = dotHalf(bits, way, 0, p, a0, a1, a2, a3, low, upper, ones);
  return i32x4.add(first, dotHalf(bits, way, 1, p, a4, a5, a6, a7, low, upper, ones));
}

/** Columns 0 .. 15 (half 0) or 16 .. 31 (half 1) of a block; a0 .. a3: their activations. */
@inline
function dotHalf(
  bits: i32,
  way: i32,
  half: i32,
  p: usize,
  a0: v128,
  a1: v128,
  a2: v128,
  a3: v128,
  low: v128,
  upper: v128,
  ones: v128,
): v128 {
  if (bits === 6) {
    if (half) p += 48;
    const x0 = v128.load(p);
    const x1 = v128.load(p, 16);
    const x2 = v128.load(p, 32);
    const c = addDot(way, a1, v128.and(x1, low), firstDot(way, a0, v128.and(x0, low)));
    const x3 = gatherPairs(x0, x1, x2, upper);
    if (way !== PAIRS) return addDot(way, a3, x3, addDot(way, a2, v128.and(x2, low), c));
    const d = addDot(way, a3, x3, firstDot(way, a2, v128.and(x2, low)));
    return i32x4.add(total(way, c, ones), total(way, d, ones));
  }
  let c = firstDot(way, a0, vectorOf(bits, p, 4 * half, low, upper));
  c = addDot(way, a1, vectorOf(bits, p, 4 * half + 1, low, upper), c);
  c = addDot(way, a2, vectorOf(bits, p, 4 * half + 2, low, upper), c);
  c = addDot(way, a3, vectorOf(bits, p, 4 * half + 3, low, upper), c);
  return total(way, c, ones);
}

/** Vector v (a constant) of a block of 4, 5 or 8 bits. */
@inline
function vectorOf(bits: i32, p: usize, v: i32, low: v128, upper: v128): v128 {
  if (bits === 8) return loadVector(p, v);
  const packed = loadVector(p, v & 3);
  const low4 = v128.and(v < 4 ? packed : i16x8.shr_u(packed, 4), low);
  return bits === 4 ? low4 : v128.or(low4, fifthBits(v128.load(p, 64), v, upper));
}

/** The v-th sixteen bytes: with a constant offset, which costs no addition. */
@inline
function loadVector(p: usize, v: i32): v128 {
  if (v === 0) return v128.load(p);
  if (v === 1) return v128.load(p, 16);
  if (v === 2) return v128.load(p, 32);
  if (v === 3) return v128.load(p, 48);
  if (v === 4) return v128.load(p, 64);
  if (v === 5) return v128.load(p, 80);
  return v === 6 ? v128.load(p, 96) : v128.load(p, 112);
}
