/**
 * Prompt and decode rates. All runtimes hold the same model at once and take turns (A B C A B C), so that a busy moment of the
 * machine falls on all alike. A runtime that is too slow for all turns of its share of the time takes part in the first ones, and
 * with fewer tokens if even one turn is too long; the row says so.
 */
import { median, rounded } from '../harness.ts';
import { checkAgreement } from './agree.ts';
import { promptMaker } from './models.ts';
import { type Peer, type PeerName, startPeers } from './peers.ts';
import { othersSince, readWork } from './process-facts.ts';
import type { Prompt } from './protocol.ts';
import { noteVersions, type PeerRow } from './report.ts';

export interface SpeedSettings {
  readonly what: string;
  readonly path: string;
  readonly threads: number;
  readonly peers: readonly PeerName[];
  readonly device: string;
  readonly promptLengths: readonly number[];
  readonly decodeTokens: number;
  readonly rounds: number;
  /** For all runtimes together, loading left out. */
  readonly seconds: number;
}

/** What a runtime does in its turns. */
interface Plan {
  readonly peer: Peer;
  readonly promptLengths: readonly number[];
  readonly decodeTokens: number;
  readonly rounds: number;
}

interface Rates {
  readonly prompt: number;
  readonly decode: number;
}

/** Parts of the tokens asked for. */
const DECODE_TOKENS = [1, 1 / 2, 1 / 4, 1 / 8, 1 / 16];
/** No new round begins after so many times the time set: on a busy machine the estimates are too good. */
const LONGEST = 1.2;
/** A median of fewer says little. */
const FEWEST_ROUNDS = 3;
const WARM_UP = { promptTokens: 32, tokens: 5 };

export async function measureSpeed(settings: SpeedSettings): Promise<PeerRow[]> {
  const { path, threads, device, promptLengths, decodeTokens } = settings;
  const makePrompt = await promptMaker(path);
  const contextTokens = Math.max(...promptLengths) + decodeTokens + 64;
  await using started = await startPeers(settings.peers, { path, threads, device, contextTokens, sequences: 1 });
  noteVersions(started.peers);
  const apart = await checkAgreement(started.peers, makePrompt(24, 3));

  const plans = await planTurns(started.peers, settings, makePrompt);

  const measured = new Map<string, number[]>();
  const before = readWork();
  const end = performance.now() + settings.seconds * 1000 * LONGEST;
  const note = (key: string, rate: number) => measured.set(key, [...(measured.get(key) ?? []), rate]);
  for (let round = 0; round < settings.rounds; round++) {
    if (performance.now() > end) break;
    for (const length of promptLengths) {
      for (const plan of plans) {
        if (round >= plan.rounds || !plan.promptLengths.includes(length)) continue;
        // Another prompt each round, the same for all, so that no cache of an earlier one helps.
        const prompts = [makePrompt(length, round * 1000 + length)];
        const answer = await plan.peer.ask('generate', { prompts, tokens: plan.decodeTokens + 1 });
        note(`${plan.peer.name} prompt ${length}`, length / answer.promptSeconds);
        note(`${plan.peer.name} decode ${length}`, answer.decodedTokens / answer.decodeSeconds);
      }
    }
  }
  const common = { distanceInLnP: apart, coresBusyWithOthers: othersSince(before) };
  return promptLengths.flatMap((length) => [
    rowOf(settings, plans, measured, 'prompt', length, common),
    rowOf(settings, plans, measured, 'decode', length, common),
  ]);
}

