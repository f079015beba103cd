/**
 * Heads that begin by looking back. To find what was said of a thing, a transformer needs two heads in a row: one that brings to each token what stood
 * before it, and one that looks for a token by that (the induction head of arXiv 2209.11895). Neither is of use before the other is there, and
 * models of this size take millions of tokens until they have both. So the first layer begins with the first kind, and only the second is learned.
 */
/** One token back, two, three: a name and its number are two. */
const MOST_HEADS = 3;
/** The constant in a token's embedding, beside the 0.5 that its random part is long. */
const CONSTANT = 0.5;
const RANDOM_LENGTH = 0.5;
/** How much larger the score of the token looked for is than those of its neighbours: e^5, 150 to 1. */
const LEAD = 5;
/** Rotary pairs that are used, the fastest: they tell neighbours apart, the slower of them the fastest's next turn. */
const PAIRS = 4;

/** As in a new model's shape. */
export interface HeadShape {
  readonly dim: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly ropeBase?: number | undefined;
}

/** Matrices of the first layer and the embedding, row after row of `dim` columns. */
export interface FirstLayer {
  readonly embedding: Float32Array;
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly output: Float32Array;
}

/**
 * Column 0 of the embedding becomes a constant, so that queries and keys can be the same for every token: then a score depends on the distance
 * alone, through the rotary positions, and is largest where the query's lag undoes it. `loudness` multiplies what these heads add, which is not to
 * begin silent.
 */
export function lookBack(shape: HeadShape, { embedding, query, key, output }: FirstLayer, loudness: number): void {
  const { dim, heads, kvHeads, ropeBase = 10_000 } = shape;
  for (let at = 0; at < embedding.length; at += dim) embedding[at] = CONSTANT;
  const size = dim / heads;
  const speeds = Array.from({ length: Math.min(PAIRS, size / 2) }, (_, pair) => ropeBase ** ((-2 * pair) / size));
  const oneOff = speeds.reduce((sum, speed) => sum + 1 - Math.cos(speed), 0);
  // What the layer's norm makes of the constant.
  const input = (Math.sqrt(dim) * CONSTANT) / Math.hypot(CONSTANT, RANDOM_LENGTH);
  const weight = Math.sqrt((LEAD * Math.sqrt(size)) / oneOff) / input;
  for (let head = 0; head < Math.min(MOST_HEADS, heads - 1); head++) {
    const [queryAt, keyAt] = [head * size * dim, Math.floor((head * kvHeads) / heads) * size * dim];
    query.fill(0, queryAt, queryAt + size * dim);
    key.fill(0, keyAt, keyAt + size * dim);
    for (const [pair, speed] of speeds.entries()) {
      const lag = (head + 1) * speed;
      query[queryAt + 2 * pair * dim] = weight * Math.cos(lag);
      query[queryAt + (2 * pair + 1) * dim] = -weight * Math.sin(lag);
      key[keyAt + 2 * pair * dim] = weight;
    }
    for (let row = 0; row < dim; row++) {
      for (let column = head * size; column < (head + 1) * size; column++) output[row * dim + column]! *= loudness;
    }
  }
}
