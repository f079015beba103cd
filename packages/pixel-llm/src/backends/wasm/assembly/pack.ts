/**
 * From planes (pxi/planes.ts: a field of all blocks of a row, row after row) to groups of four rows (blocks.ts). Planes are read
 * in words of four columns: byte i of word v of a block is column 4v + i, unsigned.
 *
 * F16 scales are multiplied by a power of two, the group's own, that makes its largest 2^15: then none but those 2^29 times
 * smaller is subnormal. The header undoes it.
 */
import { blockBytes, groupBytes, MINIMUM, PLAIN, SUPER16, SUPER32, sectionBlocks, sectionScaleBytes } from './blocks';
import { HALF_BIAS } from './dot';
import { fromHalf, headroom, powerOfTwo, toHalf } from './halves';

/** What the planes hold. */
const Q4: i32 = 0;
const Q5: i32 = 1;
const Q8: i32 = 2;
const Q4K: i32 = 3;
const Q5K: i32 = 4;
const Q6K: i32 = 5;
const Q3K: i32 = 6;

// qs: the plane of weights; qh: the plane of their upper bits; sc: of the scales within a super-block; d: of f16 scales, with their
// minimums where there are any. All four rows are there. Each returns 0 if a scale is not finite, else 1.

export function packQ4_0(qs: usize, qh: usize, sc: usize, d: usize, blocks: i32, out: usize): i32 {
  return packSimple(Q4, 4, PLAIN, qs, qh, d, blocks, out);
}
export function packQ4_1(qs: usize, qh: usize, sc: usize, d: usize, blocks: i32, out: usize): i32 {
  return packSimple(Q4, 4, MINIMUM, qs, qh, d, blocks, out);
}
export function packQ5_0(qs: usize, qh: usize, sc: usize, d: usize, blocks: i32, out: usize): i32 {
  return packSimple(Q5, 5, PLAIN, qs, qh, d, blocks, out);
}
export function packQ5_1(qs: usize, qh: usize, sc: usize, d: usize, blocks: i32, out: usize): i32 {
  return packSimple(Q5, 5, MINIMUM, qs, qh, d, blocks, out);
}
export function packQ8_0(qs: usize, qh: usize, sc: usize, d: usize, blocks: i32, out: usize): i32 {
  return packSimple(Q8, 8, PLAIN, qs, qh, d, blocks, out);
}
export function packQ3_K(qs: usize, qh: usize, sc: usize, d: usize, blocks: i32, out: usize): i32 {
  return packSuper(Q3K, 4, SUPER16, qs, qh, sc, d, blocks, out);
}
export function packQ4_K(qs: usize, qh: usize, sc: usize, d: usize, blocks: i32, out: usize): i32 {
  return packSuper(Q4K, 4, SUPER32, qs, qh, sc, d, blocks, out);
}
export function packQ5_K(qs: usize, qh: usize, sc: usize, d: usize, blocks: i32, out: usize): i32 {
  return packSuper(Q5K, 5, SUPER32, qs, qh, sc, d, blocks, out);
}
export function packQ6_K(qs: usize, qh: usize, sc: usize, d: usize, blocks: i32, out: usize): i32 {
  return packSuper(Q6K, 6, SUPER16, qs, qh, sc, d, blocks, out);
}

@inline
function packSimple(kind: i32, bits: i32, scaling: i32, qs: usize, qh: usize, d: usize, blocks: i32, out: usize): i32 {
  const fields: i32 = scaling === MINIMUM ? 2 : 1;
  for (let field: i32 = 0; field < fields; field++) {
    if (!packHalves(bits, scaling, d + 2 * field, 2 * fields, blocks, out, field)) return 0;
  }
  for (let lane: i32 = 0; lane < 4; lane++) {
    for (let block: i32 = 0; block < blocks; block++) {
      packBlock(kind, bits, qs, qh, 0, weightsAt(bits, scaling, out, block, blocks), lane);
      qs += kind === Q8 ? 32 : 16;
      qh += 4;
    }
  }
  return 1;
}

