/**
 * Prompt and decode rates. All runtimes hold the same model at once and take turns (A B C A B C), so that a busy moment of the
 * machine falls on all alike. A runtime that is too slow for all turns of its share of the time takes part in the first ones, and
 * with fewer tokens if even one turn is too long; the row says so.
 */
import { median, rounded } from '../harness.ts';
import { checkAgreement } from './agree.ts';
import { promptMaker } from './models.ts';
import { type Peer, type PeerName, startPeers } from './peers.ts';
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

const FEWER_DECODE_TOKENS = [32, 16, 8, 4];
const WARM_UP = { promptTokens: 32, tokens: 5 };

export async function measureSpeed(settings: SpeedSettings): Promise<PeerRow[]> {
  const { path, threads, device, promptLengths, decodeTokens } = settings;
  const makePrompt = await promptMaker(path);
  const contextTokens = Math.max(...promptLengths) + decodeTokens + 64;
  await using started = await startPeers(settings.peers, { path, threads, device, contextTokens, sequences: 1 });
  noteVersions(started.peers);
  const apart = await checkAgreement(started.peers, makePrompt(24, 3));

  const share = settings.seconds / started.peers.length;
  const plans: Plan[] = [];
  for (const peer of started.peers) {
    const prompts = [makePrompt(WARM_UP.promptTokens, 5)];
    const answer = await peer.ask('generate', { prompts, tokens: WARM_UP.tokens });
    const prompt = WARM_UP.promptTokens / answer.promptSeconds;
    plans.push(planFor(peer, { prompt, decode: answer.decodedTokens / answer.decodeSeconds }, settings, share));
  }

  const measured = new Map<string, number[]>();
  const note = (key: string, rate: number) => measured.set(key, [...(measured.get(key) ?? []), rate]);
  for (let round = 0; round < settings.rounds; round++) {
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
  return promptLengths.flatMap((length) => [
    rowOf(settings, plans, measured, 'prompt', length, apart),
    rowOf(settings, plans, measured, 'decode', length, apart),
  ]);
}

function planFor(
  peer: Peer,
  rates: Rates,
  { promptLengths, decodeTokens, rounds }: SpeedSettings,
  share: number,
): Plan {
  const secondsFor = (lengths: readonly number[], tokens: number) =>
    lengths.reduce((sum, length) => sum + length / rates.prompt + tokens / rates.decode, 0);
  const whole = secondsFor(promptLengths, decodeTokens);
  if (whole <= share) {
    return { peer, promptLengths, decodeTokens, rounds: Math.min(rounds, Math.floor(share / whole)) };
  }
  for (let count = promptLengths.length; count > 0; count--) {
    const lengths = promptLengths.toSorted((a, b) => a - b).slice(0, count);
    for (const tokens of FEWER_DECODE_TOKENS) {
      if (tokens < decodeTokens && secondsFor(lengths, tokens) <= share) {
        return { peer, promptLengths: lengths, decodeTokens: tokens, rounds: 1 };
      }
    }
  }
  console.error(`${peer.name} is too slow for its ${Math.round(share)} s and is left out here.`);
  return { peer, promptLengths: [], decodeTokens: 0, rounds: 0 };
}

function rowOf(
  settings: SpeedSettings,
  plans: readonly Plan[],
  measured: ReadonlyMap<string, readonly number[]>,
  kind: 'prompt' | 'decode',
  length: number,
  apart: Readonly<Record<string, number>>,
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
    details: { ...details, distanceInLnP: apart },
  };
}
