/** Half-precision numbers, one at a time, where speed does not matter: packing weights, storing keys and values. */
import { HALF_BIAS } from './dot';

/** Exact; infinities and NaN become f32's. */
export function fromHalf(half: u32): f32 {
  if ((half & 0x7c00) === 0x7c00) return half & 0x3ff ? NaN : half & 0x8000 ? -Infinity : Infinity;
  const magnitude = reinterpret<f32>((half & 0x7fff) << 13) * HALF_BIAS;
  return half & 0x8000 ? -magnitude : magnitude;
}

/** Rounded half to even. What is too large becomes the largest half, 65504, so that nothing infinite comes of it. */
export function toHalf(value: f32): u32 {
  const sign = (reinterpret<u32>(value) >> 16) & 0x8000;
  const magnitude = min(abs(value), 65504);
  const bits = reinterpret<u32>(magnitude);
  // Adding 0.5 leaves a subnormal's bits, rounded by the processor, at the end of the sum.
  if (bits < 0x38800000) return sign | (reinterpret<u32>(magnitude + 0.5) - 0x3f000000);
  return sign | ((bits - 0x38000000 + 0xfff + ((bits >> 13) & 1)) >> 13);
}

/** 2^exponent, within the normal range. */
@inline
export function powerOfTwo(exponent: i32): f32 {
  return reinterpret<f32>((exponent + 127) << 23);
}

/** The k for which 2^k x `largest` lies within 2^15 .. 2^16; 0 for nothing. */
export function headroom(largest: f32): i32 {
  return largest > 0 ? 142 - <i32>(reinterpret<u32>(largest) >> 23) : 0;
}
