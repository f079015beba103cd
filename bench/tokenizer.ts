/**
 * How fast text becomes token ids, over a real book and the vocabularies of real models: `node bench/tokenizer.ts`.
 * Cold is a fresh tokenizer's first pass over the book, warm is any later one. Needs ../shared/goldens; checks the ids of the
 * golden texts, and that the book comes back, before it times anything.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { MemoryByteSource } from '../packages/pixel-llm/src/core/byte-source.ts';
import { readGgufHead } from '../packages/pixel-llm/src/gguf/reader.ts';
import { createTokenizer, type Tokenizer } from '../packages/pixel-llm/src/tokenizer/tokenizer.ts';
import { interleave, median, printTable, type ResultRow, rounded, saveResults } from './harness.ts';

const VOCABULARIES = ['qwen2', 'llama-spm', 'gpt-2', 'deepseek-coder', 'falcon', 'phi-3'];
const COLD_ROUNDS = 5;
/** MB/s, for the three vocabularies that stand for most models. */
const TARGET = 2;

const golden = (path: string) => fileURLToPath(new URL(`../../shared/goldens/${path}`, import.meta.url));
const book = await readFile(golden('text/tinyshakespeare.txt'), 'utf8');
const megabytes = Buffer.byteLength(book) / 1e6;

const makers = new Map<string, () => Tokenizer>();
for (const name of VOCABULARIES) makers.set(name, await checked(name));

const cold = new Map(VOCABULARIES.map((name) => [name, [] as number[]]));
for (let round = 0; round < COLD_ROUNDS; round++) {
  for (const name of VOCABULARIES) {
    const tokenizer = makeTokenizer(name);
    const begun = performance.now();
    tokenizer.encode(book);
    cold.get(name)?.push((performance.now() - begun) / 1000);
  }
}

const cases: Record<string, () => Promise<void>> = {};
const decodings: Record<string, () => Promise<void>> = {};
for (const name of VOCABULARIES) {
  const tokenizer = makeTokenizer(name);
  const tokens = tokenizer.encode(book);
  cases[name] = async () => void tokenizer.encode(book);
  decodings[name] = async () => void tokenizer.decode(tokens);
}
const warm = await interleave(cases);
const decoded = await interleave(decodings);

const rows = VOCABULARIES.map((name, index): ResultRow => {
  const coldMBps = rounded(megabytes / median(cold.get(name) ?? []));
  return {
    what: `encode a ${rounded(megabytes)} MB book, ${name} (cold, MB/s)`,
    ratio: coldMBps,
    ...(index < 3 ? { target: TARGET } : {}),
    rates: {
      coldMBps,
      warmMBps: rounded(megabytes / (warm[name] ?? 0)),
      decodeMBps: rounded(megabytes / (decoded[name] ?? 0)),
    },
  };
});
printTable(rows);
console.log(`\nwritten to ${await saveResults('tokenizer', rows)}`);

function makeTokenizer(name: string): Tokenizer {
  const make = makers.get(name);
  assert.ok(make);
  return make();
}

async function checked(name: string): Promise<() => Tokenizer> {
  const path = golden(`tokenizer/ggml-vocab-${name}.gguf`);
  const { metadata } = await readGgufHead(new MemoryByteSource(await readFile(path), path));
  const tokenizer = createTokenizer(metadata);
  const texts = (await readFile(`${path}.inp`, 'utf8')).split('\n__ggml_vocab_test__\n');
  const lines = (await readFile(`${path}.out`, 'utf8')).split('\n');
  for (const [index, text] of texts.entries()) {
    assert.equal(tokenizer.encode(text, { addSpecial: false }).join(' '), lines[index]?.trim(), `${name}: ${text}`);
  }
  assert.equal(tokenizer.decode(tokenizer.encode(book)), book, name);
  return () => createTokenizer(metadata);
}
