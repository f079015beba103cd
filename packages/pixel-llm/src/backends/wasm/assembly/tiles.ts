/**
 * Products with several tokens: two groups of four rows are unpacked to bytes and f32 scales ("panels", in cache), then four
 * tokens at a time pass over them. Operation by operation the sums are those of matvec.ts, so a token's result does not depend on
 * how many others are there.
 */
import {
  blockBytes,
  groupBytes,
  HEADER_BYTES,
  MINIMUM,
  PLAIN,
  SUPER16,
  SUPER32,
  scaleBytes,
  weightVector,
} from './blocks';
import { ACTIVATION_BYTES, addDot, inRegister, loadActivations, loadHalves, multiplyAdd, onesInRegister, PAIRS, room, total } from './dot';
import { excessOf, finish, firstBytes, fold, secondBytes, touch } from './matvec';
import { FIRST_SUM, META_BYTES, SCALED_SUM, SUM } from './quantize';

/** Bytes of a panel's block: 128 of weights, four scales of each half, four minimums. */
const PANEL_BLOCK: usize = 176;
const SCALES: usize = 128;
const MINIMUMS: usize = 160;

/** Bytes of the scratch that `tiles` needs for one of its two panels. */
export function panelBytes(blocks: i32): usize {
  return PANEL_BLOCK * <usize>blocks;
}

/** q, meta: the tokens' rows one after another; out: [tokens, outStride] f32. panels: 2 x panelBytes. */
@inline
export function tiles(
  bits: i32,
  scaling: i32,
  shift: i32,
  way: i32,
  weights: usize,
  rows: i32,
  blocks: i32,
  q: usize,
  meta: usize,
  tokens: i32,
  out: usize,
  outStride: usize,
  bias: usize,
  panels: usize,
): void {
  const group = groupBytes(bits, scaling, blocks);
  const qStride: usize = 32 * ACTIVATION_BYTES * <usize>blocks;
  const metaStride: usize = META_BYTES * <usize>blocks;
  const second = panels + panelBytes(blocks);
  for (let row = 0; row < rows; row += 8) {
    unpackGroup(bits, scaling, way, weights, blocks, panels);
    weights += group;
    if (row + 4 < rows) unpackGroup(bits, scaling, way, weights, blocks, second);
    weights += group;
    let token = 0;
    let a = q;
    let m = meta;
    let to = out;
    for (; token + 4 <= tokens; token += 4) {
      fourTokens(bits, scaling, shift, way, panels, second, blocks, a, qStride, m, metaStride, to, outStride, bias, row, rows);
      a += 4 * qStride;
      m += 4 * metaStride;
      to += 4 * outStride;
    }
    for (; token < tokens; token++) {
      finish(to, bias, row, rows, oneToken(bits, scaling, shift, way, panels, blocks, a, m));
      if (row + 4 < rows) finish(to, bias, row + 4, rows, oneToken(bits, scaling, shift, way, second, blocks, a, m));
      a += qStride;
      m += metaStride;
      to += outStride;
    }
  }
}