/** Where the section of a block begins. */
@inline
function sectionAt(bits: i32, scaling: i32, group: usize, block: i32): usize {
  return group + groupBytes(bits, scaling, block - (block % sectionBlocks(scaling)));
}

/** Where a block's weights are. */
@inline
function weightsAt(bits: i32, scaling: i32, group: usize, block: i32, blocks: i32): usize {
  const within = block % sectionBlocks(scaling);
  const weights = sectionAt(bits, scaling, group, block) + sectionScaleBytes(scaling, block - within, blocks);
  return weights + blockBytes(bits) * <usize>within;
}

/**
 * One f16 a block of four rows: value i of the plane goes to lane i / blocks of block i % blocks. Field 0 are scales, field 1 minimums, of which each has
 * its part of the header.
 */
@inline
function packHalves(bits: i32, scaling: i32, d: usize, step: usize, blocks: i32, group: usize, field: i32): i32 {
  const count = 4 * blocks;
  let largest: f32 = 0;
  for (let i: i32 = 0; i < count; i++) largest = max(largest, abs(fromHalf(load<u16>(d + step * i))));
  if (!(largest <= 65504)) return 0;
  const exponent = headroom(largest);
  store<f32>(group + 4 * field, HALF_BIAS * powerOfTwo(-exponent));
  const stride = 4 * <i32>step;
  for (let i: i32 = 0; i < count; i++) {
    const block = i % blocks;
    const to = sectionAt(bits, scaling, group, block) + 8 * field + stride * (block % sectionBlocks(scaling));
    store<u16>(to + 2 * (i / blocks), <u16>toHalf(fromHalf(load<u16>(d + step * i)) * powerOfTwo(exponent)));
  }
  return 1;
}

@inline
function packSuper(
  kind: i32,
  bits: i32,
  scaling: i32,
  qs: usize,
  qh: usize,
  sc: usize,
  d: usize,
  blocks: i32,
  out: usize,
): i32 {
  const superBytes: usize = scaling === SUPER32 ? 96 : 80;
  for (let lane: i32 = 0; lane < 4; lane++) {
    for (let start: i32 = 0; start < blocks; start += 8) {
      const scales = sectionAt(bits, scaling, out, start) + superBytes * ((start % sectionBlocks(scaling)) >> 3);
      if (!packSuperScales(kind, scaling, sc, d, scales, lane)) return 0;
      for (let block: i32 = 0; block < 8; block++) {
        packBlock(kind, bits, qs, qh, block, weightsAt(bits, scaling, out, start + block, blocks), lane);
      }
      qs += kind === Q3K ? 64 : 128;
      qh += kind === Q6K ? 64 : 32;
      sc += kind === Q6K ? 16 : 12;
      d += scaling === SUPER32 ? 4 : 2;
    }
  }
  return 1;
}

@inline
function packSuperScales(kind: i32, scaling: i32, sc: usize, d: usize, out: usize, lane: i32): i32 {
  const scale = fromHalf(load<u16>(d));
  const minimum: f32 = scaling === SUPER32 ? fromHalf(load<u16>(d, 2)) : 0;
  if (!(abs(scale) <= 65504 && abs(minimum) <= 65504)) return 0;
  store<f32>(out + 4 * lane, scale);
  if (scaling === SUPER32) {
    store<f32>(out + 4 * lane, -minimum, 16);
    for (let block: i32 = 0; block < 8; block++) {
      store<u8>(out + 8 * block + lane, <u8>scaleOf4K(sc, block), 32);
      store<u8>(out + 8 * block + lane, <u8>minimumOf4K(sc, block), 36);
    }
    return 1;
  }
  for (let half: i32 = 0; half < 16; half++) {
    store<u8>(out + 4 * half + lane, <u8>(kind === Q6K ? <i32>load<i8>(sc + half) : scaleOf3K(sc, half)), 16);
  }
  return 1;
}

function scaleOf4K(sc: usize, block: i32): i32 {
  if (block < 4) return byte(sc + block) & 63;
  return (byte(sc + block + 4) & 15) | ((byte(sc + block - 4) >> 6) << 4);
}

