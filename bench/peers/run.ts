/** Pixel-LLM beside its peers, on the same files: see README.md, or --help. */
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { selectBackend } from '../../packages/pixel-llm/src/node.ts';
import { checkAgreement } from './agree.ts';
import { measureMemory } from './memory.ts';
import { madeModel, readTokenizer } from './models.ts';
import { measureParallel } from './parallel.ts';
import { PEER_NAMES, type PeerName, startPeers } from './peers.ts';
import { measureQuality } from './quality.ts';
import { type PeerRow, printRow, saveRows } from './report.ts';
import { measureSpeed } from './speed.ts';
import { measureStart } from './start.ts';

const HELP = `Pixel-LLM, llama.cpp and wllama on the same models, in turns.

  npm ci --prefix bench/peers          once
  node bench/peers/run.ts [PART ...] [--quick | --full] [options]

Parts (default: agree speed)
  agree     do all compute the same on the golden model? (needs ../shared/goldens or --goldens)
  speed     prompt and decode rates
  parallel  8 sequences at once, beside one
  start     from process start to first token, this project from a picture
  memory    while running
  quality   KL divergence from the reference on real text (needs the goldens)
  all       all of these

  --quick             one shape, one type, small prompts: two minutes (default)
  --full              both shapes, four types, 1 and 2 threads, prompts of 128 and 512: up to half an hour for speed
  --shapes LIST       qwen2.5-0.5b,llama3.2-1b
  --types LIST        Q8_0,Q4_0,Q4_K,Q6_K
  --threads LIST      1,2
  --prompts LIST      128,512
  --tokens N          decoded after each prompt
  --rounds N          turns of each at most
  --seconds N         for one shape, type and number of threads, all runtimes together (loading comes on top)
  --peers LIST        pixel,llama.cpp,wllama
  --device NAME       this project's device: cpu or reference (default: cpu; without it this project is left out)
  --folder PATH       where the models are kept (default: in the folder for temporary files)
  --goldens PATH      (default: ../shared/goldens beside this repository)
  --out FILE.json     one part: where its results go (default: bench/results/peers-PART.json)
  --no-save           only print`;

/** Called with what was measured, as it comes. */
type Report = (rows: readonly PeerRow[]) => Promise<void>;

const PARTS = ['agree', 'speed', 'parallel', 'start', 'memory', 'quality'] as const;
type Part = (typeof PARTS)[number];

const MEASURES: Readonly<Record<Part, (peers: readonly PeerName[], report: Report) => Promise<void>>> = {
  agree,
  speed,
  parallel,
  start,
  memory,
  quality,
};

const QUICK = {
  shapes: 'qwen2.5-0.5b',
  types: 'Q8_0',
  threads: '2',
  prompts: '128',
  tokens: 16,
  rounds: 3,
  seconds: 60,
};
const FULL = {
  shapes: 'qwen2.5-0.5b,llama3.2-1b',
  types: 'Q8_0,Q4_0,Q4_K,Q6_K',
  threads: '1,2',
  prompts: '128,512',
  tokens: 64,
  rounds: 5,
  seconds: 105,
};
/** Starting three runtimes with a model, agreeing and warming up. */
const LOADING_SECONDS = 15;

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: 'boolean', short: 'h' },
    quick: { type: 'boolean' },
    full: { type: 'boolean' },
    shapes: { type: 'string' },
    types: { type: 'string' },
    threads: { type: 'string' },
    prompts: { type: 'string' },
    tokens: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    peers: { type: 'string', default: PEER_NAMES.join(',') },
    device: { type: 'string', default: 'cpu' },
    folder: { type: 'string', default: join(tmpdir(), 'pixel-llm-peers') },
    goldens: { type: 'string', default: fileURLToPath(new URL('../../../shared/goldens/', import.meta.url)) },
    out: { type: 'string' },
    'no-save': { type: 'boolean' },
  },
});

const preset = flags.full ? FULL : QUICK;
const shapes = (flags.shapes ?? preset.shapes).split(',');
const types = (flags.types ?? preset.types).split(',');
const threadCounts = numbers('threads', flags.threads ?? preset.threads);
const promptLengths = numbers('prompts', flags.prompts ?? preset.prompts);
const [decodeTokens = 1] = numbers('tokens', flags.tokens ?? `${preset.tokens}`);
const [rounds = 1] = numbers('rounds', flags.rounds ?? `${preset.rounds}`);
const [seconds = 1] = numbers('seconds', flags.seconds ?? `${preset.seconds}`);
const { device, folder, goldens } = flags;
const mostThreads = Math.max(...threadCounts);

if (flags.help) console.log(HELP);
else await runParts();

async function runParts(): Promise<void> {
  const parts = wantedParts();
  const peers = await presentPeers();
  const [load = 0] = loadavg();
  if (load > 0.5)
    console.log(`Others may be at work on this machine (load ${load.toFixed(1)}): then rates say little.`);
  if (parts.includes('speed')) announceBudget(peers);
  for (const part of parts) {
    console.log(`\n${part}`);
    const rows: PeerRow[] = [];
    // Saved as they come: a long run that is ended early has not been for nothing.
    await MEASURES[part](peers, async (measured) => {
      for (const row of measured) printRow(row);
      rows.push(...measured);
      if (!flags['no-save']) await saveRows(part, rows, flags.out);
    });
  }
}

