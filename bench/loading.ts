/**
 * Memory while a model is loaded, and its first tokens: `node bench/loading.ts [--shape qwen2.5-0.5b] [--type Q8_0] [--threads 2]
 * [--formats gguf,picture] [--tokens 8] [--once] [--no-save]`. Models of random weights are made once, in .cache/ (with --once they are removed
 * again: the shape qwen2.5-7b takes 8 GB). Each is loaded by the built package in a process of its own (npm run build).
 * A model may take 1.15 times its weights and 100 MB at its most; the estimate made before loading is compared with what was taken.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { openFileByteSink } from '../packages/pixel-llm/src/core/node.ts';
import { convertToPictures, makeModel, openContentFile } from '../packages/pixel-llm/src/node.ts';
import type { MadeType } from '../packages/pixel-llm/src/pxi/make-model/make-model.ts';
import type { ShapeName } from '../packages/pixel-llm/src/pxi/make-model/shapes.ts';
import { pictureNames } from '../packages/pixel-llm/src/pxi/set-names.ts';
import { printTable, type ResultRow, rounded, saveResults } from './harness.ts';

const { values: options } = parseArgs({
  options: {
    shape: { type: 'string', default: 'qwen2.5-0.5b' },
    type: { type: 'string', default: 'Q8_0' },
    threads: { type: 'string', default: String(availableParallelism()) },
    formats: { type: 'string', default: 'gguf,picture' },
    tokens: { type: 'string', default: '8' },
    once: { type: 'boolean', default: false },
    'no-save': { type: 'boolean', default: false },
  },
});
const CONTEXT = 512;
const MOST = { times: 1.15, bytes: 100e6 };

const folder = join(import.meta.dirname, '..', '.cache');
const gguf = join(folder, `${options.shape}-${options.type}.gguf`);
const built = join(import.meta.dirname, '..', 'packages/pixel-llm/dist/node.js');

/** What the process that loads says, in bytes and seconds. */
interface Loaded {
  readonly before: number;
  /** At most until all is loaded, and until the last token. */
  readonly peakLoading: number;
  readonly peak: number;
  readonly estimate: number;
  readonly loadSeconds: number;
  readonly firstTokenSeconds: number;
  readonly secondsPerToken: number;
  readonly tokens: readonly number[];
}

const rows: ResultRow[] = [];
mkdirSync(folder, { recursive: true });
try {
  if (!existsSync(gguf)) await make();
  const bytes = statSync(gguf).size;
  const written: (readonly number[])[] = [];
  for (const format of options.formats.split(',')) {
    const path = format === 'picture' ? await picture() : gguf;
    const loaded = await load(path);
    written.push(loaded.tokens);
    rows.push(rowOf(format, bytes, loaded));
  }
  for (const tokens of written) assert.deepEqual(tokens, written[0], 'both formats give the same text');
} finally {
  if (options.once) for (const path of [gguf, pictureFolder()]) rmSync(path, { recursive: true, force: true });
}
printTable(rows);
if (!options['no-save']) console.log(await saveResults('loading', rows, { path: resultPath() }));

/** Larger shapes have a file of their own: they are measured seldom. */
function resultPath(): string | undefined {
  return options.shape === 'qwen2.5-0.5b'
    ? undefined
    : join(import.meta.dirname, 'results', `loading-${options.shape}.json`);
}

function rowOf(format: string, bytes: number, loaded: Loaded): ResultRow {
  const { before, peakLoading, peak, estimate, loadSeconds, firstTokenSeconds, secondsPerToken } = loaded;
  const may = MOST.times * bytes + MOST.bytes;
  return {
    what: `${options.shape} ${options.type} from ${format === 'gguf' ? 'GGUF' : 'pictures'}, ${options.threads} thread(s): memory allowed / taken at most while loading`,
    ratio: rounded(may / peakLoading),
    target: 1,
    rates: {
      fileMB: megabytes(bytes),
      allowedMB: megabytes(may),
      peakLoadingMB: megabytes(peakLoading),
      peakMB: megabytes(peak),
      estimateMB: megabytes(estimate),
      grownMB: megabytes(peak - before),
      loadS: rounded(loadSeconds),
      firstTokenS: rounded(firstTokenSeconds),
      decodeTokensPerS: rounded(1 / secondsPerToken),
    },
  };
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}

async function make(): Promise<void> {
  console.error(`making ${options.shape} in ${options.type}`);
  const [shape, type] = [options.shape as ShapeName, options.type as MadeType];
  await makeModel({ shape, type, seed: 0 }, await openFileByteSink(gguf, { sync: false }));
}

function pictureFolder(): string {
  return gguf.replace(/\.gguf$/, '-pictures');
}

/** The first picture of the set, made if it is not there. */
async function picture(): Promise<string> {
  const target = pictureFolder();
  const name = `${options.shape}.pxi.png`;
  if (!existsSync(target)) {
    console.error('converting it');
    mkdirSync(target);
    const content = await openContentFile(gguf);
    await convertToPictures(content, (index, count) =>
      openFileByteSink(join(target, pictureNames(name, count)[index] ?? name), { sync: false }),
    );
    await content.dispose();
  }
  return join(target, name);
}

/** Loads and writes in a process of its own, whose memory the system counts. */
async function load(path: string): Promise<Loaded> {
  const script = `
    import { readFileSync } from 'node:fs';
    const memory = (field) => 1024 * Number(readFileSync('/proc/self/status', 'utf8').match(new RegExp(field + ':\\\\s+(\\\\d+)'))[1]);
    const { loadModel } = await import(${JSON.stringify(pathToFileURL(built).href)});
    const before = memory('VmRSS');
    const begun = performance.now();
    const options = { device: 'cpu', threads: ${Number(options.threads)}, contextLength: ${CONTEXT} };
    const model = await loadModel(${JSON.stringify(path)}, options);
    const loadSeconds = (performance.now() - begun) / 1000;
    const peakLoading = memory('VmHWM');
    const tokens = [];
    let first = 0;
    const settings = { maxTokens: ${Number(options.tokens)}, temperature: 0, ignoreEndOfText: true };
    for await (const { token } of model.createSession().generate([1, 2, 3, 4, 5, 6, 7, 8], settings)) {
      if (tokens.push(token) === 1) first = performance.now();
    }
    const secondsPerToken = (performance.now() - first) / 1000 / (tokens.length - 1);
    const firstTokenSeconds = (first - begun) / 1000;
    const peak = memory('VmHWM');
    console.log(JSON.stringify({ before, peakLoading, peak, estimate: model.memoryBytes, loadSeconds, firstTokenSeconds, secondsPerToken, tokens }));
    await model.dispose();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  assert.equal(code, 0, 'the model is loaded');
  return JSON.parse(output) as Loaded;
}
