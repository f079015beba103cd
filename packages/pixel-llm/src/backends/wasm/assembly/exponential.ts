/**
 * e^x for four values: x = n ln 2 + r with |r| <= ln 2 / 2, e^r by its Taylor series to the eighth power (relative error below 1e-8,
 * less than the rounding of f32), times 2^n. ln 2 in two parts, the first short enough for n times it to be exact.
 */
import { multiplyAdd } from './dot';

@inline
export function exponential(x: v128): v128 {
  // Outside these the result is 0 or the largest power there is: e^88 is 1.65e38.
  const clamped = f32x4.min(f32x4.max(x, f32x4.splat(-87)), f32x4.splat(88));
  const n = f32x4.nearest(f32x4.mul(clamped, f32x4.splat(1.4426950408889634)));
  const coarse = multiplyAdd(n, f32x4.splat(-0.693359375), clamped);
  const r = multiplyAdd(n, f32x4.splat(0.00021219444005469057), coarse);
  let p = multiplyAdd(r, f32x4.splat(1.0 / 40320.0), f32x4.splat(1.0 / 5040.0));
  p = multiplyAdd(p, r, f32x4.splat(1.0 / 720.0));
  p = multiplyAdd(p, r, f32x4.splat(1.0 / 120.0));
  p = multiplyAdd(p, r, f32x4.splat(1.0 / 24.0));
  p = multiplyAdd(p, r, f32x4.splat(1.0 / 6.0));
  p = multiplyAdd(p, r, f32x4.splat(0.5));
  p = multiplyAdd(p, r, f32x4.splat(1));
  p = multiplyAdd(p, r, f32x4.splat(1));
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23);
  const tooSmall = f32x4.lt(x, f32x4.splat(-87));
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
