/**
 * PixelFS against the same bytes without it: how much of a raw read and a raw write the mappable profile keeps, and how
 * fast lines are verified. Page cache, no fsync. Raw and picture go through the same source and sink.
 *
 * The file is small enough (128 MiB) that the kernel does not hold writers back for the disk's sake, and each write replaces
 * the file of the one before, whose unwritten pages are dropped with it. Where other programs use the machine too, compare the
 * processor seconds (cpuRatio): rates, and ratios with them, swing by a third there.
 *
 *     npx node bench/pixelfs.ts [--size MiB] [--rounds N] [--folder PATH] [--out FILE.json]
 */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { crc32 } from 'node:zlib';
import { createThreadedHasher } from '../packages/pixel-llm/src/cli/threaded-hasher.ts';
import type { ByteSource } from '../packages/pixel-llm/src/core/byte-source.ts';
import { openFileByteSink, openFileByteSource } from '../packages/pixel-llm/src/core/node.ts';
import { openPicture } from '../packages/pixel-llm/src/png/open-picture.ts';
import type { Picture } from '../packages/pixel-llm/src/png/picture.ts';
import { createPictureWriter } from '../packages/pixel-llm/src/png/picture-writer.ts';
import { openPixelFs } from '../packages/pixel-llm/src/png/pixelfs.ts';
import { writePixelFs } from '../packages/pixel-llm/src/png/pixelfs-writer.ts';
import {
  countProcessorTime,
  gigabytesPerSecond,
  interleave,
  printTable,
  type ResultRow,
  rounded,
  saveResults,
} from './harness.ts';

const STEP_BYTES = 8 * 1024 * 1024;
const WIDTH = 8192;

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: '128' },
    rounds: { type: 'string', default: '15' },
    folder: { type: 'string', default: tmpdir() },
    out: { type: 'string' },
  },
});

const bytes = randomBytes(Number(values.size) * 1024 * 1024);
const folder = await mkdtemp(join(values.folder, 'pixelfs-bench-'));
try {
  const rows = await measure(Number(values.rounds));
  printTable(rows);
  console.log(`\n${await saveResults('pixelfs', rows, { path: values.out })}`);
} finally {
  await rm(folder, { recursive: true });
}

async function measure(rounds: number): Promise<ResultRow[]> {
  const raw = join(folder, 'raw.bin');
  const png = join(folder, 'picture.png');
  await writeRaw(raw);
  await writePicture(png);
  await checkResults(raw, png);
  const reading = await timeReading(raw, png, rounds);
  const { cases, cpuSeconds } = countProcessorTime({
    raw: () => writeRaw(raw),
    picture: () => writePicture(png),
    file: () => writeFileAsPicture(png),
    sha256: async () => void createHash('sha256').update(bytes).digest(),
  });
  const writing = await interleave(cases, { rounds });
  const rate = (seconds: number) => gigabytesPerSecond(bytes.length, seconds);
  return [
    {
      what: 'read a mappable picture / raw read',
      ratio: rounded(reading.raw / reading.picture),
      target: 0.8,
      rates: {
        rawGBps: rate(reading.raw),
        pictureGBps: rate(reading.picture),
        rawCpuSeconds: reading.cpuSeconds('raw'),
        pictureCpuSeconds: reading.cpuSeconds('picture'),
        cpuRatio: rounded(reading.cpuSeconds('raw') / reading.cpuSeconds('picture')),
      },
    },
    {
      what: 'write a picture / raw write',
      ratio: rounded(writing.raw / writing.picture),
      target: 0.45,
      rates: {
        rawGBps: rate(writing.raw),
        pictureGBps: rate(writing.picture),
        rawCpuSeconds: cpuSeconds('raw'),
        pictureCpuSeconds: cpuSeconds('picture'),
        cpuRatio: rounded(cpuSeconds('raw') / cpuSeconds('picture')),
      },
    },
    {
      what: 'write a file as a picture with its SHA-256 / raw write',
      ratio: rounded(writing.raw / writing.file),
      rates: {
        fileGBps: rate(writing.file),
        sha256AloneGBps: rate(writing.sha256),
        fileCpuSeconds: cpuSeconds('file'),
        sha256CpuSeconds: cpuSeconds('sha256'),
      },
    },
    {
      what: 'verify all line CRCs and the Adler-32 / zlib.crc32 alone, in memory',
      ratio: rounded(reading.crc / reading.verify),
      rates: { verifyGBps: rate(reading.verify), crc32GBps: rate(reading.crc) },
    },
  ];
}

