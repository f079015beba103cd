/** Tokens a second of all sequences together, many at once and one alone, in turns. */
import { median, rounded } from '../harness.ts';
import { promptMaker } from './models.ts';
import { type Peer, type PeerName, startPeers } from './peers.ts';
import { noteVersions, type PeerRow } from './report.ts';

export interface ParallelSettings {
  readonly what: string;
  readonly path: string;
  readonly threads: number;
  readonly peers: readonly PeerName[];
  readonly device: string;
  readonly sequences: number;
  readonly tokens: number;
  readonly rounds: number;
}

/** What eight sequences at once are to give over one. */
const TARGET = 3;
const PROMPT_TOKENS = 16;

export async function measureParallel(settings: ParallelSettings): Promise<PeerRow[]> {
  const { what, path, threads, device, sequences, tokens, rounds } = settings;
  const makePrompt = await promptMaker(path);
  const contextTokens = PROMPT_TOKENS + tokens + 64;
  await using started = await startPeers(settings.peers, { path, threads, device, contextTokens, sequences });
  noteVersions(started.peers);
  const rates = new Map<string, number[]>();
  // Round 0 warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const count of [1, sequences]) {
      for (const peer of started.peers) {
        const prompts = Array.from({ length: count }, (_, index) => makePrompt(PROMPT_TOKENS, round * 100 + index));
        const answer = await peer.ask('generate', { prompts, tokens: tokens + 1 });
        const key = `${peer.name} ${count}`;
        if (round > 0) rates.set(key, [...(rates.get(key) ?? []), answer.decodedTokens / answer.decodeSeconds]);
      }
    }
  }
  const rateOf = (peer: Peer, count: number) => median(rates.get(`${peer.name} ${count}`) ?? []);
  const valuesOf = (value: (peer: Peer) => number) =>
    Object.fromEntries(started.peers.map((peer) => [peer.name, rounded(value(peer))]));
  const gain = valuesOf((peer) => rateOf(peer, sequences) / rateOf(peer, 1));
  const details = { rounds, tokens };
  return [
    { what: `${what}, 1 sequence`, unit: 'tokens/s', values: valuesOf((peer) => rateOf(peer, 1)), details },
    {
      what: `${what}, ${sequences} sequences at once, together`,
      unit: 'tokens/s',
      values: valuesOf((peer) => rateOf(peer, sequences)),
      details: { ...details, timesOneSequence: gain, targetForPixel: TARGET },
    },
  ];
}
