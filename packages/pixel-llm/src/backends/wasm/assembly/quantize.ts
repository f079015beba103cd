/**
 * Activations for integer products: blocks of 32 become 8-bit integers with one scale, as ActivationMode `q8` in program.ts says.
 */
import { ACTIVATION_BYTES } from './dot';

/** What is noted of each block of a token: scale f32, sum of the integers i32, scale x sum f32, sums of either half i32. */
export const META_BYTES: usize = 20;
export const SUM: usize = 4;
export const SCALED_SUM: usize = 8;
export const FIRST_SUM: usize = 12;
export const SECOND_SUM: usize = 16;

/** Below this a block is zeros. */
const LEAST: f32 = 7.888609052210118e-31; // 2^-100

/** x: [blocks x 32] f32, the rows of all tokens together. q: as many integers; meta: one record a block. */
export function quantizeRows(x: usize, blocks: i32, q: usize, meta: usize): void {
  for (let block = 0; block < blocks; block++) {
    const largest = largestOf(x);
    const isZero = !(largest >= LEAST);
    const scale: f32 = isZero ? 0 : largest / 127;
    const inverse = f32x4.splat(isZero ? 0 : 127 / largest);
    const first = quantizeHalf(x, inverse, q);
    const second = quantizeHalf(x + 64, inverse, q + 16 * ACTIVATION_BYTES);
    store<f32>(meta, scale);
    store<i32>(meta, first + second, SUM);
    store<f32>(meta, scale * <f32>(first + second), SCALED_SUM);
    store<i32>(meta, first, FIRST_SUM);
    store<i32>(meta, second, SECOND_SUM);
    x += 128;
    q += 32 * ACTIVATION_BYTES;
    meta += META_BYTES;
  }
}

/** The same rounding for float weights: out = integer x scale. The last block of a row may be short. In place is allowed. */
export function roundRows(x: usize, tokens: i32, columns: i32, out: usize): void {
  for (let token = 0; token < tokens; token++) {
    for (let start = 0; start < columns; start += 32) {
      roundBlock(x, min(32, columns - start), out);
      x += <usize>min(32, columns - start) * 4;
      out += <usize>min(32, columns - start) * 4;
    }
  }
}

function roundBlock(x: usize, count: i32, out: usize): void {
  let largest: f32 = 0;
  for (let i = 0; i < count; i++) largest = max(largest, abs(load<f32>(x + 4 * <usize>i)));
  const isZero = !(largest >= LEAST);
  const inverse: f32 = isZero ? 0 : 127 / largest;
  const scale: f32 = isZero ? 0 : largest / 127;
  for (let i = 0; i < count; i++) store<f32>(out + 4 * <usize>i, nearest(load<f32>(x + 4 * <usize>i) * inverse) * scale);
}

function largestOf(x: usize): f32 {
  let largest = f32x4.abs(v128.load(x));
  for (let i: usize = 16; i < 128; i += 16) largest = f32x4.max(largest, f32x4.abs(v128.load(x + i)));
  const pairs = f32x4.max(largest, v128.shuffle<i32>(largest, largest, 2, 3, 0, 1));
  return max(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/** Sixteen values; returns the sum of their integers. */
@inline
function quantizeHalf(x: usize, inverse: v128, q: usize): i32 {
  const a = integers(x, inverse);
  const b = integers(x + 16, inverse);
  const c = integers(x + 32, inverse);
  const d = integers(x + 48, inverse);
  const low = i16x8.narrow_i32x4_s(a, b);
  const high = i16x8.narrow_i32x4_s(c, d);
  if (ASC_FEATURE_RELAXED_SIMD) {
    v128.store(q, i8x16.narrow_i16x8_s(low, high));
  } else {
    v128.store(q, low);
    v128.store(q, high, 16);
  }
  const sums = i32x4.add(i32x4.add(a, b), i32x4.add(c, d));
  return (
    i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3)
  );
}

@inline
function integers(x: usize, inverse: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x), inverse)));
}
