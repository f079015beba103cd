/**
 * Products with one token: each group of four rows is read once, in the order it lies in memory. What limits them is the
 * latency of memory: eight lines ahead are touched (one byte read each) together, so that their misses overlap.
 *
 * The arithmetic, here and in tiles.ts, operation by operation, so that both give the same bits: for each block in turn,
 * acc = multiplyAdd(f32(exact integer dot), weight scale x activation scale, acc); where there are minimums also
 * acc = multiplyAdd(minimum, activation scale x activation sum, acc); at the end acc + bias.
 */
import { blockBytes, HEADER_BYTES, MINIMUM, PLAIN, SUPER16, SUPER32, scaleBytes, weightVector } from './blocks';
import { ACTIVATION_BYTES, dot, loadHalves, multiplyAdd, storeLanes } from './dot';
import { FIRST_SUM, META_BYTES, SCALED_SUM, SECOND_SUM, SUM } from './quantize';

/** How far ahead lines are touched. Memory after the last weight must reach this far, twice. */
@inline
const AHEAD: usize = 640;

/** Products of a [rows, 32 x blocks] matrix with one token's activations `q`, of which `meta` says scales and sums. */
@inline
export function matvec(
  bits: i32,
  scaling: i32,
  shift: i32,
  wide: i32,
  weights: usize,
  rows: i32,
  blocks: i32,
  q: usize,
  meta: usize,
  out: usize,
  bias: usize,
): void {
  let at = weights;
  for (let row = 0; row < rows; row += 4) {
    const scales = at + HEADER_BYTES;
    const quants = scales + scaleBytes(scaling, blocks);
    let acc: v128;
    if (scaling === PLAIN || scaling === MINIMUM) {
      acc = simpleGroup(bits, scaling, shift, wide, at, scales, quants, blocks, q, meta);
    } else {
      acc = superGroup(bits, scaling, shift, wide, scales, quants, blocks, q, meta);
    }
    finish(out, bias, row, rows, acc);
    at = quants + blockBytes(bits) * <usize>blocks;
  }
}

/** Adds the bias, if any, and stores the rows that there are. Biases are padded to four. */
@inline
export function finish(out: usize, bias: usize, row: i32, rows: i32, acc: v128): void {
  const offset = <usize>row * 4;
  if (bias) acc = f32x4.add(acc, v128.load(bias + offset));
  storeLanes(out + offset, acc, rows - row);
}

/** acc with a block's integer dot product added: `sum` counts the activations whose weights are too large by 2^shift. */
@inline
export function fold(dots: v128, shift: i32, sum: usize, scale: v128, activationScale: v128, acc: v128): v128 {
  if (shift) dots = i32x4.sub(dots, i32x4.shl(v128.load32_splat(sum), shift));
  return multiplyAdd(f32x4.convert_i32x4_s(dots), f32x4.mul(scale, activationScale), acc);
}

@inline
function simpleGroup(
  bits: i32,
  scaling: i32,
  shift: i32,
  wide: i32,
  header: usize,
  scales: usize,
  quants: usize,
  blocks: i32,
  q: usize,
  meta: usize,
): v128 {
  const scaleFactor = v128.load32_splat(header);
  const minimumFactor = v128.load32_splat(header, 4);
  let acc = f32x4.splat(0);
  for (let block = 0; block < blocks; block++) {
    touch(bits, block, quants);
    const scale = f32x4.mul(loadHalves(scales), scaleFactor);
    acc = fold(dotBlock(bits, wide, quants, q), shift, meta + SUM, scale, v128.load32_splat(meta), acc);
    if (scaling === MINIMUM) {
      acc = multiplyAdd(f32x4.mul(loadHalves(scales + 8), minimumFactor), v128.load32_splat(meta, SCALED_SUM), acc);
    }
    scales += scaling === MINIMUM ? 16 : 8;
    quants += blockBytes(bits);
    q += 32 * ACTIVATION_BYTES;
    meta += META_BYTES;
  }
  return acc;
}

