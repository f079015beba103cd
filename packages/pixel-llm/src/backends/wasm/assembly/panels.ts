/**
 * Weights and activations as tiles.ts reads them: each of its loads from one of two streams, in order, so that a tile has two
 * addresses to count up and nothing to unpack.
 *
 * How a machine multiplies (`kind`, chosen at load by what a probe finds):
 *
 * | kind | a step of a tile | for |
 * |---|---|---|
 * | DIRECT | 4 columns: one relaxed dot product with sums of 32 bits | machines that have it as one instruction |
 * | PAIRS | 4 columns: a dot product of pairs with sums of 16 bits | 4 to 6 bits where the above takes five instructions, and saturates |
 * | WORDS | 2 columns: both sides of 16 bits | 8 bits there; everything without relaxed SIMD |
 *
 * A panel is eight rows; a block of it (32 columns): for each step 16 bytes of the first group's weights, 16 of the second's; then
 * of both groups scales [4] f32, scales of the second half, minimums.
 * Activations of a tile are four tokens; a block of them: for each step four bytes of each token; then, [4] each: scales f32; sums
 * of the integers (of the first half, of the second) x 2^shift i32; scale x sum f32.
 *
 * The two steps that WORDS makes of four columns have the even and the odd ones.
 */
import { blockBytes, groupBytes, MINIMUM, PLAIN, SUPER16, SUPER32, sectionBlocks, sectionScaleBytes, weightVector } from './blocks';
import { ACTIVATION_BYTES, DIRECT, loadHalves, WORDS } from './dot';
import { firstBytes, secondBytes } from './matvec';
import { FIRST_SUM, META_BYTES, SCALED_SUM, SECOND_SUM, SUM } from './quantize';

export { DIRECT, PAIRS, WORDS } from './dot';

/** Bytes of a panel block's weights; scales and minimums follow. */
@inline
export function panelWeights(kind: i32): usize {
  return kind === WORDS ? 512 : 256;
}

/** Where a block's minimums stand, after its weights. */
export const MINIMUMS: usize = 64;

@inline
export function panelBlock(kind: i32): usize {
  return panelWeights(kind) + 96;
}

/** Bytes of an activation block's integers; scales, sums and scaled sums follow. */
@inline
export function tileIntegers(kind: i32): usize {
  return kind === WORDS ? 256 : 128;
}

export const TILE_SUMS: usize = 16;
export const TILE_SCALED_SUMS: usize = 48;

@inline
export function tileBlock(kind: i32): usize {
  return tileIntegers(kind) + 64;
}

/** Blocks first .. last - 1 (first begins a section) of a group of `blocks`, at `panel`, or as the second group at panel + 16. */
@inline
export function unpackGroup(
  kind: i32,
  bits: i32,
  scaling: i32,
  shift: i32,
  group: usize,
  blocks: i32,
  first: i32,
  last: i32,
  panel: usize,
): void {
  let quants = group + groupBytes(bits, scaling, first);
  let scales = quants;
  const scaleFactor = v128.load32_splat(group);
  const minimumFactor = v128.load32_splat(group, 4);
  let d = scaleFactor;
  let least = minimumFactor;
  for (let block = first; block < last; block++) {
    if (block % sectionBlocks(scaling) === 0) {
      scales = quants;
      quants += sectionScaleBytes(scaling, block, blocks);
    }
    const to = panel + panelWeights(kind);
    if (scaling === PLAIN || scaling === MINIMUM) {
      v128.store(to, f32x4.mul(loadHalves(scales), scaleFactor));
      if (scaling === MINIMUM) v128.store(to, f32x4.mul(loadHalves(scales + 8), minimumFactor), MINIMUMS);
      scales += scaling === MINIMUM ? 16 : 8;
    } else {
      if ((block & 7) === 0) {
        d = v128.load(scales);
        if (scaling === SUPER32) least = v128.load(scales, 16);
        scales += scaling === SUPER32 ? 32 : 16;
      }
      if (scaling === SUPER32) {
        const bytes = v128.load8x8_u(scales);
        v128.store(to, f32x4.mul(d, firstBytes(bytes)));
        v128.store(to, f32x4.mul(least, secondBytes(bytes)), MINIMUMS);
      } else {
        const bytes = v128.load8x8_s(scales);
        v128.store(to, f32x4.mul(d, firstBytes(bytes)));
        v128.store(to, f32x4.mul(d, secondBytes(bytes)), 32);
      }
      scales += 8;
    }
    storeVector(kind, shift, panel, 0, weightVector(bits, quants, 0));
    storeVector(kind, shift, panel, 1, weightVector(bits, quants, 1));
    storeVector(kind, shift, panel, 2, weightVector(bits, quants, 2));
    storeVector(kind, shift, panel, 3, weightVector(bits, quants, 3));
    storeVector(kind, shift, panel, 4, weightVector(bits, quants, 4));
    storeVector(kind, shift, panel, 5, weightVector(bits, quants, 5));
    storeVector(kind, shift, panel, 6, weightVector(bits, quants, 6));
    storeVector(kind, shift, panel, 7, weightVector(bits, quants, 7));
    quants += blockBytes(bits);
    panel += panelBlock(kind);
  }
}