async function timeReading(raw: string, png: string, rounds: number): Promise<TimedReading> {
  const rawSource = await openFileByteSource(raw);
  const picture = await openPicture(await openFileByteSource(png));
  const target = new Uint8Array(STEP_BYTES);
  try {
    const { cases, cpuSeconds } = countProcessorTime({
      raw: () => readRaw(rawSource, target),
      picture: () => readPicture(picture, target),
      verify: async () => expectSame((await picture.verify()).length, 0, 'damages'),
      crc: async () => {
        for (let at = 0; at < bytes.length; at += 4 * WIDTH) crc32(bytes.subarray(at, at + 4 * WIDTH));
      },
    });
    return { ...(await interleave(cases, { rounds })), cpuSeconds };
  } finally {
    await rawSource.dispose();
    await picture.dispose();
  }
}

interface TimedReading {
  raw: number;
  picture: number;
  verify: number;
  crc: number;
  cpuSeconds(name: 'raw' | 'picture'): number;
}

async function readRaw(source: ByteSource, target: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += target.length) await source.read(at, [target]);
}

async function readPicture(picture: Picture, target: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += target.length) await picture.readPixels(4 * WIDTH + at, [target]);
}

async function writeRaw(path: string): Promise<void> {
  const sink = await openFileByteSink(path, { sync: false });
  for (let at = 0; at < bytes.length; at += STEP_BYTES) await sink.write([bytes.subarray(at, at + STEP_BYTES)]);
  await sink.commit();
}

async function writePicture(path: string): Promise<void> {
  const sink = await openFileByteSink(path, { sync: false });
  const writer = await createPictureWriter(sink, { width: WIDTH, kind: 'bytes' });
  for (let at = 0; at < bytes.length; at += STEP_BYTES) await writer.append([bytes.subarray(at, at + STEP_BYTES)]);
  await writer.finish(new TextEncoder().encode('{}'));
}

async function writeFileAsPicture(path: string): Promise<void> {
  const hasher = createThreadedHasher();
  try {
    await writePixelFs(await openFileByteSink(path, { sync: false }), bytes, { width: WIDTH, hasher });
  } finally {
    await hasher.dispose();
  }
}

/** Both ways give the bytes that went in, before anything is timed. */
async function checkResults(raw: string, png: string): Promise<void> {
  const other = join(folder, 'file.png');
  await writeFileAsPicture(other);
  const file = await openPixelFs(await openFileByteSource(other));
  expectSame(Buffer.compare(await file.readAll(), bytes), 0, 'the file from its picture');
  expectSame((await file.verify()).length, 0, 'damages of the file');
  await file.dispose();
  await rm(other);
  const picture = await openPicture(await openFileByteSource(png));
  const source = await openFileByteSource(raw);
  const [fromRaw, fromPicture] = [new Uint8Array(STEP_BYTES), new Uint8Array(STEP_BYTES)];
  for (let at = 0; at < bytes.length; at += STEP_BYTES) {
    await source.read(at, [fromRaw]);
    await picture.readPixels(4 * WIDTH + at, [fromPicture]);
    expectSame(Buffer.compare(fromRaw, fromPicture), 0, `bytes at ${at}`);
  }
  await picture.dispose();
  await source.dispose();
}

function expectSame(value: number, expected: number, what: string): void {
  if (value !== expected) throw new Error(`Wrong result, nothing was timed: ${what}.`);
}

/** Bytes without pattern, from a small generator (xorshift32). */
function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = 0x9e3779b9;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}
