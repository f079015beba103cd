/**
 * Products with float weights and f32 activations. Four rows lie together, column by column, lanes = rows; F16 groups start with
 * a header of 16 bytes, the power of two that undoes the one packing multiplied by (see pack.ts). Sums go in blocks of 32 columns,
 * even and odd columns apart, so that long rows neither wait for one chain nor lose digits in one sum.
 */
import { HALF_BIAS, multiplyAdd } from './dot';
import { fromHalf, headroom, powerOfTwo, toHalf } from './halves';
import { finish } from './matvec';

const F32: i32 = 0;
const F16: i32 = 1;
const BF16: i32 = 2;

@inline
function groupBytes(type: i32, columns: i32): usize {
  return type === F32 ? 16 * <usize>columns : type === F16 ? 16 + 8 * <usize>columns : 8 * <usize>columns;
}

/** Four rows of one column, as f32; `factor` is the group's. */
@inline
function column(type: i32, p: usize, factor: v128): v128 {
  if (type === F32) return v128.load(p);
  const halves = v128.load16x4_u(p);
  const high = i32x4.shl(halves, 16);
  if (type === BF16) return high;
  return f32x4.mul(v128.and(i32x4.shr_s(high, 3), i32x4.splat(0x8fffffff)), factor);
}

@inline
function product(
  type: i32,
  weights: usize,
  rows: i32,
  columns: i32,
  x: usize,
  tokens: i32,
  out: usize,
  outStride: usize,
  bias: usize,
): void {
  const xStride: usize = 4 * <usize>columns;
  for (let row: i32 = 0; row < rows; row += 4) {
    let token: i32 = 0;
    let from = x;
    let to = out;
    for (; token + 4 <= tokens; token += 4) {
      fourTokens(type, weights, rows, columns, from, xStride, to, outStride, bias, row);
      from += 4 * xStride;
      to += 4 * outStride;
    }
    for (; token < tokens; token++) {
      finish(to, bias, row, rows, oneToken(type, weights, columns, from));
      from += xStride;
      to += outStride;
    }
    weights += groupBytes(type, columns);
  }
}

@inline
function oneToken(type: i32, weights: usize, columns: i32, x: usize): v128 {
  const bytes: usize = type === F32 ? 16 : 8;
  const factor = type === F16 ? v128.load32_splat(weights) : f32x4.splat(1);
  let p = type === F16 ? weights + 16 : weights;
  let acc = f32x4.splat(0);
  for (let start: i32 = 0; start < columns; start += 32) {
    let even = f32x4.splat(0);
    let odd = f32x4.splat(0);
    const end = p + bytes * min(32, columns - start);
    if ((start * <i32>bytes) % 512 === 0) touchLines(p + 1024);
    for (; p + bytes < end; p += 2 * bytes) {
      even = multiplyAdd(column(type, p, factor), v128.load32_splat(x), even);
      odd = multiplyAdd(column(type, p + bytes, factor), v128.load32_splat(x, 4), odd);
      x += 8;
    }
    if (p < end) {
      even = multiplyAdd(column(type, p, factor), v128.load32_splat(x), even);
      x += 4;
      p += bytes;
    }
    acc = f32x4.add(acc, f32x4.add(even, odd));
  }
  return acc;
}

@inline
function fourTokens(
  type: i32,
  weights: usize,
  rows: i32,
  columns: i32,
  x: usize,
  xStride: usize,
  out: usize,
  outStride: usize,
  bias: usize,
  row: i32,
): void {
  const bytes: usize = type === F32 ? 16 : 8;
  const factor = type === F16 ? v128.load32_splat(weights) : f32x4.splat(1);
  const zero = f32x4.splat(0);
  let p = type === F16 ? weights + 16 : weights;
  let x1 = x + xStride;
  let x2 = x1 + xStride;
  let x3 = x2 + xStride;
  let acc0 = zero;
  let acc1 = zero;
  let acc2 = zero;
  let acc3 = zero;
  for (let start: i32 = 0; start < columns; start += 32) {
    let even0 = zero;
    let even1 = zero;
    let even2 = zero;
    let even3 = zero;
    let odd0 = zero;
    let odd1 = zero;
    let odd2 = zero;
    let odd3 = zero;
    const end = p + bytes * min(32, columns - start);
    for (; p + bytes < end; p += 2 * bytes) {
      const u = column(type, p, factor);
      even0 = multiplyAdd(u, v128.load32_splat(x), even0);
      even1 = multiplyAdd(u, v128.load32_splat(x1), even1);
      even2 = multiplyAdd(u, v128.load32_splat(x2), even2);
      even3 = multiplyAdd(u, v128.load32_splat(x3), even3);
      const w = column(type, p + bytes, factor);
      odd0 = multiplyAdd(w, v128.load32_splat(x, 4), odd0);
      odd1 = multiplyAdd(w, v128.load32_splat(x1, 4), odd1);
      odd2 = multiplyAdd(w, v128.load32_splat(x2, 4), odd2);
      odd3 = multiplyAdd(w, v128.load32_splat(x3, 4), odd3);
      x += 8;
      x1 += 8;
      x2 += 8;
      x3 += 8;
    }
    if (p < end) {
      const u = column(type, p, factor);
      even0 = multiplyAdd(u, v128.load32_splat(x), even0);
      even1 = multiplyAdd(u, v128.load32_splat(x1), even1);
      even2 = multiplyAdd(u, v128.load32_splat(x2), even2);
      even3 = multiplyAdd(u, v128.load32_splat(x3), even3);
      x += 4;
      x1 += 4;
      x2 += 4;
      x3 += 4;
      p += bytes;
    }
    acc0 = f32x4.add(acc0, f32x4.add(even0, odd0));
    acc1 = f32x4.add(acc1, f32x4.add(even1, odd1));
    acc2 = f32x4.add(acc2, f32x4.add(even2, odd2));
    acc3 = f32x4.add(acc3, f32x4.add(even3, odd3));
  }
  finish(out, bias, row, rows, acc0);
  finish(out + outStride, bias, row, rows, acc1);
  finish(out + 2 * outStride, bias, row, rows, acc2);
  finish(out + 3 * outStride, bias, row, rows, acc3);
}