/** A group's weights as bytes and f32 scales: [blocks][PANEL_BLOCK]. */
@inline
export function unpackGroup(bits: i32, scaling: i32, way: i32, group: usize, blocks: i32, panel: usize): void {
  let scales = group + HEADER_BYTES;
  let quants = scales + scaleBytes(scaling, blocks);
  const scaleFactor = v128.load32_splat(group);
  const minimumFactor = v128.load32_splat(group, 4);
  let d = scaleFactor;
  let least = minimumFactor;
  for (let block = 0; block < blocks; block++) {
    touch(bits, way, block, quants);
    if (scaling === PLAIN || scaling === MINIMUM) {
      v128.store(panel, f32x4.mul(loadHalves(scales), scaleFactor), SCALES);
      if (scaling === MINIMUM) v128.store(panel, f32x4.mul(loadHalves(scales + 8), minimumFactor), MINIMUMS);
      scales += scaling === MINIMUM ? 16 : 8;
    } else {
      if ((block & 7) === 0) {
        d = v128.load(scales);
        if (scaling === SUPER32) least = v128.load(scales, 16);
        scales += scaling === SUPER32 ? 32 : 16;
      }
      if (scaling === SUPER32) {
        const bytes = v128.load8x8_u(scales);
        v128.store(panel, f32x4.mul(d, firstBytes(bytes)), SCALES);
        v128.store(panel, f32x4.mul(least, secondBytes(bytes)), MINIMUMS);
      } else {
        const bytes = v128.load8x8_s(scales);
        v128.store(panel, f32x4.mul(d, firstBytes(bytes)), SCALES);
        v128.store(panel, f32x4.mul(d, secondBytes(bytes)), SCALES + 16);
      }
      scales += 8;
    }
    v128.store(panel, weightVector(bits, quants, 0));
    v128.store(panel, weightVector(bits, quants, 1), 16);
    v128.store(panel, weightVector(bits, quants, 2), 32);
    v128.store(panel, weightVector(bits, quants, 3), 48);
    v128.store(panel, weightVector(bits, quants, 4), 64);
    v128.store(panel, weightVector(bits, quants, 5), 80);
    v128.store(panel, weightVector(bits, quants, 6), 96);
    v128.store(panel, weightVector(bits, quants, 7), 112);
    quants += blockBytes(bits);
    panel += PANEL_BLOCK;
  }
}

/** Row `lane` of an unpacked group as f32: [32 x blocks]. */
export function panelRow(panel: usize, lane: i32, blocks: i32, scaling: i32, shift: i32, out: usize): void {
  const offset: i32 = shift ? 1 << shift : 0;
  const hasMinimum = scaling === MINIMUM || scaling === SUPER32;
  for (let block = 0; block < blocks; block++) {
    const scales = panel + SCALES + 4 * <usize>lane;
    const minimum: f32 = hasMinimum ? load<f32>(panel + MINIMUMS + 4 * <usize>lane) : 0;
    for (let column: i32 = 0; column < 32; column++) {
      const weight = <i32>load<u8>(panel + 16 * <usize>(column >> 2) + 4 * <usize>lane + (column & 3)) - offset;
      const scale = load<f32>(scaling === SUPER16 && column >= 16 ? scales + 16 : scales);
      store<f32>(out, scale * <f32>weight + minimum);
      out += 4;
    }
    panel += PANEL_BLOCK;
  }
}