/** Vector v of a block. Words are the weights themselves; bytes are too large by 2^shift. */
@inline
function storeVector(kind: i32, shift: i32, panel: usize, v: i32, weights: v128): void {
  if (kind !== WORDS) {
    v128.store(panel + 32 * v, weights);
    return;
  }
  let even = v128.and(weights, i16x8.splat(0xff));
  let odd = i16x8.shr_u(weights, 8);
  if (shift) {
    const offset = i16x8.splat(<i16>(<i32>1 << shift));
    even = i16x8.sub(even, offset);
    odd = i16x8.sub(odd, offset);
  }
  v128.store(panel + 64 * v, even);
  v128.store(panel + 64 * v, odd, 32);
}

/** Row `lane` of a group unpacked as bytes, as f32: [32 x blocks]. */
export function panelRow(panel: usize, lane: i32, blocks: i32, scaling: i32, shift: i32, out: usize): void {
  const offset: i32 = shift ? 1 << shift : 0;
  const hasMinimum = scaling === MINIMUM || scaling === SUPER32;
  for (let block = 0; block < blocks; block++) {
    const scales = panel + panelWeights(DIRECT) + 4 * <usize>lane;
    const minimum: f32 = hasMinimum ? load<f32>(scales + MINIMUMS) : 0;
    for (let column: i32 = 0; column < 32; column++) {
      const weight = <i32>load<u8>(panel + 32 * <usize>(column >> 2) + 4 * <usize>lane + (column & 3)) - offset;
      const scale = load<f32>(scaling === SUPER16 && column >= 16 ? scales + 32 : scales);
      store<f32>(out, scale * <f32>weight + minimum);
      out += 4;
    }
    panel += panelBlock(DIRECT);
  }
}

/** Blocks first .. last - 1 of up to four tokens' activations (q, meta: as quantizeRows left them); tokens that are missing are zeros. */
@inline
export function packActivations(
  kind: i32,
  scaling: i32,
  shift: i32,
  q: usize,
  meta: usize,
  tokens: i32,
  blocks: i32,
  first: i32,
  last: i32,
  to: usize,
): void {
  const firstSum: usize = scaling === SUPER16 ? FIRST_SUM : SUM;
  const size = tileBlock(kind) * <usize>(last - first);
  if (tokens < 4) memory.fill(to, 0, size);
  for (let token = 0; token < min(4, tokens); token++) {
    let at = to + 4 * <usize>token;
    let from = q + 32 * ACTIVATION_BYTES * <usize>(token * blocks + first);
    let note = meta + META_BYTES * <usize>(token * blocks + first);
    for (let block = first; block < last; block++) {
      for (let step: usize = 0; step < 8; step++, from += 4 * ACTIVATION_BYTES) packFour(kind, from, at, step);
      const notes = at + tileIntegers(kind);
      store<f32>(notes, load<f32>(note));
      store<i32>(notes, load<i32>(note + firstSum) << shift, TILE_SUMS);
      store<i32>(notes, load<i32>(note, SECOND_SUM) << shift, TILE_SUMS + 16);
      store<f32>(notes, load<f32>(note, SCALED_SUM), TILE_SCALED_SUMS);
      note += META_BYTES;
      at += tileBlock(kind);
    }
  }
}

/** Four activations of a token: as they are, or the even and the odd ones as words. */
@inline
function packFour(kind: i32, q: usize, at: usize, step: usize): void {
  if (kind !== WORDS) {
    store<u32>(at + 16 * step, load<u32>(q));
    return;
  }
  const a = ACTIVATION_BYTES === 1 ? <i32>load<i8>(q) : <i32>load<i16>(q);
  const b = ACTIVATION_BYTES === 1 ? <i32>load<i8>(q, 1) : <i32>load<i16>(q, 2);
  const c = ACTIVATION_BYTES === 1 ? <i32>load<i8>(q, 2) : <i32>load<i16>(q, 4);
  const d = ACTIVATION_BYTES === 1 ? <i32>load<i8>(q, 3) : <i32>load<i16>(q, 6);
  store<i32>(at + 32 * step, (a & 0xffff) | (c << 16));
  store<i32>(at + 32 * step, (b & 0xffff) | (d << 16), 16);
}