function minimumOf4K(sc: usize, block: i32): i32 {
  if (block < 4) return byte(sc + block + 4) & 63;
  return (byte(sc + block + 4) >> 4) | ((byte(sc + block) >> 6) << 4);
}

function scaleOf3K(sc: usize, half: i32): i32 {
  const low = half < 8 ? byte(sc + half) & 15 : byte(sc + half - 8) >> 4;
  return (low | (((byte(sc + 8 + (half & 3)) >> (2 * (half >> 2))) & 3) << 4)) - 32;
}

@inline
function byte(p: usize): i32 {
  return <i32>load<u8>(p);
}

/** Block `block` of a super-block (or the only one) of one row into its lane. */
@inline
function packBlock(kind: i32, bits: i32, qs: usize, qh: usize, block: i32, out: usize, lane: i32): void {
  out += 4 * lane;
  if (bits === 8) {
    for (let v: i32 = 0; v < 8; v++) store<u32>(out + 16 * v, columns(kind, qs, qh, block, v));
    return;
  }
  if (bits === 6) {
    packSixes(kind, qs, qh, block, out, 0);
    packSixes(kind, qs, qh, block, out + 48, 4);
    return;
  }
  let fifths: u32 = 0;
  for (let v: i32 = 0; v < 4; v++) {
    const low = columns(kind, qs, qh, block, v);
    const high = columns(kind, qs, qh, block, v + 4);
    store<u32>(out + 16 * v, (low & 0x0f0f0f0f) | ((high & 0x0f0f0f0f) << 4));
    if (bits === 5) fifths |= (((low >> 4) & 0x01010101) << v) | (((high >> 4) & 0x01010101) << (v + 4));
  }
  if (bits === 5) store<u32>(out, fifths, 64);
}

/** Vectors `first` to `first` + 3: the last one in the upper two bits of the others. */
@inline
function packSixes(kind: i32, qs: usize, qh: usize, block: i32, out: usize, first: i32): void {
  const last = columns(kind, qs, qh, block, first + 3);
  for (let v: i32 = 0; v < 3; v++) {
    const pairs = ((last >> (2 * v)) & 0x03030303) << 6;
    store<u32>(out + 16 * v, columns(kind, qs, qh, block, first + v) | pairs);
  }
}

/** Columns 4v .. 4v + 3 of a block, a byte each. */
@inline
function columns(kind: i32, qs: usize, qh: usize, block: i32, v: i32): u32 {
  if (kind === Q8) return load<u32>(qs + 4 * v) ^ 0x80808080;
  if (kind === Q4 || kind === Q5) {
    const low = (load<u32>(qs + 4 * (v & 3)) >> (v & 4)) & 0x0f0f0f0f;
    if (kind === Q4) return low;
    // Four bits become the lowest bits of four bytes.
    const fifths = (((load<u32>(qh) >> (4 * v)) & 15) * 0x00204081) & 0x01010101;
    return low | (fifths << 4);
  }
  if (kind === Q4K || kind === Q5K) {
    const low = (load<u32>(qs + 32 * (block >> 1) + 4 * v) >> (4 * (block & 1))) & 0x0f0f0f0f;
    return kind === Q4K ? low : low | (((load<u32>(qh + 4 * v) >> block) & 0x01010101) << 4);
  }
  if (kind === Q6K) {
    const at = qs + 64 * (block >> 2) + 32 * (block & 1) + 4 * v;
    const pairs = (load<u32>(qh + 32 * (block >> 2) + 4 * v) >> (2 * (block & 3))) & 0x03030303;
    return ((load<u32>(at) >> (2 * (block & 2))) & 0x0f0f0f0f) | (pairs << 4);
  }
  const low = (load<u32>(qs + 32 * (block >> 2) + 4 * v) >> (2 * (block & 3))) & 0x03030303;
  return low | (((load<u32>(qh + 4 * v) >> block) & 0x01010101) << 2);
}
