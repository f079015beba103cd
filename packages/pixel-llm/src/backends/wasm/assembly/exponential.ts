/**
 * e^x for four values: x = n ln 2 + r with |r| <= ln 2 / 2, e^r by its Taylor series to the eighth power (relative error below 1e-8,
 * less than the rounding of f32), times 2^n. ln 2 in two parts, the first short enough for n times it to be exact.
 *
 * The constants stand in memory, four times each: engines make five instructions of a vector constant, one of a load. For the same
 * reason minima and maxima here are the ones that processors have (pmin, pmax).
 */
import { multiplyAdd } from './dot';

// biome-ignore format: one constant a line
const CONSTANTS: usize = memory.data<f32>([
  -87, -87, -87, -87,
  88, 88, 88, 88,
  1.4426950408889634, 1.4426950408889634, 1.4426950408889634, 1.4426950408889634,
  // 1.5 x 2^23: what is added to it is rounded to an integer, which its last bits then hold.
  12582912, 12582912, 12582912, 12582912,
  -0.693359375, -0.693359375, -0.693359375, -0.693359375,
  0.00021219444005469057, 0.00021219444005469057, 0.00021219444005469057, 0.00021219444005469057,
  0.0000248015873015873, 0.0000248015873015873, 0.0000248015873015873, 0.0000248015873015873,
  0.0001984126984126984, 0.0001984126984126984, 0.0001984126984126984, 0.0001984126984126984,
  0.001388888888888889, 0.001388888888888889, 0.001388888888888889, 0.001388888888888889,
  0.008333333333333333, 0.008333333333333333, 0.008333333333333333, 0.008333333333333333,
  0.041666666666666664, 0.041666666666666664, 0.041666666666666664, 0.041666666666666664,
  0.16666666666666666, 0.16666666666666666, 0.16666666666666666, 0.16666666666666666,
  0.5, 0.5, 0.5, 0.5,
  1, 1, 1, 1,
]);

@inline
function constant(index: usize): v128 {
  return v128.load(CONSTANTS + 16 * index);
}

@inline
export function exponential(x: v128): v128 {
  // Outside these the result is 0 or the largest power there is: e^88 is 1.65e38.
  const clamped = f32x4.pmin(f32x4.pmax(x, constant(0)), constant(1));
  const shifted = multiplyAdd(clamped, constant(2), constant(3));
  const n = f32x4.sub(shifted, constant(3));
  const coarse = multiplyAdd(n, constant(4), clamped);
  const r = multiplyAdd(n, constant(5), coarse);
  let p = multiplyAdd(r, constant(6), constant(7));
  p = multiplyAdd(p, r, constant(8));
  p = multiplyAdd(p, r, constant(9));
  p = multiplyAdd(p, r, constant(10));
  p = multiplyAdd(p, r, constant(11));
  p = multiplyAdd(p, r, constant(12));
  p = multiplyAdd(p, r, constant(13));
  p = multiplyAdd(p, r, constant(13));
  const power = i32x4.add(i32x4.shl(shifted, 23), constant(13));
  const tooSmall = f32x4.lt(x, constant(0));
  return v128.andnot(f32x4.mul(p, power), tooSmall);
}

/** tanh x = 1 - 2 / (e^2x + 1); near zero, where that would cancel, x - x^3 / 3 + 2 x^5 / 15. */
@inline
export function hyperbolicTangent(x: v128): v128 {
  const one = f32x4.splat(1);
  const far = f32x4.sub(one, f32x4.div(f32x4.splat(2), f32x4.add(exponential(f32x4.add(x, x)), one)));
  const square = f32x4.mul(x, x);
  const series = multiplyAdd(square, f32x4.splat(2.0 / 15.0), f32x4.splat(-1.0 / 3.0));
  const near = multiplyAdd(f32x4.mul(series, square), x, x);
  return v128.bitselect(near, far, f32x4.lt(f32x4.abs(x), f32x4.splat(0.05)));
}

/** The sum of the four lanes, in one order. */
@inline
export function sumLanes(x: v128): f32 {
  const pairs = f32x4.add(x, v128.shuffle<i32>(x, x, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

@inline
export function maxLanes(x: v128): f32 {
  const pairs = f32x4.max(x, v128.shuffle<i32>(x, x, 2, 3, 0, 1));
  return max(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}