/** Eight rows x four tokens: a0 .. a3 are the first group's sums, b0 .. b3 the second's. */
@inline
function fourTokens(
  bits: i32,
  scaling: i32,
  shift: i32,
  way: i32,
  first: usize,
  second: usize,
  blocks: i32,
  q: usize,
  qStride: usize,
  meta: usize,
  metaStride: usize,
  out: usize,
  outStride: usize,
  bias: usize,
  row: i32,
  rows: i32,
): void {
  const zero = i32x4.splat(0);
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let a2 = a0;
  let a3 = a0;
  let b0 = a0;
  let b1 = a0;
  let b2 = a0;
  let b3 = a0;
  let q0 = q;
  let q1 = q0 + qStride;
  let q2 = q1 + qStride;
  let q3 = q2 + qStride;
  let m0 = meta;
  let m1 = m0 + metaStride;
  let m2 = m1 + metaStride;
  let m3 = m2 + metaStride;
  const halves: usize = scaling === SUPER16 ? 2 : 1;
  const step: usize = scaling === SUPER16 ? 64 : 128;
  const chunk: usize = min(step, <usize>(16 * room(way, bits)));
  const passes: i32 = bits === 8 && way === PAIRS ? 2 : 1;
  const low = inRegister(15);
  const ones = onesInRegister();
  for (let block = 0; block < blocks; block++) {
    for (let half: usize = 0; half < halves; half++) {
      let c0 = zero;
      let c1 = zero;
      let c2 = zero;
      let c3 = zero;
      let d0 = zero;
      let d1 = zero;
      let d2 = zero;
      let d3 = zero;
      for (let v: usize = step * half; v < step * half + step; v += chunk) {
        // 8-bit weights in pairs: first their lower four bits, then, over the same activations, their upper.
        for (let pass: i32 = 0; pass < passes; pass++) {
          let e0 = zero;
          let e1 = zero;
          let e2 = zero;
          let e3 = zero;
          let f0 = zero;
          let f1 = zero;
          let f2 = zero;
          let f3 = zero;
          if (pass) {
            q0 -= 32 * ACTIVATION_BYTES;
            q1 -= 32 * ACTIVATION_BYTES;
            q2 -= 32 * ACTIVATION_BYTES;
            q3 -= 32 * ACTIVATION_BYTES;
          }
          for (let w: usize = v; w < v + chunk; w += 16) {
            let u = v128.load(first + w);
            let t = v128.load(second + w);
            if (passes === 2) {
              u = v128.and(i16x8.shr_u(u, 4 * pass), low);
              t = v128.and(i16x8.shr_u(t, 4 * pass), low);
            }
            e0 = addDot(way, loadActivations(q0), u, e0);
            f0 = addDot(way, loadActivations(q0), t, f0);
            e1 = addDot(way, loadActivations(q1), u, e1);
            f1 = addDot(way, loadActivations(q1), t, f1);
            e2 = addDot(way, loadActivations(q2), u, e2);
            f2 = addDot(way, loadActivations(q2), t, f2);
            e3 = addDot(way, loadActivations(q3), u, e3);
            f3 = addDot(way, loadActivations(q3), t, f3);
            q0 += 4 * ACTIVATION_BYTES;
            q1 += 4 * ACTIVATION_BYTES;
            q2 += 4 * ACTIVATION_BYTES;
            q3 += 4 * ACTIVATION_BYTES;
          }
          c0 = i32x4.add(c0, i32x4.shl(total(way, e0, ones), 4 * pass));
          c1 = i32x4.add(c1, i32x4.shl(total(way, e1, ones), 4 * pass));
          c2 = i32x4.add(c2, i32x4.shl(total(way, e2, ones), 4 * pass));
          c3 = i32x4.add(c3, i32x4.shl(total(way, e3, ones), 4 * pass));
          d0 = i32x4.add(d0, i32x4.shl(total(way, f0, ones), 4 * pass));
          d1 = i32x4.add(d1, i32x4.shl(total(way, f1, ones), 4 * pass));
          d2 = i32x4.add(d2, i32x4.shl(total(way, f2, ones), 4 * pass));
          d3 = i32x4.add(d3, i32x4.shl(total(way, f3, ones), 4 * pass));
        }
      }
      const sum: usize = scaling === SUPER16 ? FIRST_SUM + 4 * half : SUM;
      const s = v128.load(first + SCALES + 16 * half);
      const t = v128.load(second + SCALES + 16 * half);
      a0 = fold(c0, shift, excessOf(m0, sum, shift), s, v128.load32_splat(m0), a0);
      b0 = fold(d0, shift, excessOf(m0, sum, shift), t, v128.load32_splat(m0), b0);
      a1 = fold(c1, shift, excessOf(m1, sum, shift), s, v128.load32_splat(m1), a1);
      b1 = fold(d1, shift, excessOf(m1, sum, shift), t, v128.load32_splat(m1), b1);
      a2 = fold(c2, shift, excessOf(m2, sum, shift), s, v128.load32_splat(m2), a2);
      b2 = fold(d2, shift, excessOf(m2, sum, shift), t, v128.load32_splat(m2), b2);
      a3 = fold(c3, shift, excessOf(m3, sum, shift), s, v128.load32_splat(m3), a3);
      b3 = fold(d3, shift, excessOf(m3, sum, shift), t, v128.load32_splat(m3), b3);
    }
    if (scaling === MINIMUM || scaling === SUPER32) {
      const s = v128.load(first + MINIMUMS);
      const t = v128.load(second + MINIMUMS);
      a0 = multiplyAdd(s, v128.load32_splat(m0, SCALED_SUM), a0);
      b0 = multiplyAdd(t, v128.load32_splat(m0, SCALED_SUM), b0);
      a1 = multiplyAdd(s, v128.load32_splat(m1, SCALED_SUM), a1);
      b1 = multiplyAdd(t, v128.load32_splat(m1, SCALED_SUM), b1);
      a2 = multiplyAdd(s, v128.load32_splat(m2, SCALED_SUM), a2);
      b2 = multiplyAdd(t, v128.load32_splat(m2, SCALED_SUM), b2);
      a3 = multiplyAdd(s, v128.load32_splat(m3, SCALED_SUM), a3);
      b3 = multiplyAdd(t, v128.load32_splat(m3, SCALED_SUM), b3);
    }
    first += PANEL_BLOCK;
    second += PANEL_BLOCK;
    m0 += META_BYTES;
    m1 += META_BYTES;
    m2 += META_BYTES;
    m3 += META_BYTES;
  }
  finish(out, bias, row, rows, a0);
  finish(out + outStride, bias, row, rows, a1);
  finish(out + 2 * outStride, bias, row, rows, a2);
  finish(out + 3 * outStride, bias, row, rows, a3);
  if (row + 4 >= rows) return;
  finish(out, bias, row + 4, rows, b0);
  finish(out + outStride, bias, row + 4, rows, b1);
  finish(out + 2 * outStride, bias, row + 4, rows, b2);
  finish(out + 3 * outStride, bias, row + 4, rows, b3);
}

