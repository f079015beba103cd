/** Rotary position embedding: each pair of values of a head is turned by an angle that grows with the position. */
import type { RopeAttributes, YarnAttributes } from '../../program/program.ts';

/** x [tokens, heads x headDim], positions [tokens], factors [rotaryDim / 2]? -> shape of x */
export function rope(
  x: Float32Array,
  positions: Int32Array,
  factors: Float32Array | undefined,
  attributes: RopeAttributes,
): Float32Array {
  const { rotaryDim, headDim, pairing } = attributes;
  const { frequencies, magnitude } = rotation(attributes, factors);
  const half = rotaryDim / 2;
  const width = x.length / positions.length;
  const out = Float32Array.from(x);
  for (let entry = 0; entry < positions.length; entry++) {
    for (let i = 0; i < half; i++) {
      const angle = positions[entry]! * frequencies[i]!;
      const cosine = Math.cos(angle) * magnitude;
      const sine = Math.sin(angle) * magnitude;
      const first = pairing === 'adjacent' ? 2 * i : i;
      const second = pairing === 'adjacent' ? 2 * i + 1 : i + half;
      for (let head = entry * width; head < (entry + 1) * width; head += headDim) {
        const a = x[head + first]!;
        const b = x[head + second]!;
        out[head + first] = a * cosine - b * sine;
        out[head + second] = a * sine + b * cosine;
      }
    }
  }
  return out;
}

/** The angle of each pair at position 1, and what cosine and sine are multiplied by. */
export function rotation(
  attributes: RopeAttributes,
  factors: Float32Array | undefined,
): { readonly frequencies: Float64Array; readonly magnitude: number } {
  const { rotaryDim, frequencyBase, linearFactor, yarn } = attributes;
  const frequencies = Float64Array.from({ length: rotaryDim / 2 }, (_, i) => {
    const plain = frequencyBase ** ((-2 * i) / rotaryDim) / (factors?.[i] ?? 1) / linearFactor;
    return yarn ? yarnFrequency(plain, i, attributes, yarn) : plain;
  });
  if (!yarn) return { frequencies, magnitude: 1 };
  const attention = yarn.extrapolation === 0 ? 1 : 1 + 0.1 * Math.log(yarn.factor);
  return { frequencies, magnitude: yarn.attention * attention };
}

/** Fast pairs keep their frequency, slow ones are stretched by the factor, those on the ramp are mixed (arXiv 2309.00071, section 3.2). */
function yarnFrequency(plain: number, pair: number, attributes: RopeAttributes, yarn: YarnAttributes): number {
  const low = Math.max(0, Math.floor(pairThatTurns(yarn.betaFast, attributes, yarn)));
  const high = Math.min(attributes.rotaryDim - 1, Math.ceil(pairThatTurns(yarn.betaSlow, attributes, yarn)));
  const along = (pair - low) / Math.max(0.001, high - low);
  const kept = (1 - Math.min(1, Math.max(0, along))) * yarn.extrapolation;
  return (plain / yarn.factor) * (1 - kept) + plain * kept;
}

/** The pair (not a whole number) that turns `turns` times within the original context. */
function pairThatTurns(
  turns: number,
  { rotaryDim, frequencyBase }: RopeAttributes,
  { originalContext }: YarnAttributes,
): number {
  return (rotaryDim * Math.log(originalContext / (turns * 2 * Math.PI))) / (2 * Math.log(frequencyBase));
}