@inline
function superGroup(
  bits: i32,
  scaling: i32,
  shift: i32,
  wide: i32,
  scales: usize,
  quants: usize,
  blocks: i32,
  q: usize,
  meta: usize,
): v128 {
  let acc = f32x4.splat(0);
  let d = f32x4.splat(0);
  let minimum = f32x4.splat(0);
  for (let block = 0; block < blocks; block++) {
    touch(bits, block, quants);
    if ((block & 7) === 0) {
      d = v128.load(scales);
      if (scaling === SUPER32) minimum = v128.load(scales, 16);
      scales += scaling === SUPER32 ? 32 : 16;
    }
    const activationScale = v128.load32_splat(meta);
    if (scaling === SUPER32) {
      const scale = f32x4.mul(d, f32x4.convert_i32x4_u(loadBytes(scales)));
      acc = fold(dotBlock(bits, wide, quants, q), shift, meta + SUM, scale, activationScale, acc);
      const least = f32x4.mul(minimum, f32x4.convert_i32x4_u(loadBytes(scales + 4)));
      acc = multiplyAdd(least, v128.load32_splat(meta, SCALED_SUM), acc);
    } else {
      const first = f32x4.mul(d, f32x4.convert_i32x4_s(loadSignedBytes(scales)));
      const second = f32x4.mul(d, f32x4.convert_i32x4_s(loadSignedBytes(scales + 4)));
      const zero = i32x4.splat(0);
      acc = fold(dotHalf(bits, wide, 0, quants, q, zero), shift, meta + FIRST_SUM, first, activationScale, acc);
      acc = fold(dotHalf(bits, wide, 1, quants, q, zero), shift, meta + SECOND_SUM, second, activationScale, acc);
    }
    scales += 8;
    quants += blockBytes(bits);
    q += 32 * ACTIVATION_BYTES;
    meta += META_BYTES;
  }
  return acc;
}

/** Four bytes as unsigned integers. */
@inline
export function loadBytes(p: usize): v128 {
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(p)));
}

@inline
export function loadSignedBytes(p: usize): v128 {
  return i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(p)));
}

/** Two chains of dependent sums run side by side. */
@inline
function dotBlock(bits: i32, wide: i32, p: usize, q: usize): v128 {
  const zero = i32x4.splat(0);
  return i32x4.add(dotHalf(bits, wide, 0, p, q, zero), dotHalf(bits, wide, 1, p, q, zero));
}

/** Columns 0 .. 15 (half 0) or 16 .. 31 (half 1) of a block. */
@inline
function dotHalf(bits: i32, wide: i32, half: i32, p: usize, q: usize, c: v128): v128 {
  const a = q + 16 * ACTIVATION_BYTES * half;
  c = dot(wide, a, weightVector(bits, p, 4 * half), c);
  c = dot(wide, a + 4 * ACTIVATION_BYTES, weightVector(bits, p, 4 * half + 1), c);
  c = dot(wide, a + 8 * ACTIVATION_BYTES, weightVector(bits, p, 4 * half + 2), c);
  return dot(wide, a + 12 * ACTIVATION_BYTES, weightVector(bits, p, 4 * half + 3), c);
}

/** Every 512 bytes or so, the eight lines AHEAD; five-bit blocks need ten, six-bit ones twelve. */
@inline
export function touch(bits: i32, block: i32, p: usize): void {
  if (block & (bits === 8 ? 3 : 7)) return;
  touchLines(p + AHEAD);
  touchLines(p + AHEAD + 256);
  if (bits === 5 || bits === 6) touchLines(p + AHEAD + 512);
}

@inline
function touchLines(p: usize): void {
  load<u8>(p);
  load<u8>(p, 64);
  load<u8>(p, 128);
  load<u8>(p, 192);
}
