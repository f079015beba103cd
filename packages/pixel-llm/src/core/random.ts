/**
 * Counter-based random numbers: the number for (seed, position) is a function of the two, so that a text is reproduced whatever ran
 * beside it, and a GPU needs no state. Philox-4x32 with 10 rounds (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011): 32-bit integers only.
 */

/**
 * Uniform in [0, 1), a multiple of 2^-24 (so it is the same number in f32): the upper 24 bits of the first word of
 * philox(counter = [position, 0, 0, 0], key = [seed mod 2^32, floor(seed / 2^32)]).
 */
export function uniform(seed: number, position: number): number {
  const [word] = philox([position, 0, 0, 0], [seed % 2 ** 32, Math.floor(seed / 2 ** 32)]);
  return (word >>> 8) / 2 ** 24;
}

/** Uniform whole numbers below a bound: the same for the same seed and example, whatever was asked for before. */
export function choiceSource(seed: number, example: number): (bound: number) => number {
  const key = halves(seed);
  const [low, high] = halves(example);
  let counter = 0;
  return (bound) => Math.floor((philox([counter++, low, high, 0], key)[0] / 2 ** 32) * bound);
}

type Counter = readonly [number, number, number, number];

/** Four random 32-bit words. */
export function philox(counter: Counter, key: readonly [number, number]): Counter {
  let [a, b, c, d] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const first = multiplyWide(0xd2511f53, a);
    const second = multiplyWide(0xcd9e8d57, c);
    [a, b, c, d] = [(second.high ^ b ^ k0) >>> 0, second.low, (first.high ^ d ^ k1) >>> 0, first.low];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [a, b, c, d];
}

/** The 64-bit product of two 32-bit numbers, in halves, by 16-bit pieces. */
function multiplyWide(a: number, b: number): { high: number; low: number } {
  const low = (a & 0xffff) * b;
  const high = (a >>> 16) * b;
  const middle = high + Math.floor(low / 2 ** 16);
  return { high: Math.floor(middle / 2 ** 16), low: Math.imul(a, b) >>> 0 };
}

function halves(value: number): readonly [low: number, high: number] {
  return [value % 2 ** 32, Math.floor(value / 2 ** 32)];
}
