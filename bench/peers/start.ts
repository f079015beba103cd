/**
 * From the start of a process to its first token: this project reads the model as a picture, llama.cpp as a GGUF file. The files
 * are in the page cache (the first start of each, not counted, puts them there). For llama.cpp this is Node and node-llama-cpp too,
 * as it is Node here: both start the same way.
 */
import { median, rounded } from '../harness.ts';
import { madePicture, promptMaker } from './models.ts';
import { Peer, type PeerName } from './peers.ts';
import { noteVersions, type PeerRow } from './report.ts';

export interface StartSettings {
  readonly what: string;
  readonly folder: string;
  readonly path: string;
  readonly threads: number;
  readonly peers: readonly PeerName[];
  readonly device: string;
  readonly rounds: number;
}

const PROMPT_TOKENS = 8;

export async function measureStart(settings: StartSettings): Promise<PeerRow[]> {
  const { what, folder, path, threads, device, rounds } = settings;
  const prompt = (await promptMaker(path))(PROMPT_TOKENS, 1);
  const picture = await madePicture(folder, path);
  const seconds = new Map<PeerName, number[]>();
  for (let round = 0; round <= rounds; round++) {
    for (const peerName of settings.peers) {
      const model = peerName === 'pixel' ? picture : path;
      const request = { path: model, threads, device, contextTokens: 512, sequences: 1 };
      const begun = performance.now();
      await using peer = await Peer.start(peerName, request);
      await peer.ask('generate', { prompts: [prompt], tokens: 1 });
      const taken = (performance.now() - begun) / 1000;
      noteVersions([peer]);
      if (round > 0) seconds.set(peerName, [...(seconds.get(peerName) ?? []), taken]);
    }
  }
  const values = Object.fromEntries([...seconds].map(([peer, all]) => [peer, rounded(median(all))]));
  const details = Object.fromEntries([...seconds].map(([peer, all]) => [peer, all.map(rounded)]));
  return [
    {
      what: `${what}, process start to first token`,
      unit: 's',
      values,
      lessIsBetter: true,
      targets: { 'llama.cpp': 1 },
      details: { rounds, promptTokens: PROMPT_TOKENS, all: details },
    },
  ];
}