/** Warms all up, and divides the time by how fast they turn out to be: what the fast ones leave is for the slow ones. */
async function planTurns(
  peers: readonly Peer[],
  settings: SpeedSettings,
  makePrompt: (length: number, seed: number) => Prompt,
): Promise<Plan[]> {
  const rates = new Map<Peer, Rates>();
  for (const peer of peers) {
    const prompts = [makePrompt(WARM_UP.promptTokens, 5)];
    const answer = await peer.ask('generate', { prompts, tokens: WARM_UP.tokens });
    const decode = answer.decodedTokens / answer.decodeSeconds;
    rates.set(peer, { prompt: WARM_UP.promptTokens / answer.promptSeconds, decode });
  }
  const fastestFirst = [...rates].toSorted(([, a], [, b]) => b.decode - a.decode);
  const plans = new Map<Peer, Plan>();
  let left = settings.seconds;
  for (const [index, [peer, peerRates]] of fastestFirst.entries()) {
    const plan = planFor(peer, peerRates, settings, left / (fastestFirst.length - index));
    left -= plan.rounds * secondsOfRound(plan, peerRates);
    plans.set(peer, plan);
  }
  return peers.flatMap((peer) => plans.get(peer) ?? []);
}

/** The first that fits, of: all prompts in some rounds, all in one round, fewer prompts in one round; with many tokens or few. */
function planFor(peer: Peer, rates: Rates, settings: SpeedSettings, share: number): Plan {
  const lengths = settings.promptLengths.toSorted((a, b) => a - b);
  const fewer = lengths.map((_, dropped) => lengths.slice(0, lengths.length - dropped));
  const attempts = [
    { fewestRounds: FEWEST_ROUNDS, lengthChoices: [lengths], tokenChoices: DECODE_TOKENS.slice(0, 3) },
    { fewestRounds: 1, lengthChoices: fewer, tokenChoices: DECODE_TOKENS },
  ];
  for (const { fewestRounds, lengthChoices, tokenChoices } of attempts) {
    for (const promptLengths of lengthChoices) {
      for (const portion of tokenChoices) {
        const decodeTokens = Math.ceil(settings.decodeTokens * portion);
        const possible = Math.floor(share / secondsOfRound({ promptLengths, decodeTokens }, rates));
        const rounds = Math.min(settings.rounds, possible);
        if (rounds >= Math.min(settings.rounds, fewestRounds)) return { peer, promptLengths, decodeTokens, rounds };
      }
    }
  }
  const { prompt, decode } = rates;
  console.error(
    `${peer.name} (about ${prompt.toPrecision(2)} and ${decode.toPrecision(2)} tokens/s) is too slow for ` +
      `${Math.round(share)} s and is left out here.`,
  );
  return { peer, promptLengths: [], decodeTokens: 0, rounds: 0 };
}

function secondsOfRound(
  { promptLengths, decodeTokens }: Pick<Plan, 'promptLengths' | 'decodeTokens'>,
  rates: Rates,
): number {
  return promptLengths.reduce((sum, length) => sum + length / rates.prompt + decodeTokens / rates.decode, 0);
}

function rowOf(
  settings: SpeedSettings,
  plans: readonly Plan[],
  measured: ReadonlyMap<string, readonly number[]>,
  kind: 'prompt' | 'decode',
  length: number,
  common: Readonly<Record<string, unknown>>,
): PeerRow {
  const values: Partial<Record<PeerName, number>> = {};
  const details: Record<string, unknown> = {};
  for (const { peer, decodeTokens } of plans) {
    const rates = measured.get(`${peer.name} ${kind} ${length}`);
    if (!rates) continue;
    values[peer.name] = rounded(median(rates));
    const spread = [Math.min(...rates), Math.max(...rates)].map(rounded);
    details[peer.name] = { rounds: rates.length, spread, ...(kind === 'decode' && { decodeTokens }) };
  }
  const oneThread = settings.threads === 1;
  return {
    what: `${settings.what}, ${settings.threads} ${oneThread ? 'thread' : 'threads'}, ${kind} ${kind === 'decode' ? 'after ' : ''}${length}`,
    unit: 'tokens/s',
    values,
    targets: kind === 'decode' ? { 'llama.cpp': oneThread ? 0.9 : 1, wllama: 4.5 } : { 'llama.cpp': 0.35, wllama: 15 },
    details: { ...details, ...common },
  };
}
