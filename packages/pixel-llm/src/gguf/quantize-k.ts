/**
 * Quantizers of the K types: a search for the scale (and minimum) of each sub-block that leaves the least weighted squared
 * error, then the scales themselves quantized. Called by quantize.ts.
 * Source: ggml's quantize_row_q4_K_ref, quantize_row_q6_K_ref and their searches (ggml-quants.c). Every intermediate is
 * rounded to float32 as there, since one different rounding can choose another candidate.
 */
import { floatToHalf, HALF_TO_FLOAT } from './half.ts';

const f32 = Math.fround;

// Scratch of one block and one sub-block. Doubles, though they hold float32 values: the engine's arithmetic is in doubles,
// and not converting on every load and store makes the searches faster.
const levels = new Float64Array(256);
const candidate = new Float64Array(32);
const importance = new Float64Array(32);

/** Result of the last `searchScaleAndMinimum`. */
let foundMinimum = 0;

/** d f16, dmin f16, 8 6-bit scales and minima in 12 bytes, 128 bytes of 4-bit weights. */
export function quantizeQ4K(values: Float32Array, target: Uint8Array, blocks: number): void {
  const scales = new Float32Array(8);
  const minima = new Float32Array(8);
  for (let block = 0, from = 0, at = 0; block < blocks; block++, from += 256, at += 144) {
    let largestScale = 0;
    let largestMinimum = 0;
    for (let sub = 0; sub < 8; sub++) {
      weighByMagnitude(values, from + 32 * sub);
      scales[sub] = searchScaleAndMinimum(values, from + 32 * sub, 32 * sub);
      minima[sub] = foundMinimum;
      largestScale = Math.max(largestScale, scales[sub]!);
      largestMinimum = Math.max(largestMinimum, minima[sub]!);
    }
    const inverseScale = largestScale > 0 ? f32(63 / largestScale) : 0;
    const inverseMinimum = largestMinimum > 0 ? f32(63 / largestMinimum) : 0;
    const d = writeHalf(target, at, f32(largestScale / 63));
    const dmin = writeHalf(target, at + 2, f32(largestMinimum / 63));
    for (let sub = 0; sub < 8; sub++) {
      const scale = Math.min(63, roundEven(f32(inverseScale * scales[sub]!)));
      const minimum = Math.min(63, roundEven(f32(inverseMinimum * minima[sub]!)));
      packScale(target, at + 4, sub, scale, minimum);
      assignLevels(values, from + 32 * sub, 32 * sub, f32(d * scale), f32(dmin * minimum));
    }
    for (let i = 0; i < 128; i++) {
      const pair = (i >> 5) * 64 + (i & 31);
      target[at + 16 + i] = levels[pair]! | (levels[pair + 32]! << 4);
    }
  }
}

/** Weight of an error: the sub-block's root mean square plus the weight's own magnitude. */
function weighByMagnitude(values: Float32Array, from: number): void {
  let squares = 0;
  for (let i = 0; i < 32; i++) squares = f32(squares + f32(values[from + i]! * values[from + i]!));
  const root = f32(Math.sqrt(f32(squares / 32)));
  for (let i = 0; i < 32; i++) importance[i] = f32(root + Math.abs(values[from + i]!));
}

/**
 * Finds scale and minimum (into foundMinimum, not negative) of 32 weights as scale x level - minimum, levels 0..15; leaves the levels in
 * levels[to..]. Tries 21 scales around the obvious one, solving least squares for each. Returns the scale.
 */
