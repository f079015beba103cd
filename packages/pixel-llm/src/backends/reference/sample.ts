/**
 * The specification of sampling. One row of logits and its settings give one token; every backend does these steps in this order:
 *
 * 1. Log-probabilities for the caller: ln softmax of the logits as the model made them.
 * 2. Bias: each (token, bias) is added. -Infinity forbids a token.
 * 3. Penalties, once for each distinct token t of `recentTokens`, which occurs there n times: its logit l becomes
 *    l > 0 ? l / repeatPenalty : l x repeatPenalty, then less n x frequencyPenalty, then less presencePenalty.
 * 4. Temperature 0: the largest logit, the lowest id among equals. Done.
 * 5. s = (l - largest l) / temperature; p = e^s / (sum of e^s over the whole vocabulary).
 * 6. The 256 largest s (with `wholeVocabulary` all), largest first, the lowest id first among equals. Each filter keeps a beginning
 *    of this list and at least one token, and the shortest wins, so their order does not matter:
 *    topK keeps that many; topP as many as it takes until their p add up to topP; minP those with p >= minP x the first's p.
 *    p is never normalized again in between.
 * 7. u = uniform(seed, position) (random.ts) times the sum of the p kept; the first token at which the running sum of p exceeds u.
 */
import { PixelError } from '../../core/errors.ts';
import { uniform } from '../../core/random.ts';
import type { SampledToken, SamplingSettings } from '../types.ts';
import { likeliest } from './likeliest.ts';
import { logSumExp } from './softmax.ts';

/** How many of the likeliest tokens are looked at, unless all are. */
export const CANDIDATES = 256;

/** logits [vocab] -> a token. Settings have passed checkSampling. Throws `not-finite`. */
export function sampleRow(logits: Float32Array, settings: SamplingSettings): SampledToken {
  if (!logits.every((logit) => logit < Infinity)) throw unusableLogits();
  const most = settings.wholeVocabulary ? logits.length : CANDIDATES;
  const total = logSumExp(logits);
  const token = choose(adjust(logits, settings), settings, most);
  const top = likeliest(logits, Math.min(settings.topLogprobs, most));
  return { token, logprob: logits[token]! - total, top: top.map((id) => [id, logits[id]! - total]) };
}

export function unusableLogits(): PixelError {
  return new PixelError('not-finite', 'The model computed logits that are not numbers: its weights are unusable.');
}

export function nothingLeft(): PixelError {
  return new PixelError('not-finite', 'No token is left to choose from: the bias forbids them all.');
}

function adjust(logits: Float32Array, settings: SamplingSettings): Float64Array {
  const adjusted = Float64Array.from(logits);
  for (const [token, logit] of adjustments(logits, settings)) adjusted[token] = logit;
  return adjusted;
}

/** Steps 2 and 3: the logits of the tokens that a bias or a penalty changes. */
export function adjustments(logits: Float32Array, settings: SamplingSettings): Map<number, number> {
  const adjusted = new Map<number, number>();
  const logitOf = (token: number): number => adjusted.get(token) ?? logits[token]!;
  for (const [token, bias] of settings.bias) adjusted.set(token, logitOf(token) + bias);
  const counts = new Map<number, number>();
  for (const token of settings.recentTokens) counts.set(token, (counts.get(token) ?? 0) + 1);
  for (const [token, count] of counts) {
    const logit = logitOf(token);
    const repeated = logit > 0 ? logit / settings.repeatPenalty : logit * settings.repeatPenalty;
    adjusted.set(token, repeated - count * settings.frequencyPenalty - settings.presencePenalty);
  }
  return adjusted;
}

/** Steps 4 to 7. */
function choose(adjusted: Float64Array, settings: SamplingSettings, most: number): number {
  const [first] = likeliest(adjusted, 1);
  const largest = first === undefined ? -Infinity : adjusted[first]!;
  if (first === undefined || !Number.isFinite(largest)) throw nothingLeft();
  if (settings.temperature === 0) return first;
  const scaled = adjusted.map((logit) => (logit - largest) / settings.temperature);
  const total = logSumExp(scaled);
  const candidates = likeliest(scaled, most);
  const probabilities = candidates.map((token) => Math.exp(scaled[token]! - total));
  return candidates[drawFrom(probabilities, settings)]!;
}

/** Steps 6 and 7: an index into the candidates' probabilities, likeliest first. */
export function drawFrom(probabilities: readonly number[], settings: SamplingSettings): number {
  return draw(probabilities.slice(0, keptCount(probabilities, settings)), settings);
}

/** Step 6: how many of the candidates, likeliest first, pass all filters. */
function keptCount(probabilities: readonly number[], { topK, topP, minP }: SamplingSettings): number {
  let count = topK === 0 ? probabilities.length : Math.min(topK, probabilities.length);
  if (topP < 1) {
    let sum = 0;
    const reached = probabilities.findIndex((probability) => {
      sum += probability;
      return sum >= topP;
    });
    if (reached >= 0) count = Math.min(count, reached + 1);
  }
  const tooUnlikely = probabilities.findIndex((probability) => probability < minP * probabilities[0]!);
  return tooUnlikely >= 0 ? Math.min(count, tooUnlikely) : count;
}

/** Step 7. */
function draw(probabilities: readonly number[], { seed, position }: SamplingSettings): number {
  const target = uniform(seed, position) * probabilities.reduce((sum, probability) => sum + probability, 0);
  let sum = 0;
  const index = probabilities.findIndex((probability) => {
    sum += probability;
    return sum > target;
  });
  return index >= 0 ? index : probabilities.length - 1;
}
