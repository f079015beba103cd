/** Norms and softmax: one pass over a row for its sums, one for its result. Each row by itself, in one order. */
import { multiplyAdd, storeLanes } from './dot';
import { exponential, maxLanes, sumLanes } from './exponential';

/** x, out: [groups, size]; gain: [size, padded]. */
export function rmsNorm(x: usize, groups: i32, size: i32, gain: usize, epsilon: f32, out: usize): void {
  for (let group: i32 = 0; group < groups; group++) {
    const mean = sumOfSquares(x, size, 0) / <f32>size;
    const factor = f32x4.splat(1.0 / sqrt(mean + epsilon));
    for (let i: i32 = 0; i < size; i += 4) {
      const at: usize = 4 * <usize>i;
      storeLanes(out + at, f32x4.mul(f32x4.mul(v128.load(x + at), factor), v128.load(gain + at)), size - i);
    }
    x += 4 * <usize>size;
    out += 4 * <usize>size;
  }
}

export function layerNorm(x: usize, groups: i32, size: i32, gain: usize, bias: usize, epsilon: f32, out: usize): void {
  for (let group: i32 = 0; group < groups; group++) {
    const mean = sum(x, size) / <f32>size;
    const factor = f32x4.splat(1.0 / sqrt(sumOfSquares(x, size, mean) / <f32>size + epsilon));
    for (let i: i32 = 0; i < size; i += 4) {
      const at: usize = 4 * <usize>i;
      const centred = f32x4.mul(f32x4.sub(v128.load(x + at), f32x4.splat(mean)), factor);
      storeLanes(out + at, f32x4.add(f32x4.mul(centred, v128.load(gain + at)), v128.load(bias + at)), size - i);
    }
    x += 4 * <usize>size;
    out += 4 * <usize>size;
  }
}

/** Over rows of `size` values. A row without any finite value gives NaN, as the definition does. */
export function softmax(x: usize, rows: i32, size: i32, out: usize): void {
  for (let row: i32 = 0; row < rows; row++) {
    const largest = f32x4.splat(maximum(x, size));
    let sums = f32x4.splat(0);
    for (let i: i32 = 0; i < size; i += 4) {
      const at: usize = 4 * <usize>i;
      const powers = v128.and(exponential(f32x4.sub(v128.load(x + at), largest)), lanesBelow(size - i));
      sums = f32x4.add(sums, powers);
      storeLanes(out + at, powers, size - i);
    }
    const inverse = f32x4.splat(1.0 / sumLanes(sums));
    for (let i: i32 = 0; i < size; i += 4) {
      const at: usize = 4 * <usize>i;
      storeLanes(out + at, f32x4.mul(v128.load(out + at), inverse), size - i);
    }
    x += 4 * <usize>size;
    out += 4 * <usize>size;
  }
}

/** All bits of the first `count` lanes. */
@inline
export function lanesBelow(count: i32): v128 {
  return i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(count));
}

function sum(x: usize, size: i32): f32 {
  let sums = f32x4.splat(0);
  for (let i: i32 = 0; i < size; i += 4) {
    sums = f32x4.add(sums, v128.and(v128.load(x + 4 * <usize>i), lanesBelow(size - i)));
  }
  return sumLanes(sums);
}

function sumOfSquares(x: usize, size: i32, mean: f32): f32 {
  let even = f32x4.splat(0);
  let odd = f32x4.splat(0);
  for (let i: i32 = 0; i < size; i += 8) {
    const first = centred(x + 4 * <usize>i, mean, size - i);
    const second = centred(x + 4 * <usize>i + 16, mean, size - i - 4);
    even = multiplyAdd(first, first, even);
    odd = multiplyAdd(second, second, odd);
  }
  return sumLanes(f32x4.add(even, odd));
}

@inline
function centred(x: usize, mean: f32, count: i32): v128 {
  return v128.and(f32x4.sub(v128.load(x), f32x4.splat(mean)), lanesBelow(count));
}

function maximum(x: usize, size: i32): f32 {
  let largest = f32x4.splat(-Infinity);
  for (let i: i32 = 0; i < size; i += 4) {
    const values = v128.bitselect(v128.load(x + 4 * <usize>i), f32x4.splat(-Infinity), lanesBelow(size - i));
    largest = f32x4.max(largest, values);
  }
  return maxLanes(largest);
}
