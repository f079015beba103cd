/**
 * Each op a second time, straight from its formula, in f64 over lists of rows. It shares no code with the reference executor, so that
 * the two can disagree. `backends/` and `program/program.ts` say what is computed; nothing here is fast.
 */
import type { RopeAttributes } from '../src/program/program.ts';

/** One row an entry. */
export type Rows = readonly (readonly number[])[];
type Vector = readonly number[];

export function toRows(flat: ArrayLike<number>, width: number): number[][] {
  const all = Array.from(flat);
  return Array.from({ length: all.length / width }, (_, row) => all.slice(row * width, (row + 1) * width));
}

const sum = (values: Vector): number => values.reduce((total, value) => total + value, 0);

function dotOf(a: Vector, b: Vector): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i]! * b[i]!;
  return total;
}

/** Applies a function to each group of `size` values of each row. */
function inGroups(x: Rows, size: number, change: (group: number[]) => number[]): number[][] {
  return x.map((row) => toRows(row, size).flatMap(change));
}

export const naiveRmsNorm = (x: Rows, gain: Vector, epsilon: number): number[][] =>
  inGroups(x, gain.length, (g) => g.map((value, i) => (gain[i]! * value) / (dotOf(g, g) / g.length + epsilon) ** 0.5));

export const naiveLayerNorm = (x: Rows, gain: Vector, bias: Vector, epsilon: number): number[][] =>
  inGroups(x, gain.length, (g) => {
    const mean = sum(g) / g.length;
    const variance = sum(g.map((value) => (value - mean) ** 2)) / g.length;
    return g.map((value, i) => bias[i]! + (gain[i]! * (value - mean)) / (variance + epsilon) ** 0.5);
  });

export const naiveMatmul = (x: Rows, matrix: Rows, bias?: Vector): number[][] =>
  x.map((row) => matrix.map((weights, i) => dotOf(row, weights) + (bias ? bias[i]! : 0)));

/** ActivationMode `q8`, as program.ts says it. */
export function naiveQ8(x: Rows): number[][] {
  const f32 = Math.fround;
  return x.map((row) =>
    Array.from({ length: Math.ceil(row.length / 32) }, (_, block) => row.slice(32 * block, 32 * (block + 1))).flatMap(
      (values) => {
        const most = Math.max(...values.map(Math.abs));
        if (most < 2 ** -100) return values.map(() => 0);
        return values.map((value) => nearest(f32(value * f32(127 / most))) * f32(most / 127));
      },
    ),
  );
}

/** Halves go to the even neighbour: adding 1.5 x 2^52 leaves no room for a fraction, and IEEE 754 rounds as wanted. */
function nearest(value: number): number {
  return value + 1.5 * 2 ** 52 - 1.5 * 2 ** 52;
}

/** Each pair as a complex number times e^(i angle). */
export function naiveRope(x: Rows, positions: Vector, attributes: RopeAttributes, factors?: Vector): number[][] {
  const { rotaryDim, headDim, pairing } = attributes;
  return x.map((row, entry) =>
    row.map((value, place) => {
      const j = place % headDim;
      if (j >= rotaryDim) return value;
      const pair = pairing === 'adjacent' ? Math.floor(j / 2) : j % (rotaryDim / 2);
      const isFirst = pairing === 'adjacent' ? j % 2 === 0 : j < rotaryDim / 2;
      const partner = row[place + (isFirst ? 1 : -1) * (pairing === 'adjacent' ? 1 : rotaryDim / 2)]!;
      const { frequency, magnitude } = naiveFrequency(pair, attributes, factors);
      const angle = positions[entry]! * frequency;
      const turned = value * Math.cos(angle) + (isFirst ? -1 : 1) * partner * Math.sin(angle);
      return magnitude * turned;
    }),
  );
}

function naiveFrequency(pair: number, attributes: RopeAttributes, factors?: Vector) {
  const { rotaryDim: d, frequencyBase: base, linearFactor, yarn } = attributes;
  const theta = Math.exp(-((2 * pair) / d) * Math.log(base)) / (factors ? factors[pair]! : 1) / linearFactor;
  if (!yarn) return { frequency: theta, magnitude: 1 };
  const corner = (beta: number): number =>
    ((d / 2) * Math.log(yarn.originalContext / (2 * Math.PI * beta))) / Math.log(base);
  const from = Math.max(Math.floor(corner(yarn.betaFast)), 0);
  const to = Math.min(Math.ceil(corner(yarn.betaSlow)), d - 1);
  const ramp = Math.min(Math.max((pair - from) / Math.max(to - from, 0.001), 0), 1);
  const keep = yarn.extrapolation * (1 - ramp);
  const frequency = keep * theta + ((1 - keep) * theta) / yarn.factor;
  const temperature = yarn.extrapolation === 0 ? 1 : 0.1 * Math.log(yarn.factor) + 1;
  return { frequency, magnitude: yarn.attention * temperature };
}