@inline
function touchLines(p: usize): void {
  load<u8>(p);
  load<u8>(p, 64);
  load<u8>(p, 128);
  load<u8>(p, 192);
  load<u8>(p, 256);
  load<u8>(p, 320);
  load<u8>(p, 384);
  load<u8>(p, 448);
}

/** Packs four rows of `columns` values each. Returns 0 if one is not finite, else 1. */
@inline
function pack(type: i32, values: usize, columns: i32, out: usize): i32 {
  let exponent: i32 = 0;
  if (type === F16) {
    let largest: f32 = 0;
    for (let i: i32 = 0; i < 4 * columns; i++) largest = max(largest, abs(fromHalf(load<u16>(values + 2 * <usize>i))));
    if (!(largest <= 65504)) return 0;
    exponent = headroom(largest);
    store<f32>(out, HALF_BIAS * powerOfTwo(-exponent));
    out += 16;
  }
  for (let lane: i32 = 0; lane < 4; lane++) {
    for (let i: i32 = 0; i < columns; i++) {
      if (type === F32) {
        const value = load<f32>(values + 4 * <usize>(lane * columns + i));
        if (!(abs(value) <= f32.MAX_VALUE)) return 0;
        store<f32>(out + 4 * <usize>(4 * i + lane), value);
      } else {
        let bits = <u32>load<u16>(values + 2 * <usize>(lane * columns + i));
        if (type === BF16 && (bits & 0x7f80) === 0x7f80) return 0;
        if (type === F16) bits = toHalf(fromHalf(bits) * powerOfTwo(exponent));
        store<u16>(out + 2 * <usize>(4 * i + lane), <u16>bits);
      }
    }
  }
  return 1;
}

@inline
function row(type: i32, weights: usize, index: i32, columns: i32, out: usize): void {
  const group = weights + groupBytes(type, columns) * <usize>(index >> 2);
  const factor = type === F16 ? v128.load32_splat(group) : f32x4.splat(1);
  let p = type === F16 ? group + 16 : group;
  for (let i: i32 = 0; i < columns; i++) {
    v128.store(0, column(type, p, factor));
    store<f32>(out + 4 * <usize>i, load<f32>(4 * <usize>(index & 3)));
    p += type === F32 ? 16 : 8;
  }
}

// As in products.ts, with f32 activations x: [tokens, columns].

export function productF32(weights: usize, rows: i32, columns: i32, x: usize, tokens: i32, out: usize, outStride: usize, bias: usize): void {
  product(F32, weights, rows, columns, x, tokens, out, outStride, bias);
}
export function rowF32(weights: usize, index: i32, columns: i32, out: usize): void {
  row(F32, weights, index, columns, out);
}
export function packF32(values: usize, columns: i32, out: usize): i32 {
  return pack(F32, values, columns, out);
}

export function productF16(weights: usize, rows: i32, columns: i32, x: usize, tokens: i32, out: usize, outStride: usize, bias: usize): void {
  product(F16, weights, rows, columns, x, tokens, out, outStride, bias);
}
export function rowF16(weights: usize, index: i32, columns: i32, out: usize): void {
  row(F16, weights, index, columns, out);
}
export function packF16(values: usize, columns: i32, out: usize): i32 {
  return pack(F16, values, columns, out);
}

export function productBF16(weights: usize, rows: i32, columns: i32, x: usize, tokens: i32, out: usize, outStride: usize, bias: usize): void {
  product(BF16, weights, rows, columns, x, tokens, out, outStride, bias);
}
export function rowBF16(weights: usize, index: i32, columns: i32, out: usize): void {
  row(BF16, weights, index, columns, out);
}
export function packBF16(values: usize, columns: i32, out: usize): i32 {
  return pack(BF16, values, columns, out);
}