/** Four rows x one token. */
@inline
function oneToken(bits: i32, scaling: i32, shift: i32, way: i32, panel: usize, blocks: i32, q: usize, meta: usize): v128 {
  const low = inRegister(15);
  const ones = onesInRegister();
  let acc = f32x4.splat(0);
  const halves: usize = scaling === SUPER16 ? 2 : 1;
  for (let block = 0; block < blocks; block++) {
    const activationScale = v128.load32_splat(meta);
    for (let half: usize = 0; half < halves; half++) {
      const p = panel + 64 * half;
      let c = fourVectors(bits, way, p, q, ones, low);
      if (halves === 1) c = i32x4.add(c, fourVectors(bits, way, p + 64, q + 16 * ACTIVATION_BYTES, ones, low));
      const sum: usize = scaling === SUPER16 ? FIRST_SUM + 4 * half : SUM;
      acc = fold(c, shift, excessOf(meta, sum, shift), v128.load(panel + SCALES + 16 * half), activationScale, acc);
      q += (halves === 1 ? 32 : 16) * ACTIVATION_BYTES;
    }
    if (scaling === MINIMUM || scaling === SUPER32) {
      acc = multiplyAdd(v128.load(panel + MINIMUMS), v128.load32_splat(meta, SCALED_SUM), acc);
    }
    panel += PANEL_BLOCK;
    meta += META_BYTES;
  }
  return acc;
}

@inline
function fourVectors(bits: i32, way: i32, p: usize, q: usize, ones: v128, low: v128): v128 {
  const x0 = v128.load(p);
  const x1 = v128.load(p, 16);
  const x2 = v128.load(p, 32);
  const x3 = v128.load(p, 48);
  if (bits !== 8 || way !== PAIRS) return dotFour(bits, way, q, x0, x1, x2, x3, ones);
  const lower = dotFour(4, way, q, v128.and(x0, low), v128.and(x1, low), v128.and(x2, low), v128.and(x3, low), ones);
  const y0 = v128.and(i16x8.shr_u(x0, 4), low);
  const y1 = v128.and(i16x8.shr_u(x1, 4), low);
  const y2 = v128.and(i16x8.shr_u(x2, 4), low);
  const y3 = v128.and(i16x8.shr_u(x3, 4), low);
  return i32x4.add(lower, i32x4.shl(dotFour(4, way, q, y0, y1, y2, y3, ones), 4));
}

@inline
function dotFour(bits: i32, way: i32, q: usize, x0: v128, x1: v128, x2: v128, x3: v128, ones: v128): v128 {
  const a2 = loadActivations(q + 8 * ACTIVATION_BYTES);
  const a3 = loadActivations(q + 12 * ACTIVATION_BYTES);
  let c = addDot(way, loadActivations(q), x0, i32x4.splat(0));
  c = addDot(way, loadActivations(q + 4 * ACTIVATION_BYTES), x1, c);
  if (room(way, bits) >= 4) return total(way, addDot(way, a3, x3, addDot(way, a2, x2, c)), ones);
  const d = addDot(way, a3, x3, addDot(way, a2, x2, i32x4.splat(0)));
  return i32x4.add(total(way, c, ones), total(way, d, ones));
}
