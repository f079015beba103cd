/**
 * How fast a model becomes pictures, comes back, and is verified, with the SHA-256 of every tensor on its own thread; and that
 * memory does not grow with the model. Page cache, no fsync.
 *
 *     npx node bench/convert.ts [--shape qwen2.5-0.5b] [--large qwen2.5-1.5b] [--rounds N] [--folder PATH] [--out FILE.json]
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openFileByteSink } from '../packages/pixel-llm/src/core/node.ts';
import { convertToGguf } from '../packages/pixel-llm/src/pxi/convert/convert-to-gguf.ts';
import { convertToPictures } from '../packages/pixel-llm/src/pxi/convert/convert-to-picture.ts';
import { makeModel, SHAPE_NAMES } from '../packages/pixel-llm/src/pxi/make-model/make-model.ts';
import { createWorkerHasher, openContentFile, openSource } from '../packages/pixel-llm/src/pxi/node.ts';
import { pictureNames } from '../packages/pixel-llm/src/pxi/set-names.ts';
import { verifyModelFile } from '../packages/pixel-llm/src/pxi/verify-file.ts';
import {
  countProcessorTime,
  gigabytesPerSecond,
  interleave,
  printTable,
  type ResultRow,
  rounded,
  saveResults,
} from './harness.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    shape: { type: 'string', default: 'qwen2.5-0.5b' },
    large: { type: 'string', default: 'qwen2.5-1.5b' },
    rounds: { type: 'string', default: '5' },
    folder: { type: 'string', default: tmpdir() },
    out: { type: 'string' },
  },
});
const TARGET_GBPS = 0.3;

// A process of its own tells the most memory that one conversion took.
if (positionals[0] === 'memory') {
  const [, direction = '', input = '', output = ''] = positionals;
  await (direction === 'there' ? toPictures(input, output) : toGguf(input, output));
  console.log(process.resourceUsage().maxRSS * 1024);
} else {
  const folder = await mkdtemp(join(values.folder, 'convert-bench-'));
  try {
    const rows = [...(await measureRates(folder)), ...(await measureMemory(folder))];
    printTable(rows);
    console.log(`\n${await saveResults('convert', rows, { path: values.out })}`);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function toPictures(input: string, output: string): Promise<string> {
  const content = await openContentFile(input);
  const openSink = (index: number, count: number) =>
    openFileByteSink(pictureNames(output, count)[index] ?? output, { sync: false });
  const { files } = await convertToPictures(content, openSink, { createHasher: createWorkerHasher });
  await content.dispose();
  return pictureNames(output, files)[0] ?? output;
}

async function toGguf(input: string, output: string): Promise<void> {
  const content = await openContentFile(input);
  const sink = await openFileByteSink(output, { sync: false });
  await convertToGguf(content, sink, { createHasher: createWorkerHasher });
  await content.dispose();
}

async function verify(input: string): Promise<void> {
  const { findings } = await verifyModelFile(input, openSource, { createHasher: createWorkerHasher });
  if (findings.length > 0) throw new Error(findings[0]?.message);
}

async function makeGguf(shape: string, path: string): Promise<string> {
  const known = SHAPE_NAMES.find((name) => name === shape);
  if (!known) throw new Error(`The shapes are ${SHAPE_NAMES.join(', ')}.`);
  await makeModel({ shape: known, type: 'Q8_0', seed: 1 }, await openFileByteSink(path, { sync: false }));
  return path;
}

async function measureRates(folder: string): Promise<ResultRow[]> {
  const gguf = await makeGguf(values.shape, join(folder, 'model.gguf'));
  const back = join(folder, 'back.gguf');
  const picture = await toPictures(gguf, join(folder, 'model.pxi.png'));
  await toGguf(picture, back);
  if ((await digest(gguf)) !== (await digest(back))) throw new Error('The model did not come back byte for byte.');
  const { cases, cpuSeconds } = countProcessorTime({
    there: async () => void (await toPictures(gguf, join(folder, 'model.pxi.png'))),
    back: () => toGguf(picture, back),
    verify: () => verify(picture),
  });
  const seconds = await interleave(cases, { rounds: Number(values.rounds) });
  const { size } = await stat(gguf);
  const row = (what: string, name: keyof typeof seconds, target?: number): ResultRow => {
    const rate = gigabytesPerSecond(size, seconds[name]);
    const rates = { megabytes: rounded(size / 1e6), seconds: rounded(seconds[name]), cpuSeconds: cpuSeconds(name) };
    return { what: `${what}, GB/s`, ratio: rate, ...(target === undefined ? {} : { target }), rates };
  };
  return [
    row(`GGUF to pictures (${values.shape} Q8_0)`, 'there', TARGET_GBPS),
    row('pictures to GGUF, SHA-256 checked', 'back', TARGET_GBPS),
    row('verify: line CRCs and SHA-256', 'verify'),
  ];
}

/** The most memory of a process that converts the model, and one that converts a larger one of the same vocabulary. */
async function measureMemory(folder: string): Promise<ResultRow[]> {
  const large = await makeGguf(values.large, join(folder, 'large.gguf'));
  const sizes = { small: join(folder, 'model.gguf'), large };
  const peaks: Record<string, number> = {};
  for (const [name, gguf] of Object.entries(sizes)) {
    const run = (direction: string, input: string, output: string) =>
      Number(execFileSync(process.execPath, [fileURLToPath(import.meta.url), 'memory', direction, input, output]));
    const picture = await toPictures(gguf, join(folder, `${name}.pxi.png`));
    peaks[`${name}ThereMB`] = rounded(run('there', gguf, join(folder, `${name}-again.pxi.png`)) / 1e6);
    peaks[`${name}BackMB`] = rounded(run('back', picture, join(folder, 'memory.gguf')) / 1e6);
    peaks[`${name}ModelMB`] = rounded((await stat(gguf)).size / 1e6);
  }
  return [{ what: 'the most memory of a process that converts', rates: peaks }];
}

async function digest(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
