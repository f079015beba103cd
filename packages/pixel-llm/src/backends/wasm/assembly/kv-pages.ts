/**
 * How a page of one key/value head is kept: keys [headDim, stride], a column a position, then values [stride, width], a row a
 * position; in f16, or in 8 bits with an f32 scale for 32 dimensions of a position. In 8 bits scales follow the integers: of keys
 * [blocks, stride], then of values [stride, blocks], blocks = headDim / 32, rounded up.
 */
import { HALF_BIAS, loadHalves } from './dot';
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

/** Widens a page to f32. */
export function widenPage(page: usize, headDim: i32, stride: i32, width: i32, out: usize): void {
  const end = page + 2 * <usize>(headDim * stride + stride * width);
  for (; page < end; page += 8, out += 16) {
    v128.store(out, f32x4.mul(loadHalves(page), f32x4.splat(HALF_BIAS)));
  }
}

/** As storeKeyValue, in 8 bits: x / scale to the nearest integer, half to even, scale = largest / 127. */
export function storeKeyValueQ8(k: usize, v: usize, headDim: i32, page: usize, place: i32, stride: i32, width: i32): void {
  const values = page + <usize>headDim * stride;
  const keyScales = values + <usize>stride * width;
  const blocks = (headDim + 31) >> 5;
  const valueScales = keyScales + 4 * <usize>(blocks * stride + blocks * place);
  for (let block: i32 = 0; block < blocks; block++) {
    const start = 32 * block;
    const count = min(32, headDim - start);
    const keyScale = storeBlock(k + 4 * <usize>start, count, page + <usize>(start * stride + place), stride);
    const valueScale = storeBlock(v + 4 * <usize>start, count, values + <usize>(place * width + start), 1);
    store<f32>(keyScales + 4 * <usize>(block * stride + place), keyScale);
    store<f32>(valueScales + 4 * <usize>block, valueScale);
  }
}

/** Stores `count` integers, `step` bytes apart; returns their scale. */
function storeBlock(x: usize, count: i32, to: usize, step: i32): f32 {
  let largest: f32 = 0;
  for (let i: i32 = 0; i < count; i++) largest = max(largest, abs(load<f32>(x + 4 * <usize>i)));
  // A block with infinities or NaN is kept as zeros: its scale would make all of it so.
  const isUsable = largest >= LEAST && largest < Infinity;
  const scale: f32 = isUsable ? largest / 127 : 0;
  const inverse: f32 = isUsable ? 127 / largest : 0;
  for (let i: i32 = 0; i < count; i++) {
    store<i8>(to + <usize>(i * step), <i8>(<i32>nearest(load<f32>(x + 4 * <usize>i) * inverse)));
  }
  return scale;
}

/** Below this a block is zeros. */
const LEAST: f32 = 7.888609052210118e-31; // 2^-100

export function widenPageQ8(page: usize, headDim: i32, stride: i32, width: i32, out: usize): void {
  const values = page + <usize>headDim * stride;
  const keyScales = values + <usize>stride * width;
  const blocks = (headDim + 31) >> 5;
  let scales = keyScales + 4 * <usize>(blocks * stride);
  for (let i: i32 = 0; i < headDim; i++) {
    let scale = keyScales + 4 * <usize>((i >> 5) * stride);
    for (let end = page + <usize>stride; page < end; page += 4, scale += 16, out += 16) {
      v128.store(out, f32x4.mul(integers(page), v128.load(scale)));
    }
  }
  for (let place: i32 = 0; place < stride; place++) {
    for (let i: i32 = 0; i < width; i += 4, page += 4, out += 16) {
      v128.store(out, f32x4.mul(integers(page), v128.load32_splat(scales + 4 * <usize>(i >> 5))));
    }
    scales += 4 * <usize>blocks;
  }
}

@inline
function integers(p: usize): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(p))));
}
