/**
 * Before anything is timed: do the runtimes compute the same thing? Each names the likeliest next tokens after a prompt, and the
 * texts they go on with are compared. They round differently (8-bit activations, f16 caches), so ln p may differ a little.
 */
import type { Peer } from './peers.ts';
import type { LikeliestAnswer, Prompt } from './protocol.ts';

/** Mean distance in ln p, over the tokens that both name, that 8-bit activations explain; other tokens or weights are far off. */
const LARGEST_MEAN_DISTANCE = 0.15;
const COMPARED = 16;
/** Of 16 tokens each, at least so many are named by both. */
const FEWEST_SHARED = 10;

/** Throws when one of the runtimes differs from the first. Returns the mean distance of each from the first, by name. */
export async function checkAgreement(peers: readonly Peer[], prompt: Prompt): Promise<Record<string, number>> {
  const [first, ...others] = peers;
  const distances: Record<string, number> = {};
  if (!first) return distances;
  const expected = await first.ask('likeliest', { prompt, count: COMPARED });
  for (const peer of others) {
    const distance = distanceOf(expected, await peer.ask('likeliest', { prompt, count: COMPARED }));
    if (!(distance <= LARGEST_MEAN_DISTANCE)) {
      throw new Error(`${peer.name} and ${first.name} do not compute the same thing: ${distance} apart in ln p.`);
    }
    distances[peer.name] = Number(distance.toPrecision(3));
  }
  return distances;
}

/** Mean |d ln p| over the tokens named by both, NaN if these are few. */
function distanceOf(expected: LikeliestAnswer, given: LikeliestAnswer): number {
  const known = new Map(expected);
  const distances: number[] = [];
  for (const [token, logprob] of given) {
    const other = known.get(token);
    if (other !== undefined) distances.push(Math.abs(logprob - other));
  }
  if (distances.length < FEWEST_SHARED) return Number.NaN;
  return distances.reduce((sum, distance) => sum + distance, 0) / distances.length;
}