function searchScaleAndMinimum(values: Float32Array, from: number, to: number): number {
  let least = values[from]!;
  let most = least;
  let sumWeights = importance[0]!;
  let sumX = f32(sumWeights * least);
  for (let i = 1; i < 32; i++) {
    const x = values[from + i]!;
    if (x < least) least = x;
    if (x > most) most = x;
    sumWeights = f32(sumWeights + importance[i]!);
    sumX = f32(sumX + f32(importance[i]! * x));
  }
  if (least > 0) least = 0;
  foundMinimum = -least;
  if (most === least) {
    levels.fill(0, to, to + 32);
    return 0;
  }
  const inverse = f32(15 / f32(most - least));
  let scale = f32(1 / inverse);
  let minimum = least;
  let bestError = 0;
  for (let i = 0; i < 32; i++) {
    const level = clampLevel(roundEven(f32(inverse * f32(values[from + i]! - least))));
    levels[to + i] = level;
    bestError = addError(bestError, scale, level, minimum, values[from + i]!, importance[i]!);
  }
  for (let step = 0; step <= 20; step++) {
    // As in ggml, a better minimum found by one step is the base of the steps after it.
    const base = minimum;
    const tried = f32(f32(f32(-1 + f32(f32(0.1) * step)) + 15) / f32(most - base));
    let sumL = 0;
    let sumL2 = 0;
    let sumXL = 0;
    for (let i = 0; i < 32; i++) {
      const x = values[from + i]!;
      const w = importance[i]!;
      const level = clampLevel(roundEven(f32(tried * f32(x - base))));
      candidate[i] = level;
      sumL = f32(sumL + f32(w * level));
      sumL2 = f32(sumL2 + f32(f32(w * level) * level));
      sumXL = f32(sumXL + f32(f32(w * level) * x));
    }
    const determinant = f32(f32(sumWeights * sumL2) - f32(sumL * sumL));
    if (determinant <= 0) continue;
    let thisScale = f32(f32(f32(sumWeights * sumXL) - f32(sumX * sumL)) / determinant);
    let thisMinimum = f32(f32(f32(sumL2 * sumX) - f32(sumL * sumXL)) / determinant);
    if (thisMinimum > 0) {
      thisMinimum = 0;
      thisScale = f32(sumXL / sumL2);
    }
    let error = 0;
    for (let i = 0; i < 32; i++) {
      error = addError(error, thisScale, candidate[i]!, thisMinimum, values[from + i]!, importance[i]!);
    }
    if (error < bestError) {
      levels.set(candidate, to);
      bestError = error;
      scale = thisScale;
      minimum = thisMinimum;
    }
  }
  foundMinimum = -minimum;
  return scale;
}

function addError(sum: number, scale: number, level: number, minimum: number, x: number, weight: number): number {
  const difference = f32(f32(f32(scale * level) + minimum) - x);
  return f32(sum + f32(weight * f32(difference * difference)));
}

/** Levels again, for the scale and minimum as they were stored; a scale of 0 keeps the levels of the search. */
function assignLevels(values: Float32Array, from: number, to: number, scale: number, minimum: number): void {
  if (scale === 0) return;
  for (let i = 0; i < 32; i++) {
    levels[to + i] = clampLevel(roundEven(f32(f32(values[from + i]! + minimum) / scale)));
  }
}

function clampLevel(level: number): number {
  return level < 0 ? 0 : level > 15 ? 15 : level;
}

/** The 12 bytes of 8 scales and 8 minima, 6 bits each; see dequantize-k.ts for the way back. */
function packScale(target: Uint8Array, at: number, sub: number, scale: number, minimum: number): void {
  if (sub < 4) {
    target[at + sub] = scale;
    target[at + sub + 4] = minimum;
    return;
  }
  target[at + sub + 4] = (scale & 15) | ((minimum & 15) << 4);
  target[at + sub - 4]! |= (scale >> 4) << 6;
  target[at + sub]! |= (minimum >> 4) << 6;
}

/** Below this magnitude a sub-block counts as zero. */
const LEAST_MAGNITUDE = f32(1e-15);

