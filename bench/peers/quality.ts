/**
 * How far each runtime's distributions are from those of the reference (f32 activations, f64 sums: within 0.001 of exact) on real
 * text: mean Kullback-Leibler divergence in nats a token, KL(reference || runtime), over every position. A trained model is needed
 * for this, so it takes the golden one and requantizes it; wllama tells only the likeliest tokens and is left out.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openFileByteSink } from '../../packages/pixel-llm/src/core/node.ts';
import { convertToGguf, openContentFile, requantizeContent } from '../../packages/pixel-llm/src/node.ts';
import { made, readTokenizer } from './models.ts';
import { Peer, type PeerName } from './peers.ts';
import { noteVersions, type PeerRow } from './report.ts';

export interface QualitySettings {
  readonly goldens: string;
  readonly folder: string;
  /** The golden model's weights as they are, or requantized to another type. */
  readonly type: string;
  readonly peers: readonly PeerName[];
  readonly device: string;
  readonly windows: number;
  readonly threads: number;
}

const MODEL = 'models/TinyStories-656K-Q8_0.gguf';
const MODEL_TYPE = 'Q8_0';
const TEXT = 'text/tinystories_1000.json';
const WINDOW_TOKENS = 256;

export async function measureQuality(settings: QualitySettings): Promise<PeerRow[]> {
  const path = await goldenModel(settings);
  const windows = await readWindows(settings, path);
  const vocabulary = (await readTokenizer(path)).vocabSize;
  const reference = await distributionsOf('pixel', { ...settings, device: 'reference' }, path, windows);
  const values: Partial<Record<PeerName, number>> = {};
  for (const name of settings.peers) {
    if (name === 'wllama' || (name === 'pixel' && settings.device === 'reference')) continue;
    const given = await distributionsOf(name, settings, path, windows);
    values[name] = Number(meanDivergence(reference, given, vocabulary).toPrecision(4));
  }
  return [
    {
      what: `TinyStories ${settings.type}, mean KL divergence from the reference on real text`,
      unit: 'nats/token',
      values,
      lessIsBetter: true,
      targets: { 'llama.cpp': 1 },
      details: { positions: windows.length * WINDOW_TOKENS, text: TEXT },
    },
  ];
}

async function goldenModel({ goldens, folder, type }: QualitySettings): Promise<string> {
  const golden = join(goldens, MODEL);
  if (type === MODEL_TYPE) return golden;
  return made(folder, `TinyStories-656K-${type}.gguf`, async (path) => {
    const { content, notes } = requantizeContent(await openContentFile(golden), type);
    for (const note of notes) console.error(note);
    await convertToGguf(content, await openFileByteSink(path, { sync: false }));
    await content.dispose();
  });
}

async function readWindows({ goldens, windows }: QualitySettings, path: string): Promise<number[][]> {
  const stories = JSON.parse(await readFile(join(goldens, TEXT), 'utf8')) as string[];
  const tokenizer = await readTokenizer(path);
  const encoded = stories.map((story) => [...tokenizer.encode(story, { addSpecial: true })]);
  const long = encoded.filter(({ length }) => length >= WINDOW_TOKENS).slice(0, windows);
  if (long.length < windows) throw new Error(`Only ${long.length} of the stories are long enough.`);
  return long.map((tokens) => tokens.slice(0, WINDOW_TOKENS));
}

async function distributionsOf(
  name: PeerName,
  { device, threads, folder }: QualitySettings,
  path: string,
  windows: readonly (readonly number[])[],
): Promise<Float32Array[]> {
  await using peer = await Peer.start(name, { path, device, threads, contextTokens: WINDOW_TOKENS, sequences: 1 });
  noteVersions([peer]);
  const file = join(folder, `distributions-${process.pid}.f32`);
  const read: Float32Array[] = [];
  try {
    for (const tokens of windows) {
      await peer.ask('distributions', { tokens, path: file });
      read.push(new Float32Array(new Uint8Array(await readFile(file)).buffer));
    }
  } finally {
    await rm(file, { force: true });
  }
  return read;
}

/** All in ln p. */
function meanDivergence(
  reference: readonly Float32Array[],
  given: readonly Float32Array[],
  vocabulary: number,
): number {
  let sum = 0;
  let positions = 0;
  for (const [window, exact] of reference.entries()) {
    const other = given[window];
    if (other?.length !== exact.length) throw new Error('The distributions differ in size.');
    positions += exact.length / vocabulary;
    for (let i = 0; i < exact.length; i++) {
      const expected = exact[i] ?? Number.NaN;
      const probability = Math.exp(expected);
      // What is as good as impossible adds nothing, whatever the other says (it may say ln 0).
      if (probability > 1e-30) sum += probability * (expected - (other[i] ?? Number.NaN));
    }
  }
  return sum / positions;
}
