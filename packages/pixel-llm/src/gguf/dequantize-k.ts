/**
 * The block types with 256 weights a block and packed 4- to 8-bit scales (ggml's K types and IQ4_XS) to float32; called by
 * dequantize.ts. Source of the layouts: ggml's dequantize_row_* (ggml-quants.c).
 */
import { HALF_TO_FLOAT } from './half.ts';
import { IQ4_LEVELS } from './levels.ts';

/** 16 scales (low half) and minima (high half), 64 bytes of 2-bit weights, d f16, dmin f16. Sub-blocks of 16. */
export function dequantizeQ2K(bytes: Uint8Array, target: Float32Array, blocks: number): void {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 84) {
    const d = HALF_TO_FLOAT[bytes[at + 80]! | (bytes[at + 81]! << 8)]!;
    const dmin = HALF_TO_FLOAT[bytes[at + 82]! | (bytes[at + 83]! << 8)]!;
    for (let sub = 0; sub < 16; sub++, to += 16) {
      const packed = bytes[at + sub]!;
      const scale = d * (packed & 15);
      const minimum = dmin * (packed >> 4);
      // 128 weights share 32 bytes; within them pairs of sub-blocks take two bits each, the second of a pair 16 bytes on.
      const from = at + 16 + (sub >> 3) * 32 + (sub & 1) * 16;
      const shift = ((sub >> 1) & 3) * 2;
      for (let i = 0; i < 16; i++) target[to + i] = scale * ((bytes[from + i]! >> shift) & 3) - minimum;
    }
  }
}

/** 32 bytes of third bits (set: nothing to subtract), 64 bytes of low bits as Q2_K, 16 6-bit scales in 12 bytes, d f16. */
export function dequantizeQ3K(bytes: Uint8Array, target: Float32Array, blocks: number): void {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 110) {
    const d = HALF_TO_FLOAT[bytes[at + 108]! | (bytes[at + 109]! << 8)]!;
    for (let sub = 0; sub < 16; sub++, to += 16) {
      const low = sub < 8 ? bytes[at + 96 + sub]! & 15 : bytes[at + 88 + sub]! >> 4;
      const high = (bytes[at + 104 + (sub & 3)]! >> ((sub >> 2) * 2)) & 3;
      const scale = d * ((low | (high << 4)) - 32);
      const from = at + 32 + (sub >> 3) * 32 + (sub & 1) * 16;
      const shift = ((sub >> 1) & 3) * 2;
      const masks = at + (sub & 1) * 16;
      const bit = sub >> 1;
      for (let i = 0; i < 16; i++) {
        const third = (bytes[masks + i]! >> bit) & 1;
        target[to + i] = scale * (((bytes[from + i]! >> shift) & 3) - (third ? 0 : 4));
      }
    }
  }
}

/** d f16, dmin f16, 8 6-bit scales and minima in 12 bytes, 128 bytes of 4-bit weights. Sub-blocks of 32. */
export function dequantizeQ4K(bytes: Uint8Array, target: Float32Array, blocks: number): void {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 144) {
    const d = HALF_TO_FLOAT[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const dmin = HALF_TO_FLOAT[bytes[at + 2]! | (bytes[at + 3]! << 8)]!;
    for (let sub = 0; sub < 8; sub++, to += 32) {
      const scale = d * subScale(bytes, at + 4, sub);
      const minimum = dmin * subMinimum(bytes, at + 4, sub);
      const from = at + 16 + (sub >> 1) * 32;
      const shift = (sub & 1) * 4;
      for (let i = 0; i < 32; i++) target[to + i] = scale * ((bytes[from + i]! >> shift) & 15) - minimum;
    }
  }
}

/** As Q4_K, with 32 bytes of fifth bits before the weights: bit s of byte i belongs to weight i of sub-block s. */
export function dequantizeQ5K(bytes: Uint8Array, target: Float32Array, blocks: number): void {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 176) {
    const d = HALF_TO_FLOAT[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const dmin = HALF_TO_FLOAT[bytes[at + 2]! | (bytes[at + 3]! << 8)]!;
    for (let sub = 0; sub < 8; sub++, to += 32) {
      const scale = d * subScale(bytes, at + 4, sub);
      const minimum = dmin * subMinimum(bytes, at + 4, sub);
      const from = at + 48 + (sub >> 1) * 32;
      const shift = (sub & 1) * 4;
      for (let i = 0; i < 32; i++) {
        const fifth = (bytes[at + 16 + i]! >> sub) & 1;
        target[to + i] = scale * (((bytes[from + i]! >> shift) & 15) | (fifth << 4)) - minimum;
      }
    }
  }
}

/** 128 bytes of low halves, 64 bytes of upper bit pairs, 16 signed 8-bit scales, d f16; less 32. Sub-blocks of 16. */
export function dequantizeQ6K(bytes: Uint8Array, target: Float32Array, blocks: number): void {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 210) {
    const d = HALF_TO_FLOAT[bytes[at + 208]! | (bytes[at + 209]! << 8)]!;
    for (let sub = 0; sub < 16; sub++, to += 16) {
      const scale = d * ((bytes[at + 192 + sub]! << 24) >> 24);
      // Each 128 weights: quarters of 32; quarters 0 and 2 share one run of 32 bytes (low, high halves), 1 and 3 the next.
      const half = sub >> 3;
      const quarter = (sub >> 1) & 3;
      const within = (sub & 1) * 16;
      const low = at + half * 64 + (quarter & 1) * 32 + within;
      const lowShift = (quarter >> 1) * 4;
      const high = at + 128 + half * 32 + within;
      const highShift = quarter * 2;
      for (let i = 0; i < 16; i++) {
        const q = ((bytes[low + i]! >> lowShift) & 15) | (((bytes[high + i]! >> highShift) & 3) << 4);
        target[to + i] = scale * (q - 32);
      }
    }
  }
}

/** d f16, 8 6-bit scales (upper bits in 2 bytes, lower in 4) less 32, then eight sub-blocks of 32 as IQ4_NL. */
export function dequantizeIQ4XS(bytes: Uint8Array, target: Float32Array, blocks: number): void {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 136) {
    const d = HALF_TO_FLOAT[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const upper = bytes[at + 2]! | (bytes[at + 3]! << 8);
    for (let sub = 0; sub < 8; sub++, to += 32) {
      const lower = (bytes[at + 4 + (sub >> 1)]! >> ((sub & 1) * 4)) & 15;
      const scale = d * ((lower | (((upper >> (2 * sub)) & 3) << 4)) - 32);
      const from = at + 8 + sub * 16;
      for (let i = 0; i < 16; i++) {
        const q = bytes[from + i]!;
        target[to + i] = scale * IQ4_LEVELS[q & 15]!;
        target[to + i + 16] = scale * IQ4_LEVELS[q >> 4]!;
      }
    }
  }
}

/** Q4_K and Q5_K: scale of a sub-block; the first four lie whole in bytes 0..3, the others in 8..11 and the top of 0..3. */
function subScale(bytes: Uint8Array, at: number, sub: number): number {
  if (sub < 4) return bytes[at + sub]! & 63;
  return (bytes[at + sub + 4]! & 15) | ((bytes[at + sub - 4]! >> 6) << 4);
}

/** Q4_K and Q5_K: minimum of a sub-block; bytes 4..7, and 8..11 with the top of 4..7. */
function subMinimum(bytes: Uint8Array, at: number, sub: number): number {
  if (sub < 4) return bytes[at + sub + 4]! & 63;
  return (bytes[at + sub + 4]! >> 4) | ((bytes[at + sub]! >> 6) << 4);
}