/** 128 bytes of low halves, 64 bytes of upper bit pairs, 16 signed 8-bit scales, d f16. */
export function quantizeQ6K(values: Float32Array, target: Uint8Array, blocks: number): void {
  const scales = new Float32Array(16);
  for (let block = 0, from = 0, at = 0; block < blocks; block++, from += 256, at += 210) {
    let largest = 0;
    for (let sub = 0; sub < 16; sub++) {
      scales[sub] = searchScale(values, from + 16 * sub, 16 * sub);
      if (Math.abs(scales[sub]!) > Math.abs(largest)) largest = scales[sub]!;
    }
    if (Math.abs(largest) < LEAST_MAGNITUDE) continue;
    const inverse = f32(-128 / largest);
    const d = writeHalf(target, at + 208, f32(1 / inverse));
    for (let sub = 0; sub < 16; sub++) {
      const quantized = Math.min(127, roundEven(f32(inverse * scales[sub]!)));
      target[at + 192 + sub] = quantized;
      const scale = f32(d * quantized);
      if (scale === 0) continue;
      for (let i = 0; i < 16; i++) {
        levels[16 * sub + i] = clampSigned(roundEven(f32(values[from + 16 * sub + i]! / scale))) + 32;
      }
    }
    packQ6K(target, at);
  }
}

/** Scale of 16 weights as scale x level, levels -32..31, by least squares weighted with x²; leaves level + 32 in levels[to..]. */
function searchScale(values: Float32Array, from: number, to: number): number {
  let extreme = 0;
  for (let i = 0; i < 16; i++) {
    if (Math.abs(values[from + i]!) > Math.abs(extreme)) extreme = values[from + i]!;
  }
  if (Math.abs(extreme) < LEAST_MAGNITUDE) {
    levels.fill(0, to, to + 16);
    return 0;
  }
  let scale = 0;
  let best = 0;
  // ggml tries the obvious inverse scale first, then its neighbours.
  for (const step of [0, -9, -8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9]) {
    const inverse = f32(-f32(32 + f32(f32(0.1) * step)) / extreme);
    let sumXL = 0;
    let sumL2 = 0;
    for (let i = 0; i < 16; i++) {
      const x = values[from + i]!;
      const level = clampSigned(roundEven(f32(inverse * x)));
      const w = f32(x * x);
      sumXL = f32(sumXL + f32(f32(w * x) * level));
      sumL2 = f32(sumL2 + f32(f32(w * level) * level));
    }
    if (sumL2 <= 0) continue;
    if (step !== 0 && f32(sumXL * sumXL) <= f32(best * sumL2)) continue;
    scale = f32(sumXL / sumL2);
    best = f32(scale * sumXL);
    for (let i = 0; i < 16; i++) levels[to + i] = clampSigned(roundEven(f32(inverse * values[from + i]!))) + 32;
  }
  return scale;
}

function clampSigned(level: number): number {
  return level < -32 ? -32 : level > 31 ? 31 : level;
}

/** Each 128 levels: four quarters of 32; low halves of quarters 0 and 2, then 1 and 3, share bytes; upper pairs of all four. */
function packQ6K(target: Uint8Array, at: number): void {
  for (let half = 0; half < 2; half++) {
    for (let i = 0; i < 32; i++) {
      const from = 128 * half + i;
      const [a, b, c, d] = [levels[from]!, levels[from + 32]!, levels[from + 64]!, levels[from + 96]!];
      target[at + 64 * half + i] = (a & 15) | ((c & 15) << 4);
      target[at + 64 * half + 32 + i] = (b & 15) | ((d & 15) << 4);
      target[at + 128 + 32 * half + i] = (a >> 4) | ((b >> 4) << 2) | ((c >> 4) << 4) | ((d >> 4) << 6);
    }
  }
}

/** To the nearest integer, ties to even: adding 1.5 x 2^52 leaves no room for a fraction. */
function roundEven(value: number): number {
  return value + 6_755_399_441_055_744 - 6_755_399_441_055_744;
}

/** Returns the value as it was rounded. */
function writeHalf(target: Uint8Array, at: number, value: number): number {
  const half = floatToHalf(value);
  target[at] = half & 255;
  target[at + 1] = half >> 8;
  return HALF_TO_FLOAT[half]!;
}
