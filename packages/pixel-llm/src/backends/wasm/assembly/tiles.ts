/**
 * Products with several tokens: eight rows of weights are unpacked once (a panel, in cache), and four tokens at a time pass over them.
 * Operation by operation the sums are those of matvec.ts, so a token's result does not depend on how many others are there.
 */
import { groupBytes, MINIMUM, SUPER16, SUPER32 } from './blocks';
import { ACTIVATION_BYTES, multiplyAdd } from './dot';
import { finish } from './matvec';
import {
  DIRECT,
  MINIMUMS,
  PAIRS,
  packActivations,
  panelBlock,
  panelWeights,
  TILE_SCALED_SUMS,
  TILE_SUMS,
  tileBlock,
  tileIntegers,
  unpackGroup,
  WORDS,
} from './panels';
import { META_BYTES } from './quantize';

/** Columns go in stretches of so many blocks: the panel of a stretch stays in the first cache, however wide the matrix. */
const STRETCH: i32 = 32;

/** Activations of so many bytes are kept near while all rows pass over them. */
const NEAR_BYTES: usize = 768 * 1024;

@inline
function tilesTogether(kind: i32, blocks: i32): i32 {
  return <i32>(NEAR_BYTES / (tileBlock(kind) * <usize>min(blocks, STRETCH)));
}

/** Bytes of scratch for `tokens` tokens, whatever the kind. */
export function tileScratch(blocks: i32, tokens: i32): usize {
  const wide = min(blocks, STRETCH);
  const tiles = <usize>((tokens + 3) >> 2) * tileBlock(WORDS) * <usize>wide;
  return panelBlock(WORDS) * <usize>wide + min(tiles, NEAR_BYTES);
}

/** q, meta: the tokens' rows one after another; out: [tokens, outStride] f32. scratch: tileScratch. */
@inline
export function tiles(
  kind: i32,
  bits: i32,
  scaling: i32,
  shift: i32,
  weights: usize,
  rows: i32,
  blocks: i32,
  q: usize,
  meta: usize,
  tokens: i32,
  out: usize,
  outStride: usize,
  bias: usize,
  scratch: usize,
): void {
  const group = groupBytes(bits, scaling, blocks);
  const together = 4 * tilesTogether(kind, blocks);
  for (let begin = 0; begin < tokens; begin += together) {
    const end = min(tokens, begin + together);
    for (let first = 0; first < blocks; first += STRETCH) {
      const last = min(blocks, first + STRETCH);
      const activations = scratch + panelBlock(kind) * <usize>(last - first);
      const tileBytes = tileBlock(kind) * <usize>(last - first);
      let to = activations;
      for (let token = begin; token < end; token += 4, to += tileBytes) {
        const at = <usize>token * <usize>blocks;
        const integers = q + 32 * ACTIVATION_BYTES * at;
        packActivations(kind, scaling, shift, integers, meta + META_BYTES * at, tokens - token, blocks, first, last, to);
      }
      let from = weights;
      for (let row = 0; row < rows; row += 8, from += 2 * group) {
        unpackGroup(kind, bits, scaling, shift, from, blocks, first, last, scratch);
        if (row + 4 < rows) unpackGroup(kind, bits, scaling, shift, from + group, blocks, first, last, scratch + 16);
        let x = activations;
        for (let token = begin; token < end; token += 4, x += tileBytes) {
          const to = out + <usize>token * outStride;
          tile(kind, bits, scaling, shift, scratch, x, blocks, first, last, tokens - token, to, outStride, bias, row, rows);
        }
      }
    }
  }
}

/** Sums of pairs, 16 bits, become sums of four columns, 32 bits. */
@inline
function widen(kind: i32, sums: v128): v128 {
  return kind === PAIRS ? i32x4.extadd_pairwise_i16x8_s(sums) : sums;
}

/** c + the step's products; for PAIRS of 16 bits, else of 32. */
@inline
function step(kind: i32, activations: v128, weights: v128, c: v128): v128 {
  if (kind === WORDS) return i32x4.add(c, i32x4.dot_i16x8_s(activations, weights));
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (kind === PAIRS) return i16x8.add(c, i16x8.relaxed_dot_i8x16_i7x16_s(activations, weights));
    return i32x4.relaxed_dot_i8x16_i7x16_add_s(activations, weights, c);
  }
  return c;
}

