/**
 * The integer dot product everything quantized stands on: four activations, the same for every lane, times sixteen weights,
 * four for each of four rows; lane r of the result belongs to row r, so nothing is ever added across lanes.
 *
 * Two builds of the same source: with relaxed SIMD activations are stored as 8 bits, without it as 16.
 */

/** Bytes an activation takes. */
export const ACTIVATION_BYTES: usize = ASC_FEATURE_RELAXED_SIMD ? 1 : 2;

/** c + dot, exact for weights 0 .. 127. `a` points at four activations. */
@inline
export function dotNarrow(a: usize, weights: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    return i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load32_splat(a), weights, c);
  }
  const activations = v128.load64_splat(a);
  const low = i32x4.dot_i16x8_s(activations, i16x8.extend_low_i8x16_u(weights));
  const high = i32x4.dot_i16x8_s(activations, i16x8.extend_high_i8x16_u(weights));
  const even = v128.shuffle<i32>(low, high, 0, 2, 4, 6);
  const odd = v128.shuffle<i32>(low, high, 1, 3, 5, 7);
  return i32x4.add(c, i32x4.add(even, odd));
}

/** c + dot, exact for weights 0 .. 255 where the machine takes the second operand as unsigned (probeWideDot). */
@inline
export function dotWide(a: usize, weights: v128, c: v128): v128 {
  return dotNarrow(a, weights, c);
}

/** c + dot, exact for weights 0 .. 255 everywhere: 2 x (upper seven bits) + the last bit. */
@inline
export function dotSplit(a: usize, weights: v128, c: v128): v128 {
  if (!ASC_FEATURE_RELAXED_SIMD) return dotNarrow(a, weights, c);
  const upper = v128.and(i16x8.shr_u(weights, 1), i8x16.splat(0x7f));
  const half = dotNarrow(a, upper, i32x4.splat(0));
  return dotNarrow(a, v128.and(weights, i8x16.splat(1)), i32x4.add(c, i32x4.shl(half, 1)));
}

/** c + dot: `wide` (a constant) says which of the three. */
@inline
export function dot(wide: i32, a: usize, weights: v128, c: v128): v128 {
  return wide === 0 ? dotNarrow(a, weights, c) : wide === 1 ? dotWide(a, weights, c) : dotSplit(a, weights, c);
}

/** 1 if dotWide is exact on this machine. Needs four bytes of scratch. */
export function probeWideDot(scratch: usize): i32 {
  if (!ASC_FEATURE_RELAXED_SIMD) return 1;
  let exact = 1;
  for (let activation: i32 = -127; activation <= 127; activation += 127) {
    for (let weight: i32 = 0; weight <= 255; weight += 51) {
      store<i32>(scratch, (activation & 0xff) * 0x01010101);
      const sums = dotWide(scratch, i8x16.splat(<i8>weight), i32x4.splat(7));
      if (i32x4.extract_lane(sums, 3) !== 4 * activation * weight + 7) exact = 0;
    }
  }
  return exact;
}

/** a x b + c; fused where the machine does so in relaxed SIMD: one choice for all kernels of a build. */
@inline
export function multiplyAdd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/**
 * Four f16 at `p` as f32 times 2^-112: the exponent's bias moves from 15 to 127 by the multiplication that follows. What comes out
 * of a subnormal f16 is a subnormal f32, on which a processor spends some 150 cycles: packing makes them rare.
 */
@inline
export function loadHalves(p: usize): v128 {
  const halves = v128.load16x4_u(p);
  return v128.and(i32x4.shr_s(i32x4.shl(halves, 16), 3), i32x4.splat(0x8fffffff));
}

/** 2^112. */
@inline
export const HALF_BIAS: f32 = reinterpret<f32>(0x77800000);

/** Stores the first `count` lanes (1 .. 4; more means 4). */
@inline
export function storeLanes(p: usize, lanes: v128, count: i32): void {
  if (count >= 4) {
    v128.store(p, lanes);
    return;
  }
  store<f32>(p, f32x4.extract_lane(lanes, 0));
  if (count > 1) store<f32>(p, f32x4.extract_lane(lanes, 1), 4);
  if (count > 2) store<f32>(p, f32x4.extract_lane(lanes, 2), 8);
}
