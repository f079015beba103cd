/**
 * What sampling needs to know of a row of logits, [count] f32. Order and rounding are the specification's (reference/sample.ts): the
 * same tokens and the same probabilities come out, bit for bit where Math.exp is fdlibm's, as V8's is.
 */

/** Values of which blockMaxima gives one. */
const BLOCK: i32 = 64;

/** Stores the largest value of each 64, [count / 64 rounded up]; returns 0 if a value is NaN or Infinity, else 1. */
export function blockMaxima(x: usize, count: i32, out: usize): i32 {
  let usable = i32x4.splat(-1);
  let i: i32 = 0;
  for (; i + BLOCK <= count; i += BLOCK, x += 4 * BLOCK, out += 4) {
    let largest = v128.load(x);
    usable = v128.and(usable, f32x4.lt(largest, f32x4.splat(Infinity)));
    for (let at: usize = 16; at < 4 * BLOCK; at += 16) {
      const values = v128.load(x + at);
      usable = v128.and(usable, f32x4.lt(values, f32x4.splat(Infinity)));
      largest = f32x4.pmax(largest, values);
    }
    const pairs = f32x4.pmax(largest, v128.shuffle<i32>(largest, largest, 2, 3, 0, 1));
    store<f32>(out, max(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1)));
  }
  let rest: i32 = 1;
  if (i < count) {
    let largest: f32 = -Infinity;
    for (; i < count; i++, x += 4) {
      if (!(load<f32>(x) < Infinity)) rest = 0;
      largest = max(largest, load<f32>(x));
    }
    store<f32>(out, largest);
  }
  return rest & (i32x4.all_true(usable) ? 1 : 0);
}

/** Stores the indices of the values that are at least `least`, ascending, up to `most` of them; returns how many there are. */
export function indicesFrom(x: usize, count: i32, least: f32, most: i32, out: usize): i32 {
  const bound = f32x4.splat(least);
  let found: i32 = 0;
  for (let i: i32 = 0; i < count; i += 16) {
    const at = x + 4 * <usize>i;
    const first = v128.or(f32x4.ge(v128.load(at), bound), f32x4.ge(v128.load(at, 16), bound));
    const second = v128.or(f32x4.ge(v128.load(at, 32), bound), f32x4.ge(v128.load(at, 48), bound));
    if (!v128.any_true(v128.or(first, second))) continue;
    for (let j = i; j < min(count, i + 16); j++) {
      if (!(load<f32>(x + 4 * <usize>j) >= least)) continue;
      if (found < most) store<i32>(out + 4 * <usize>found, j);
      found++;
    }
  }
  return found;
}

/** sum + e^((x - largest) / temperature) for all values in turn. `largest` is none of them or larger than all. */
export function addPowers(x: usize, count: i32, largest: f64, temperature: f64, sum: f64): f64 {
  const top = f64x2.splat(largest);
  const divisor = f64x2.splat(temperature);
  for (let i: i32 = 0; i < count; i += 2, x += 8) {
    const values = f64x2.promote_low_f32x4(v128.load64_zero(x));
    const powers = exponentials(f64x2.div(f64x2.sub(values, top), divisor));
    sum += f64x2.extract_lane(powers, 0);
    if (i + 1 < count) sum += f64x2.extract_lane(powers, 1);
  }
  return sum;
}

/** 1.5 ln 2, 0.5 ln 2 and 2^-28, as far as fdlibm compares them (their upper 32 bits). */
const ONE_AND_A_HALF: f64 = reinterpret<f64>(<u64>0x3ff0a2b200000000);
const HALF: f64 = reinterpret<f64>(<u64>0x3fd62e4300000000);
const SMALL: f64 = reinterpret<f64>(<u64>0x3e30000000000000);

/**
 * e^x for x <= 0 after fdlibm's e_exp.c (Sun Microsystems, 1993), operation by operation: x = k ln 2 + r, and
 * e^r = 1 + 2r / (R - r) where R comes from a polynomial in r^2. Below -708, where the result is subnormal, 0.
 */
@inline
function exponentials(x: v128): v128 {
  const size = f64x2.abs(x);
  const one = f64x2.splat(1);
  let k = f64x2.trunc(f64x2.sub(f64x2.mul(f64x2.splat(1.44269504088896338700), x), f64x2.splat(0.5)));
  k = v128.bitselect(f64x2.splat(-1), k, f64x2.lt(size, f64x2.splat(ONE_AND_A_HALF)));
  k = v128.and(k, f64x2.ge(size, f64x2.splat(HALF)));
  const high = f64x2.sub(x, f64x2.mul(k, f64x2.splat(6.93147180369123816490e-1)));
  const low = f64x2.mul(k, f64x2.splat(1.90821492927058770002e-10));
  const r = f64x2.sub(high, low);
  const t = f64x2.mul(r, r);
  let p = f64x2.add(f64x2.splat(-1.65339022054652515390e-6), f64x2.mul(t, f64x2.splat(4.13813679705723846039e-8)));
  p = f64x2.add(f64x2.splat(6.61375632143793436117e-5), f64x2.mul(t, p));
  p = f64x2.add(f64x2.splat(-2.77777777770155933842e-3), f64x2.mul(t, p));
  p = f64x2.add(f64x2.splat(1.66666666666666019037e-1), f64x2.mul(t, p));
  const c = f64x2.sub(r, f64x2.mul(t, p));
  const quotient = f64x2.div(f64x2.mul(r, c), f64x2.sub(f64x2.splat(2), c));
  let y = f64x2.sub(one, f64x2.sub(f64x2.sub(low, quotient), high));
  y = v128.bitselect(f64x2.add(one, x), y, f64x2.lt(size, f64x2.splat(SMALL)));
  // 2^k: k + 1023 in the exponent's place.
  const biased = i64x2.extend_low_i32x4_s(i32x4.add(i32x4.trunc_sat_f64x2_s_zero(k), i32x4.splat(1023)));
  return v128.andnot(f64x2.mul(y, i64x2.shl(biased, 52)), f64x2.lt(x, f64x2.splat(-708)));
}
