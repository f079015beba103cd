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
  storeConstants();
  if (temperature === 1) return addAll(false, x, count, largest, temperature, sum);
  return addAll(true, x, count, largest, temperature, sum);
}

@inline
function addAll(isDivided: bool, x: usize, count: i32, largest: f64, temperature: f64, sum: f64): f64 {
  const top = f64x2.splat(largest);
  const divisor = f64x2.splat(temperature);
  const end = x + 4 * <usize>(count & ~1);
  for (; x < end; x += 8) {
    const powers = exponentials(scaled(isDivided, v128.load64_zero(x), top, divisor));
    sum += f64x2.extract_lane(powers, 0);
    sum += f64x2.extract_lane(powers, 1);
  }
  if ((count & 1) === 0) return sum;
  return sum + f64x2.extract_lane(exponentials(scaled(isDivided, v128.load32_zero(x), top, divisor)), 0);
}

@inline
function scaled(isDivided: bool, x: v128, top: v128, divisor: v128): v128 {
  const values = f64x2.sub(f64x2.promote_low_f32x4(x), top);
  return isDivided ? f64x2.div(values, divisor) : values;
}

/**
 * Where `exponentials` finds its constants, f64 one after another, in the kernels' scratch: loading one is one instruction, but V8 makes
 * a constant vector by three, anew at every use.
 */
const CONSTANTS: usize = 64;

function storeConstants(): void {
  store<f64>(CONSTANTS, 1.4426950408889634);
  store<f64>(CONSTANTS, 0.5, 8);
  // 1.5 ln 2, 0.5 ln 2 and 2^-28, as far as fdlibm compares them (their upper 32 bits).
  store<u64>(CONSTANTS, 0x3ff0a2b200000000, 16);
  store<u64>(CONSTANTS, 0x3fd62e4300000000, 24);
  store<u64>(CONSTANTS, 0x3e30000000000000, 32);
  store<f64>(CONSTANTS, 6.9314718036912381649e-1, 40);
  store<f64>(CONSTANTS, 1.90821492927058770002e-10, 48);
  store<f64>(CONSTANTS, 4.13813679705723846039e-8, 56);
  store<f64>(CONSTANTS, -1.6533902205465251539e-6, 64);
  store<f64>(CONSTANTS, 6.61375632143793436117e-5, 72);
  store<f64>(CONSTANTS, -2.77777777770155933842e-3, 80);
  store<f64>(CONSTANTS, 1.66666666666666019037e-1, 88);
  store<f64>(CONSTANTS, 1, 96);
  store<f64>(CONSTANTS, 2, 104);
  store<f64>(CONSTANTS, -708, 112);
  store<u64>(CONSTANTS, 0x7fffffffffffffff, 120);
  store<f64>(CONSTANTS, -1, 128);
  store<f64>(CONSTANTS, 4503599627371519, 136);
}

/** The constant at that place, twice. */
@inline
function constant(place: usize): v128 {
  return v128.load64_splat(CONSTANTS + place);
}

/**
 * e^x for x <= 0 after fdlibm's e_exp.c (Sun Microsystems, 1993), operation by operation: x = k ln 2 + r, and
 * e^r = 1 + 2r / (R - r) where R comes from a polynomial in r^2. Below -708, where the result is subnormal, 0.
 */
@inline
function exponentials(x: v128): v128 {
  const size = v128.and(x, constant(120));
  let k = f64x2.trunc(f64x2.sub(f64x2.mul(constant(0), x), constant(8)));
  const isNear = f64x2.lt(size, constant(16));
  k = v128.or(v128.andnot(k, isNear), v128.and(constant(128), isNear));
  k = v128.and(k, f64x2.ge(size, constant(24)));
  const high = f64x2.sub(x, f64x2.mul(k, constant(40)));
  const low = f64x2.mul(k, constant(48));
  const r = f64x2.sub(high, low);
  const t = f64x2.mul(r, r);
  let p = f64x2.add(constant(64), f64x2.mul(t, constant(56)));
  p = f64x2.add(constant(72), f64x2.mul(t, p));
  p = f64x2.add(constant(80), f64x2.mul(t, p));
  p = f64x2.add(constant(88), f64x2.mul(t, p));
  const c = f64x2.sub(r, f64x2.mul(t, p));
  const quotient = f64x2.div(f64x2.mul(r, c), f64x2.sub(constant(104), c));
  let y = f64x2.sub(constant(96), f64x2.sub(f64x2.sub(low, quotient), high));
  const isSmall = f64x2.lt(size, constant(32));
  y = v128.or(v128.andnot(y, isSmall), v128.and(f64x2.add(constant(96), x), isSmall));
  // 2^k: added to 2^52 + 1023, k + 1023 stands in the lowest bits, and then in the exponent's place. What overflows there belongs to
  // x < -708.
  const power = i64x2.shl(f64x2.add(k, constant(136)), 52);
  return v128.andnot(f64x2.mul(y, power), f64x2.lt(x, constant(112)));
}
