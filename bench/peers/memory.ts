/** Memory while running: each runtime alone, after a prompt and some tokens, at its most and as it then stands. */
import { promptMaker } from './models.ts';
import { Peer, type PeerName } from './peers.ts';
import type { Memory } from './process-facts.ts';
import { noteVersions, type PeerRow } from './report.ts';

export interface MemorySettings {
  readonly what: string;
  readonly path: string;
  readonly threads: number;
  readonly peers: readonly PeerName[];
  readonly device: string;
  readonly promptTokens: number;
}

const TOKENS = 9;
const TARGET = 1.1;

export async function measureMemory(settings: MemorySettings): Promise<PeerRow[]> {
  const { what, path, threads, device, promptTokens } = settings;
  const prompt = (await promptMaker(path))(promptTokens, 1);
  const request = { path, threads, device, contextTokens: promptTokens + 64, sequences: 1 };
  const taken = new Map<PeerName, Memory>();
  for (const name of settings.peers) {
    await using peer = await Peer.start(name, request);
    await peer.ask('generate', { prompts: [prompt], tokens: TOKENS });
    taken.set(name, peer.memory());
    noteVersions([peer]);
  }
  const row = (label: string, field: keyof Memory, target?: number): PeerRow => ({
    what: `${what}, ${label}`,
    unit: 'MB',
    values: Object.fromEntries([...taken].map(([name, memory]) => [name, memory[field]])),
    lessIsBetter: true,
    ...(target !== undefined && { targets: { 'llama.cpp': target } }),
    details: { promptTokens },
  });
  return [
    row('memory at its most', 'peakMB', TARGET),
    row('memory while running', 'nowMB', TARGET),
    row('memory while running, without mapped files', 'anonymousMB'),
  ];
}
