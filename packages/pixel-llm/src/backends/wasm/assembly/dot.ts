/**
 * The integer dot product everything quantized stands on: four activations, the same for every lane, times sixteen weights,
 * four for each of four rows; lane r of the result belongs to row r, so nothing is ever added across lanes.
 *
 * Two builds of the same source: with relaxed SIMD activations are stored as 8 bits, without it as 16. All of it is exact, so
 * builds, machines and ways (below) give the same integers.
 */

/** Bytes an activation takes. */
export const ACTIVATION_BYTES: usize = ASC_FEATURE_RELAXED_SIMD ? 1 : 2;

/** Ways to sum, a constant of each kernel. DIRECT: four products to 32 bits at once, where the machine has one instruction for it. */
export const DIRECT: i32 = 0;
/**
 * Two products to 16 bits: what x86 without VNNI has. Weights must be 0 .. 127; lanes 2r and 2r + 1 belong to row r, and have to be
 * widened (`total`) before they run over: after 8 weights of four bits each, 4 of five, 2 of six. 8-bit weights are taken as two halves of 4 bits.
 */
export const PAIRS: i32 = 1;
/** Both sides of 16 bits, in tiles only (panels.ts). */
export const WORDS: i32 = 2;

/** Four activations, the same for every row. */
@inline
export function loadActivations(a: usize): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? v128.load32_splat(a) : v128.load64_splat(a);
}

/** sums + dot, of the kind that `way` says. */
@inline
export function addDot(way: i32, activations: v128, weights: v128, sums: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD && way === PAIRS) {
    return i16x8.add(sums, i16x8.relaxed_dot_i8x16_i7x16_s(activations, weights));
  }
  return dotNarrow(activations, weights, sums);
}

/** The same where there are no sums yet. */
@inline
export function firstDot(way: i32, activations: v128, weights: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD && way === PAIRS) return i16x8.relaxed_dot_i8x16_i7x16_s(activations, weights);
  return dotNarrow(activations, weights, i32x4.splat(0));
}

/** The row sums, i32x4. `ones`: what onesInRegister gave. */
@inline
export function total(way: i32, sums: v128, ones: v128): v128 {
  return way === PAIRS ? i32x4.dot_i16x8_s(sums, ones) : sums;
}

/** c + dot, exact for weights 0 .. 127, and for 0 .. 255 where the machine takes the second operand as unsigned (probeDot). */
@inline
function dotNarrow(activations: v128, weights: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    return i32x4.relaxed_dot_i8x16_i7x16_add_s(activations, weights, c);
  }
  const low = i32x4.dot_i16x8_s(activations, i16x8.extend_low_i8x16_u(weights));
  const high = i32x4.dot_i16x8_s(activations, i16x8.extend_high_i8x16_u(weights));
  const even = v128.shuffle<i32>(low, high, 0, 2, 4, 6);
  const odd = v128.shuffle<i32>(low, high, 1, 3, 5, 7);
  return i32x4.add(c, i32x4.add(even, odd));
}

/**
 * How this machine multiplies weights above 127: 1 as unsigned (x86 with VNNI; any machine without relaxed SIMD), 2 as signed (ARM),
 * 0 inexactly, and then its sums of four cost as much as sums of two and more (x86 without VNNI). Needs four bytes of scratch.
 */
export function probeDot(scratch: usize): i32 {
  if (!ASC_FEATURE_RELAXED_SIMD) return 1;
  let unsigned = true;
  let signed = true;
  for (let activation: i32 = -127; activation <= 127; activation += 127) {
    for (let weight: i32 = 0; weight <= 255; weight += 51) {
      store<i32>(scratch, (activation & 0xff) * 0x01010101);
      const found = i32x4.extract_lane(dotNarrow(loadActivations(scratch), i8x16.splat(<i8>weight), i32x4.splat(7)), 3);
      if (found !== 4 * activation * weight + 7) unsigned = false;
      if (found !== 4 * activation * <i32>(<i8>weight) + 7) signed = false;
    }
  }
  return unsigned ? 1 : signed ? 2 : 0;
}

/** A word of the kernels' scratch that is always 0, which compilers do not know. */
const ZERO: usize = 32;

/** Sixteen times a byte. Of a constant vector V8 makes a new one at every use, by three instructions; this stays in a register. */
@inline
export function inRegister(byte: i32): v128 {
  return i8x16.splat(<i8>(byte | load<i32>(ZERO)));
}

@inline
export function onesInRegister(): v128 {
  return i16x8.splat(<i16>(1 | load<i32>(ZERO)));
}

@inline
export function halfMaskInRegister(): v128 {
  return i32x4.splat(0x8fffffff | load<i32>(ZERO));
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
  return loadHalvesBy(p, i32x4.splat(0x8fffffff));
}

/** The same with a mask from halfMaskInRegister. */
@inline
export function loadHalvesBy(p: usize, mask: v128): v128 {
  return v128.and(i32x4.shl(v128.load16x4_s(p), 13), mask);
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
