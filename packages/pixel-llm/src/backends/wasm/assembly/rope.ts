/**
 * Rotary position embedding. The caller gives cosine and sine of every token and pair: [tokens, pairs] each; they are the same for all
 * heads and, nearly always, for all layers.
 */

/** x, out: [tokens, heads x headDim]; pair i is (2i, 2i + 1) if `adjacent`, else (i, i + pairs). */
export function rope(
  x: usize,
  tokens: i32,
  heads: i32,
  headDim: i32,
  pairs: i32,
  adjacent: i32,
  cosines: usize,
  sines: usize,
  out: usize,
): void {
  const step: usize = adjacent ? 8 : 4;
  const partner: usize = adjacent ? 4 : 4 * <usize>pairs;
  for (let token: i32 = 0; token < tokens; token++) {
    for (let head: i32 = 0; head < heads; head++) {
      for (let i: i32 = 0; i < pairs; i++) {
        const at = step * <usize>i;
        const cosine = load<f32>(cosines + 4 * <usize>i);
        const sine = load<f32>(sines + 4 * <usize>i);
        const a = load<f32>(x + at);
        const b = load<f32>(x + at + partner);
        store<f32>(out + at, a * cosine - b * sine);
        store<f32>(out + at + partner, a * sine + b * cosine);
      }
      for (let i: i32 = 2 * pairs; i < headDim; i++) store<f32>(out + 4 * <usize>i, load<f32>(x + 4 * <usize>i));
      x += 4 * <usize>headDim;
      out += 4 * <usize>headDim;
    }
    cosines += 4 * <usize>pairs;
    sines += 4 * <usize>pairs;
  }
}