/** acc + integer sums x scales: as `fold` in matvec.ts. */
@inline
function fold(dots: v128, hasOffset: bool, offset: v128, scale: v128, activationScale: v128, acc: v128): v128 {
  if (hasOffset) dots = i32x4.sub(dots, offset);
  return multiplyAdd(f32x4.convert_i32x4_s(dots), f32x4.mul(scale, activationScale), acc);
}

/**
 * Eight rows x four tokens: a0 .. a3 are the first group's sums, b0 .. b3 the second's. Between two stretches of columns they stand
 * in `out`.
 */
@inline
function tile(
  kind: i32,
  bits: i32,
  scaling: i32,
  shift: i32,
  panel: usize,
  x: usize,
  blocks: i32,
  first: i32,
  last: i32,
  tokens: i32,
  out: usize,
  outStride: usize,
  bias: usize,
  row: i32,
  rows: i32,
): void {
  const zero = i32x4.splat(0);
  const out1 = tokens > 1 ? out + outStride : out;
  const out2 = tokens > 2 ? out1 + outStride : out;
  const out3 = tokens > 3 ? out2 + outStride : out;
  const other = row + 4 < rows ? row + 4 : row;
  let a0 = begin(out, row, first);
  let a1 = begin(out1, row, first);
  let a2 = begin(out2, row, first);
  let a3 = begin(out3, row, first);
  let b0 = begin(out, other, first);
  let b1 = begin(out1, other, first);
  let b2 = begin(out2, other, first);
  let b3 = begin(out3, other, first);
  const halves: usize = scaling === SUPER16 ? 2 : 1;
  // How many parts of a half are summed apart: pairs of products of five bits fit 16 bits four times, of six bits twice.
  const parts = kind !== PAIRS ? 1 : bits === 5 ? 2 : bits === 6 ? 2 : 1;
  const hasOffset = kind !== WORDS && shift > 0;
  for (let block = first; block < last; block++) {
    const xNotes = x + tileIntegers(kind);
    const wNotes = panel + panelWeights(kind);
    const nextX = x + tileBlock(kind);
    const nextPanel = panel + panelBlock(kind);
    for (let half: usize = 0; half < halves; half++) {
      let c0 = zero;
      let c1 = zero;
      let c2 = zero;
      let c3 = zero;
      let d0 = zero;
      let d1 = zero;
      let d2 = zero;
      let d3 = zero;
      let e0 = zero;
      let e1 = zero;
      let e2 = zero;
      let e3 = zero;
      let f0 = zero;
      let f1 = zero;
      let f2 = zero;
      let f3 = zero;
      const partBytes = tileIntegers(kind) / halves / parts;
      for (let end = x + partBytes; x < end; x += 16, panel += 32) {
        const u = v128.load(panel);
        const w = v128.load(panel, 16);
        const q0 = v128.load32_splat(x);
        c0 = step(kind, q0, u, c0);
        d0 = step(kind, q0, w, d0);
        const q1 = v128.load32_splat(x, 4);
        c1 = step(kind, q1, u, c1);
        d1 = step(kind, q1, w, d1);
        const q2 = v128.load32_splat(x, 8);
        c2 = step(kind, q2, u, c2);
        d2 = step(kind, q2, w, d2);
        const q3 = v128.load32_splat(x, 12);
        c3 = step(kind, q3, u, c3);
        d3 = step(kind, q3, w, d3);
      }
      c0 = widen(kind, c0);
      c1 = widen(kind, c1);
      c2 = widen(kind, c2);
      c3 = widen(kind, c3);
      d0 = widen(kind, d0);
      d1 = widen(kind, d1);
      d2 = widen(kind, d2);
      d3 = widen(kind, d3);
      if (parts > 1) {
        for (let end = x + partBytes; x < end; x += 16, panel += 32) {
          const u = v128.load(panel);
          const w = v128.load(panel, 16);
          const q0 = v128.load32_splat(x);
          e0 = step(kind, q0, u, e0);
          f0 = step(kind, q0, w, f0);
          const q1 = v128.load32_splat(x, 4);
          e1 = step(kind, q1, u, e1);
          f1 = step(kind, q1, w, f1);
          const q2 = v128.load32_splat(x, 8);
          e2 = step(kind, q2, u, e2);
          f2 = step(kind, q2, w, f2);
          const q3 = v128.load32_splat(x, 12);
          e3 = step(kind, q3, u, e3);
          f3 = step(kind, q3, w, f3);
        }
        c0 = i32x4.add(c0, widen(kind, e0));
        c1 = i32x4.add(c1, widen(kind, e1));
        c2 = i32x4.add(c2, widen(kind, e2));
        c3 = i32x4.add(c3, widen(kind, e3));
        d0 = i32x4.add(d0, widen(kind, f0));
        d1 = i32x4.add(d1, widen(kind, f1));
        d2 = i32x4.add(d2, widen(kind, f2));
        d3 = i32x4.add(d3, widen(kind, f3));
      }
      const s = v128.load(wNotes + 32 * half);
      const t = v128.load(wNotes + 32 * half, 16);
      const sums = xNotes + TILE_SUMS + 16 * half;
      const o0 = hasOffset ? v128.load32_splat(sums) : zero;
      const s0 = v128.load32_splat(xNotes);
      a0 = fold(c0, hasOffset, o0, s, s0, a0);
      b0 = fold(d0, hasOffset, o0, t, s0, b0);
      const o1 = hasOffset ? v128.load32_splat(sums, 4) : zero;
      const s1 = v128.load32_splat(xNotes, 4);
      a1 = fold(c1, hasOffset, o1, s, s1, a1);
      b1 = fold(d1, hasOffset, o1, t, s1, b1);
      const o2 = hasOffset ? v128.load32_splat(sums, 8) : zero;
      const s2 = v128.load32_splat(xNotes, 8);
      a2 = fold(c2, hasOffset, o2, s, s2, a2);
      b2 = fold(d2, hasOffset, o2, t, s2, b2);
      const o3 = hasOffset ? v128.load32_splat(sums, 12) : zero;
      const s3 = v128.load32_splat(xNotes, 12);
      a3 = fold(c3, hasOffset, o3, s, s3, a3);
      b3 = fold(d3, hasOffset, o3, t, s3, b3);
    }
    if (scaling === MINIMUM || scaling === SUPER32) {
      const s = v128.load(wNotes, MINIMUMS);
      const t = v128.load(wNotes, MINIMUMS + 16);
      const m0 = v128.load32_splat(xNotes, TILE_SCALED_SUMS);
      a0 = multiplyAdd(s, m0, a0);
      b0 = multiplyAdd(t, m0, b0);
      const m1 = v128.load32_splat(xNotes, TILE_SCALED_SUMS + 4);
      a1 = multiplyAdd(s, m1, a1);
      b1 = multiplyAdd(t, m1, b1);
      const m2 = v128.load32_splat(xNotes, TILE_SCALED_SUMS + 8);
      a2 = multiplyAdd(s, m2, a2);
      b2 = multiplyAdd(t, m2, b2);
      const m3 = v128.load32_splat(xNotes, TILE_SCALED_SUMS + 12);
      a3 = multiplyAdd(s, m3, a3);
      b3 = multiplyAdd(t, m3, b3);
    }
    x = nextX;
    panel = nextPanel;
  }
  if (last < blocks) bias = 0;
  finishTile(out, bias, row, rows, a0, b0);
  if (tokens > 1) finishTile(out1, bias, row, rows, a1, b1);
  if (tokens > 2) finishTile(out2, bias, row, rows, a2, b2);
  if (tokens > 3) finishTile(out3, bias, row, rows, a3, b3);
}

/** The sums that the columns before have left. */
@inline
function begin(out: usize, row: i32, first: i32): v128 {
  return first > 0 ? v128.load(out + 4 * <usize>row) : f32x4.splat(0);
}

@inline
function finishTile(out: usize, bias: usize, row: i32, rows: i32, a: v128, b: v128): void {
  finish(out, bias, row, rows, a);
  if (row + 4 < rows) finish(out, bias, row + 4, rows, b);
}
