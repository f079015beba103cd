/**
 * What guessing by prompt lookup gains and costs: `node bench/speculation.ts [--shape qwen2.5-0.5b] [--type Q8_0] [--threads 2] [--guesses 8]
 * [--tokens 64] [--rounds 5]`. A model of random weights, made once in .cache/, writes two texts with and without guesses, in turns: the
 * likeliest tokens, which soon go in circles, and tokens drawn at a high temperature, which never come again. First the check: guesses change no token.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openFileByteSink } from '../packages/pixel-llm/src/core/node.ts';
import { type GenerateOptions, type GenerationResult, loadModel, makeModel } from '../packages/pixel-llm/src/node.ts';
import type { MadeType } from '../packages/pixel-llm/src/pxi/make-model/make-model.ts';
import type { ShapeName } from '../packages/pixel-llm/src/pxi/make-model/shapes.ts';
import { interleave, median, printTable, type ResultRow, rounded, saveResults } from './harness.ts';

const { values: options } = parseArgs({
  options: {
    shape: { type: 'string', default: 'qwen2.5-0.5b' },
    type: { type: 'string', default: 'Q8_0' },
    threads: { type: 'string', default: String(availableParallelism()) },
    guesses: { type: 'string', default: '8' },
    tokens: { type: 'string', default: '64' },
    rounds: { type: 'string', default: '5' },
  },
});
const tokens = Number(options.tokens);
const guesses = Number(options.guesses);
/** A phrase again and again, so that the likeliest text goes on with something that stood there. */
const PROMPT = Array.from({ length: 48 }, (_, index) => 1000 + 37 * (index % 12));

interface Kind {
  readonly what: string;
  readonly target: number;
  readonly settings: GenerateOptions;
}

const KINDS: readonly Kind[] = [
  { what: 'text that repeats itself', target: 1.5, settings: { temperature: 0 } },
  { what: 'text that does not', target: 0.97, settings: { temperature: 1.5, topK: 0, topP: 1, minP: 0, seed: 7 } },
];

const path = await modelFile();
await using model = await loadModel(path, { device: 'cpu', threads: Number(options.threads), contextLength: 512 });
const rows: ResultRow[] = [];
for (const kind of KINDS) rows.push(await measure(kind));
printTable(rows);
console.log(await saveResults('speculation', rows));

async function measure({ what, target, settings }: Kind): Promise<ResultRow> {
  const [without, withGuesses] = [await write(settings, 0), await write(settings, guesses)];
  assert.deepEqual(withGuesses.tokens, without.tokens, 'guesses change no token');
  const milliseconds = { without: [] as number[], with: [] as number[] };
  await interleave(
    {
      without: async () => void milliseconds.without.push((await write(settings, 0)).generateMilliseconds),
      with: async () => void milliseconds.with.push((await write(settings, guesses)).generateMilliseconds),
    },
    { rounds: Number(options.rounds) },
  );
  // The first of each warms up.
  const rate = (all: readonly number[]): number => (1000 * (tokens - 1)) / median(all.slice(1));
  const { drafted = 0, accepted = 0 } = withGuesses.speculation ?? {};
  return {
    what: `${options.shape} ${options.type}, ${options.threads} thread(s), ${what}: with guesses / without`,
    ratio: rounded(rate(milliseconds.with) / rate(milliseconds.without)),
    target,
    rates: {
      withTokensPerS: rounded(rate(milliseconds.with)),
      withoutTokensPerS: rounded(rate(milliseconds.without)),
      guessed: drafted,
      right: accepted,
    },
  };
}

async function write(settings: GenerateOptions, speculate: number): Promise<GenerationResult> {
  using session = model.createSession();
  const speculation = speculate > 0 ? { tokens: speculate } : undefined;
  return await session
    .generate(PROMPT, { ...settings, maxTokens: tokens, ignoreEndOfText: true, speculation })
    .complete();
}

async function modelFile(): Promise<string> {
  const folder = join(import.meta.dirname, '..', '.cache');
  mkdirSync(folder, { recursive: true });
  const [shape, type] = [options.shape as ShapeName, options.type as MadeType];
  const file = join(folder, `${shape}-${type}.gguf`);
  if (!existsSync(file)) await makeModel({ shape, type, seed: 0 }, await openFileByteSink(file, { sync: false }));
  return file;
}
