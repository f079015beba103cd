/**
 * How quantized weights lie in memory once packed: four rows together ("a group"), lanes = rows. Groups follow one another; one is
 * a header (two f32: what its f16 scales and its f16 minimums are to be multiplied by, after widening), then sections of 32 blocks, or of 16 where there are minimums in f16 (the last may have
 * fewer): the scales of the section's blocks, padded to 16 bytes, and their weights. A block is 32 columns of the four rows, as eight vectors of sixteen unsigned bytes: vector v holds
 * columns 4v .. 4v+3 of row 0, then of rows 1, 2, 3.
 *
 * | bits | weights of a block |
 * |---|---|
 * | 4 | 64 bytes: vector v in the low halves of bytes 16v .., vector v + 4 in the high halves |
 * | 5 | 64 as above, then 16: bit v of byte i is the fifth bit of vector v's byte i |
 * | 6 | six times 16: vectors 0, 1, 2, 4, 5, 6 in the lower six bits; above them vector 3's lowest, middle and highest two bits, then vector 7's |
 * | 8 | 128: vector after vector |
 *
 * | scaling | scales |
 * |---|---|
 * | PLAIN | a block: four f16 scales |
 * | MINIMUM | a block: four f16 scales, four f16 minimums |
 * | SUPER32 | 8 blocks: four f32 d, four f32 minus dmin; then a block: four u8 scales, four u8 minimums |
 * | SUPER16 | 8 blocks: four f32 d; then a block: four i8 scales of its first half, four of its second |
 */

export const PLAIN: i32 = 0;
export const MINIMUM: i32 = 1;
export const SUPER32: i32 = 2;
export const SUPER16: i32 = 3;

export const HEADER_BYTES: usize = 16;

/** Bytes of a block's weights. */
@inline
export function blockBytes(bits: i32): usize {
  return bits === 4 ? 64 : bits === 5 ? 80 : bits === 6 ? 96 : 128;
}

/**
 * Blocks in a section. What prefetchers follow must not jump far: with the scales of a whole row before its weights, rows of more than 1,700 columns
 * were read at half the speed (Zen 4; the jump over the scales was more than some 420 bytes).
 */
@inline
export function sectionBlocks(scaling: i32): i32 {
  return scaling === MINIMUM ? 16 : 32;
}

/** Bytes of the scales of so many blocks of a section. */
@inline
export function scaleBytes(scaling: i32, blocks: i32): usize {
  const count = <usize>blocks;
  if (scaling === PLAIN) return (count * 8 + 15) & ~15;
  if (scaling === MINIMUM) return count * 16;
  return scaling === SUPER32 ? (count >> 3) * 96 : (count >> 3) * 80;
}

/** Bytes of a group; of its header and what comes before a section, if `blocks` are those before it. */
@inline
export function groupBytes(bits: i32, scaling: i32, blocks: i32): usize {
  return HEADER_BYTES + scaleBytes(scaling, blocks) + blockBytes(bits) * <usize>blocks;
}

/** Bytes of the scales of the section that begins with `block`. */
@inline
export function sectionScaleBytes(scaling: i32, block: i32, blocks: i32): usize {
  return scaleBytes(scaling, min(sectionBlocks(scaling), blocks - block));
}

/** Vector v (a constant) of the block at p, as unsigned bytes. */
@inline
export function weightVector(bits: i32, p: usize, v: i32): v128 {
  if (bits === 8) return v128.load(p + 16 * v);
  if (bits === 6) {
    const at = p + 48 * (v >> 2);
    const low6 = i8x16.splat(63);
    if ((v & 3) < 3) return v128.and(v128.load(at + 16 * (v & 3)), low6);
    return gatherPairs(v128.load(at), v128.load(at, 16), v128.load(at, 32), i8x16.splat(<i8>0xc0));
  }
  const packed = v128.load(p + 16 * (v & 3));
  const low4 = v128.and(v < 4 ? packed : i16x8.shr_u(packed, 4), i8x16.splat(15));
  if (bits === 4) return low4;
  return v128.or(low4, fifthBits(v128.load(p + 64), v, i8x16.splat(16)));
}

/** The fourth vector of six bits, from what lies above the other three. top: 0xc0 in every byte. */
@inline
export function gatherPairs(x0: v128, x1: v128, x2: v128, top: v128): v128 {
  const low = i16x8.shr_u(v128.and(x0, top), 6);
  const middle = i16x8.shr_u(v128.and(x1, top), 4);
  return v128.or(v128.or(low, middle), i16x8.shr_u(v128.and(x2, top), 2));
}

/** Bit v (a constant) of each byte, as 16. mask: 16 in every byte. */
@inline
export function fifthBits(fifths: v128, v: i32, mask: v128): v128 {
  return v128.and(v < 4 ? i16x8.shl(fifths, 4 - v) : i16x8.shr_u(fifths, v - 4), mask);
}