async function agree(peers: readonly PeerName[]): Promise<void> {
  const path = join(goldens, 'models/TinyStories-656K-Q8_0.gguf');
  const text = 'Once upon a time';
  const tokens = [...(await readTokenizer(path)).encode(text, { addSpecial: true })];
  // The reference stands in for a faster device that is not there.
  const present = peers.includes('pixel');
  const names: PeerName[] = present ? [...peers] : ['pixel', ...peers];
  const request = {
    path,
    threads: mostThreads,
    device: present ? device : 'reference',
    contextTokens: 256,
    sequences: 1,
  };
  await using started = await startPeers(names, request);
  const distances = await checkAgreement(started.peers, { text, tokens });
  console.log(`All agree on the golden model; mean distance in ln p from ${names[0]}: ${JSON.stringify(distances)}`);
}

async function speed(peers: readonly PeerName[], report: Report): Promise<void> {
  for (const { what, path } of await models()) {
    for (const threads of threadCounts) {
      const settings = { what, path, threads, peers, device, promptLengths, decodeTokens, rounds, seconds };
      await report(await measureSpeed(settings));
    }
  }
}

async function parallel(peers: readonly PeerName[], report: Report): Promise<void> {
  const { what, path } = await firstModel();
  const settings = { what, path, threads: mostThreads, peers: withoutWllama(peers), device, sequences: 8 };
  await report(await measureParallel({ ...settings, tokens: decodeTokens, rounds }));
}

async function start(peers: readonly PeerName[], report: Report): Promise<void> {
  const settings = { ...(await firstModel()), folder, threads: mostThreads, device, peers: withoutWllama(peers) };
  await report(await measureStart({ ...settings, rounds: flags.full ? 10 : rounds }));
}

async function memory(peers: readonly PeerName[], report: Report): Promise<void> {
  const settings = { threads: mostThreads, device, promptTokens: Math.min(...promptLengths) };
  for (const { what, path } of await models()) {
    await report(await measureMemory({ what, path, ...settings, peers: withoutWllama(peers) }));
  }
}

async function quality(peers: readonly PeerName[], report: Report): Promise<void> {
  for (const type of ['Q8_0', 'Q4_0']) {
    await report(
      await measureQuality({
        goldens,
        folder,
        type,
        peers,
        device,
        threads: mostThreads,
        windows: flags.full ? 20 : 4,
      }),
    );
  }
}

async function firstModel(): Promise<{ what: string; path: string }> {
  const [shape = '', type = ''] = [shapes[0], types[0]];
  return { what: `${shape} ${type}`, path: await madeModel(folder, shape, type) };
}

async function models(): Promise<{ what: string; path: string }[]> {
  const made: { what: string; path: string }[] = [];
  for (const shape of shapes) {
    for (const type of types) made.push({ what: `${shape} ${type}`, path: await madeModel(folder, shape, type) });
  }
  return made;
}

/** These parts have targets against llama.cpp only, and would take wllama very long. It takes part where it is named. */
function withoutWllama(peers: readonly PeerName[]): PeerName[] {
  return process.argv.some((argument) => argument.startsWith('--peers'))
    ? [...peers]
    : peers.filter((name) => name !== 'wllama');
}

function wantedParts(): readonly Part[] {
  if (positionals.includes('all')) return PARTS;
  const named = PARTS.filter((part) => positionals.includes(part));
  const unknown = positionals.filter((name) => !(PARTS as readonly string[]).includes(name));
  if (unknown.length > 0) refuse(`There is no part ${unknown.join(', ')}. There are: ${PARTS.join(', ')}, all.`);
  return named.length > 0 ? named : ['agree', 'speed'];
}

/** The named runtimes; without this project if it does not have the device. */
async function presentPeers(): Promise<readonly PeerName[]> {
  const named = flags.peers.split(',');
  const unknown = named.filter((name) => !(PEER_NAMES as readonly string[]).includes(name));
  if (unknown.length > 0) refuse(`There is no peer ${unknown.join(', ')}. There are: ${PEER_NAMES.join(', ')}.`);
  const peers = PEER_NAMES.filter((name) => named.includes(name));
  if (!peers.includes('pixel') || (await hasDevice())) return peers;
  console.log(`This project has no device "${device}" here and is left out (--device reference is exact, and slow).`);
  return peers.filter((name) => name !== 'pixel');
}

async function hasDevice(): Promise<boolean> {
  try {
    await selectBackend(device as Parameters<typeof selectBackend>[0]);
    return true;
  } catch {
    return false;
  }
}

function announceBudget(peers: readonly PeerName[]): void {
  const cells = shapes.length * types.length * threadCounts.length;
  const minutes = (cells * (seconds + LOADING_SECONDS)) / 60;
  console.log(
    `speed: ${peers.join(', ')}; ${shapes.join(', ')} in ${types.join(', ')} with ${threadCounts.join(' and ')} of ${availableParallelism()} threads; ` +
      `up to ${seconds} s each and about ${LOADING_SECONDS} s for loading: ` +
      `${minutes.toFixed(1)} minutes at most (${cells} measurements), and the making of models once.`,
  );
}

function numbers(name: string, list: string): number[] {
  const given = list.split(',').map(Number);
  if (!given.every((value) => Number.isInteger(value) && value > 0))
    refuse(`--${name} takes whole numbers, not ${list}.`);
  return given;
}

/** The request makes no sense. */
function refuse(message: string): never {
  console.error(`${message} --help has more.`);
  process.exit(2);
}