export interface NaiveHistory {
  /** Keys and values of the sequence, position 0 first: one head's worth of numbers each. */
  readonly keys: Rows;
  readonly values: Rows;
}

/** One head of one entry over all it may see. */
export function naiveAttendHead(q: Vector, { keys, values }: NaiveHistory, scale: number, softcap?: number): number[] {
  const scores = keys.map((key) => {
    const score = scale * dotOf(q, key);
    return softcap === undefined ? score : softcap * Math.tanh(score / softcap);
  });
  // Scores of the cases are small: no need to take the largest out.
  const weights = scores.map(Math.exp);
  return q.map(
    (_, i) =>
      dotOf(
        weights,
        values.map((value) => value[i]!),
      ) / sum(weights),
  );
}

export const naiveSilu = (x: number): number => x * (1 / (1 + Math.E ** -x));
export const naiveGelu = (x: number): number => {
  const u = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x);
  // 1 + tanh(u) = 2 / (1 + e^-2u)
  return x / (1 + Math.exp(-2 * u));
};

export const naiveSoftmax = (x: Rows): number[][] =>
  x.map((row) => {
    const powers = row.map(Math.exp);
    const total = sum(powers);
    return powers.map((power) => power / total);
  });

export const naiveCrossEntropy = (x: Rows, targets: Vector): number[] =>
  x.map((row, i) => (targets[i] === -1 ? 0 : -Math.log(naiveSoftmax([row])[0]![targets[i]!]!)));

export interface NaiveSampling {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repeatPenalty: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  readonly recentTokens: ArrayLike<number>;
  readonly bias: readonly (readonly [number, number])[];
  readonly wholeVocabulary?: boolean;
  readonly seed: number;
  readonly position: number;
}

/** The steps of reference/sample.ts, with everything sorted and nothing clever. */
export function naiveSample(logits: Vector, settings: NaiveSampling): number {
  const recent = Array.from(settings.recentTokens);
  const adjusted = logits.map((logit, token) => {
    const biases = settings.bias.filter(([id]) => id === token).map(([, bias]) => bias);
    const biased = logit + sum(biases);
    const count = recent.filter((id) => id === token).length;
    if (count === 0) return biased;
    const repeated = biased > 0 ? biased / settings.repeatPenalty : biased * settings.repeatPenalty;
    return repeated - count * settings.frequencyPenalty - settings.presencePenalty;
  });
  const order = adjusted.map((_, token) => token).sort((a, b) => adjusted[b]! - adjusted[a]! || a - b);
  if (settings.temperature === 0) return order[0]!;
  const powers = adjusted.map((logit) => Math.exp((logit - adjusted[order[0]!]!) / settings.temperature));
  const total = sum(powers);
  const p = (token: number): number => powers[token]! / total;
  let kept = settings.wholeVocabulary ? order : order.slice(0, 256);
  const before = (token: number): number => sum(order.slice(0, order.indexOf(token)).map(p));
  const limit = settings.topK === 0 ? kept.length : settings.topK;
  kept = kept.filter(
    (token, rank) =>
      rank === 0 ||
      (rank < limit &&
        (settings.topP === 1 || before(token) < settings.topP) &&
        p(token) >= settings.minP * p(order[0]!)),
  );
  let left = naiveUniform(settings.seed, settings.position) * sum(kept.map(p));
  for (const token of kept) {
    left -= p(token);
    if (left < 0) return token;
  }
  return kept.at(-1)!;
}

/** Philox-4x32-10 in 64-bit integers. */
function naiveUniform(seed: number, position: number): number {
  const low = (value: bigint): bigint => value & 0xffffffffn;
  let [a, b, c, d] = [BigInt(position), 0n, 0n, 0n];
  let [k0, k1] = [low(BigInt(seed)), BigInt(seed) >> 32n];
  for (let round = 0; round < 10; round++) {
    const p0 = a * 0xd2511f53n;
    const p1 = c * 0xcd9e8d57n;
    [a, b, c, d] = [(p1 >> 32n) ^ b ^ k0, low(p1), (p0 >> 32n) ^ d ^ k1, low(p0)];
    [k0, k1] = [low(k0 + 0x9e3779b9n), low(k1 + 0xbb67ae85n)];
  }
  return Number(a >> 8n) / 2 ** 24;
}
