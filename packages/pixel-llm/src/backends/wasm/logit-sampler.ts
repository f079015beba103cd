/**
 * Sampling as reference/sample.ts specifies it, with the work on the whole vocabulary done by kernels: a vocabulary of 152,000 tokens
 * takes the reference 3 to 7 ms, longer than a fifth of a decoding step. The few tokens that a bias or a penalty changes are kept apart.
 */
import { adjustments, CANDIDATES, drawFrom, nothingLeft, sampleRow, unusableLogits } from '../reference/sample.ts';
import type { SampledToken, SamplingSettings } from '../types.ts';
import type { KernelModule } from './kernel-module.ts';

/** A smaller vocabulary is left to the reference. */
const LEAST_VOCABULARY = 24_000;

/** As in assembly/sampling.ts. */
const BLOCK = 64;

/** Indices gathered at once at most; where more are equally likely, the reference takes over. */
const MOST_INDICES = 16_384;

/** The tokens whose logits a bias or a penalty changes, and to what. */
type Changed = ReadonlyMap<number, number>;

export class LogitSampler {
  readonly #module: KernelModule;
  #logits = 0;
  #maxima = 0;
  #indices = 0;
  #count = 0;
  /** The maxima of blocks of the row that is there now, largest first; made when asked for. */
  #sorted: Float32Array | undefined;

  constructor(module: KernelModule) {
    this.#module = module;
  }

  /** One row. Settings have passed checkSampling. Throws `not-finite`. */
  sample(logits: Float32Array, settings: SamplingSettings): SampledToken {
    const isOrdinary = logits.length >= LEAST_VOCABULARY && !settings.wholeVocabulary;
    return (isOrdinary ? this.#sample(logits, settings) : undefined) ?? sampleRow(logits, settings);
  }

  /** Undefined where the row is so unusual that only the reference can tell. */
  #sample(logits: Float32Array, settings: SamplingSettings): SampledToken | undefined {
    const largest = this.#take(logits);
    if (!Number.isFinite(largest)) return undefined;
    const changed = adjustments(logits, settings);
    const token = this.#choose(logits, changed, settings);
    const top =
      settings.topLogprobs > 0 ? this.#likeliest(logits, new Map(), Math.min(settings.topLogprobs, CANDIDATES)) : [];
    if (token === undefined || !top) return undefined;
    if (settings.withoutLogprob && top.length === 0) return { token, logprob: Number.NaN, top: [] };
    const total = largest + Math.log(this.#sumOfPowers(largest, 1, new Map()));
    return { token, logprob: logits[token]! - total, top: top.map((id) => [id, logits[id]! - total]) };
  }

  /** Copies the row and returns its largest logit. */
  #take(logits: Float32Array): number {
    const module = this.#module;
    const blocks = Math.ceil(logits.length / BLOCK);
    if (logits.length > this.#count) {
      this.#logits = module.take(4 * logits.length + 64);
      this.#maxima = module.take(4 * blocks);
      this.#indices ||= module.take(4 * MOST_INDICES);
    }
    this.#count = logits.length;
    module.f32.set(logits, this.#logits / 4);
    if (!module.kernel('blockMaxima')(this.#logits, logits.length, this.#maxima)) throw unusableLogits();
    this.#sorted = undefined;
    return this.#blockMaxima.reduce((most, value) => Math.max(most, value), -Infinity);
  }

  get #blockMaxima(): Float32Array {
    const first = this.#maxima / 4;
    return this.#module.f32.subarray(first, first + Math.ceil(this.#count / BLOCK));
  }

  /** Steps 4 to 7 of the specification. */
  #choose(logits: Float32Array, changed: Changed, settings: SamplingSettings): number | undefined {
    const first = this.#likeliest(logits, changed, 1)?.[0];
    if (first === undefined) return undefined;
    const largest = changed.get(first) ?? logits[first]!;
    if (!Number.isFinite(largest)) throw nothingLeft();
    const { temperature } = settings;
    if (temperature === 0) return first;
    const scale = (logit: number): number => (logit - largest) / temperature;
    const total = Math.log(this.#sumOfPowers(largest, temperature, changed));
    const candidates = this.#likeliest(logits, changed, CANDIDATES, scale);
    if (!candidates) return undefined;
    const probabilities = candidates.map((token) => Math.exp(scale(changed.get(token) ?? logits[token]!) - total));
    return candidates[drawFrom(probabilities, settings)];
  }

  /** Sum of e^((logit - largest) / temperature), in ascending order of token. */
  #sumOfPowers(largest: number, temperature: number, changed: Changed): number {
    const addPowers = this.#module.kernel('addPowers');
    let sum = 0;
    let start = 0;
    for (const token of [...changed.keys()].sort((a, b) => a - b)) {
      sum = addPowers(this.#logits + 4 * start, token - start, largest, temperature, sum);
      sum += Math.exp((changed.get(token)! - largest) / temperature);
      start = token + 1;
    }
    return addPowers(this.#logits + 4 * start, this.#count - start, largest, temperature, sum);
  }

  /**
   * The tokens of the largest scaled logits, largest first, lower tokens first among equals. `scale` never falls. Undefined where there
   * are too many of them.
   */
  #likeliest(
    logits: Float32Array,
    changed: Changed,
    count: number,
    scale: (logit: number) => number = (logit) => logit,
  ): number[] | undefined {
    const bounds = count === 1 ? [1, 1 + changed.size] : [count + changed.size];
    for (const blocks of bounds) {
      // So many blocks have a token at least as likely as the bound: `count` of them an unchanged one, for certain in the last turn.
      const bound = this.#bound(blocks);
      const unchanged = this.#tokensFrom(bound)?.filter((token) => !changed.has(token));
      if (!unchanged) return undefined;
      if (unchanged.length < count) continue;
      const values = new Map(unchanged.map((token) => [token, scale(logits[token]!)]));
      for (const [token, logit] of changed) values.set(token, scale(logit));
      const tokens = [...values.keys()].sort((a, b) => values.get(b)! - values.get(a)! || a - b).slice(0, count);
      // What is below the bound may come out equal to the last after rounding, and stand before it.
      return values.get(tokens[count - 1]!)! > scale(below(bound)) ? tokens : undefined;
    }
    return undefined;
  }

  /** The largest value that so many blocks reach; -Infinity where there are not so many. */
  #bound(blocks: number): number {
    if (blocks === 1) return this.#blockMaxima.reduce((most, value) => Math.max(most, value), -Infinity);
    this.#sorted ??= this.#blockMaxima.slice().sort().reverse();
    return this.#sorted[blocks - 1] ?? -Infinity;
  }

  #tokensFrom(bound: number): number[] | undefined {
    if (bound === -Infinity) return undefined;
    const count = this.#module.kernel('indicesFrom')(this.#logits, this.#count, bound, MOST_INDICES, this.#indices);
    if (count > MOST_INDICES) return undefined;
    const first = this.#indices / 4;
    return Array.from(this.#module.i32.subarray(first, first + count));
  }
}

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/** The f32 before a finite one. */
function below(value: number): number {
  float[0] = value === 0 ? -0 : value;
  bits[0] = bits[0]! + (bits[0]! < 0 ? 1 : -1);
  return float[0];
}
