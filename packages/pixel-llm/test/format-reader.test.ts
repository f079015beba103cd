/**
 * A reader written from docs/format.md alone, with nothing from the project's sources but what makes the files it reads:
 * if the page were wrong or left something out, this would fail.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { crc32, inflateSync } from 'node:zlib';
import { gguf, noise } from '../src/gguf/testing.ts';
import { encodePng, makeFile, rasterOf } from '../src/png/testing.ts';
import { everyType, oddGguf, smallModel, toPictures } from '../src/pxi/testing.ts';
import { golden, goldenTest } from './goldens.ts';

// ---- the reader ----

interface Picture {
  width: number;
  kind: number;
  manifest: Manifest;
  /** Bytes from a raster offset on. */
  read(offset: number, length: number): Buffer;
}

type Run = [file: number, line: number, x: number, byteLength: number];
interface StoredBytes {
  byteLength: number;
  sha256: string;
  runs: Run[];
}
interface Manifest {
  formatVersion: number;
  kind: string;
  name: string;
  sha256: string;
  data: { offset: number; byteLength: number };
  set: { id: string; index: number; count: number };
  width: number;
  gguf: { byteLength: number; head: StoredBytes; gaps: (StoredBytes & { position: number })[] };
  tensors: {
    name: string;
    type: [string, number];
    dimensions: number[];
    position: number;
    sha256: string;
    parts: { file: number; rows: number; planes: [field: string, line: number, x: number, byteLength: number][] }[];
  }[];
}

const CANARIES = `
    200  60  20   0     31 222 140   0      9  90 250   1    250 130   7   2
     17 201  99   8    244  33  77  16     50 100 200  32    221 180  43  64
     13  77 191  96    190  20 130 128     88 240  11 160      3 160 230 192
    255   1 128 224     64 129 193 254    237 101  19 255      5  54 173 255`;

/** The tables of section 4, read from the page itself. */
function readTypes(): Map<number, { blockBytes: number; fields: Map<string, [offset: number, bytes: number]> }> {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/format.md'), 'utf8');
  const rows = [...page.matchAll(/^\| [A-Z0-9_]+ \| (\d+) \| \d+ \| (\d+) \| (\w+@\d+:\d+(?: \w+@\d+:\d+)*) \|$/gm)];
  return new Map(
    rows.map(([, number, blockBytes, planes]) => {
      const fields = [...planes!.matchAll(/(\w+)@(\d+):(\d+)/g)].map(
        ([, name, offset, bytes]) => [name!, [Number(offset), Number(bytes)]] as [string, [number, number]],
      );
      return [Number(number), { blockBytes: Number(blockBytes), fields: new Map(fields) }];
    }),
  );
}

function openPicture(png: Uint8Array): Picture {
  const bytes = Buffer.from(png);
  assert.equal(bytes.subarray(0, 8).toString('latin1'), '\x89PNG\r\n\x1a\n');
  const [width, height] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
  const read = pixelReader(bytes, width, height);
  const line = read(0, 4 * width);
  const superblock = Buffer.from(Array.from({ length: 48 }, (_, i) => line[Math.floor(i / 3) * 4 + (i % 3)]!));
  assert.equal(superblock.toString('latin1', 0, 4), 'PXLM');
  assert.equal(superblock.readUInt16LE(4), 1);
  assert.equal(superblock.readUInt32LE(44), crc32(superblock.subarray(0, 44)));
  assert.deepEqual([superblock.readUInt32LE(8), superblock.readUInt32LE(12)], [width, height]);
  assert.deepEqual([...line.subarray(64, 128)], CANARIES.trim().split(/\s+/).map(Number));
  assert.ok(line.subarray(128).every((sample) => sample === 0));
  const manifest = read(Number(superblock.readBigUInt64LE(16)), Number(superblock.readBigUInt64LE(24)));
  return { width, kind: superblock.readUInt16LE(6), manifest: JSON.parse(manifest.toString('utf8')), read };
}

/** Section 1: records at a constant stride if it is the mappable profile, else an ordinary PNG. */
function pixelReader(bytes: Buffer, width: number, height: number): Picture['read'] {
  const chunks: { type: string; at: number; data: Buffer }[] = [];
  for (let at = 8; at < bytes.length; at += 12 + bytes.readUInt32BE(at)) {
    const data = bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at));
    chunks.push({ type: bytes.toString('latin1', at + 4, at + 8), at, data });
  }
  const idat = chunks.filter(({ type }) => type === 'IDAT');
  const first = idat[0]!.at + 8 + 2 + 4;
  const stride = 4 * width + 48;
  const isRecord = (y: number) =>
    first + y * stride + 4 <= bytes.length && bytes.readUInt32BE(first + y * stride) === 4 * width + 36;
  if (idat[0]!.data.length !== 2 || !isRecord(1)) {
    const samples = unfilter(inflateSync(Buffer.concat(idat.map(({ data }) => data))), width, height);
    return (offset, length) => samples.subarray(offset, offset + length);
  }
  for (let y = 0; y < height; y++) {
    const record = bytes.subarray(first + y * stride, first + (y + 1) * stride);
    assert.equal(record.readUInt32BE(0), 4 * width + 36);
    assert.equal(record.toString('hex', 8, 38), '000000ffff'.repeat(6));
    assert.equal(record.readUInt32BE(stride - 4), crc32(record.subarray(4, stride - 4)));
    assert.equal((first + y * stride + 44) % 16, 0);
  }
  return (offset, length) => {
    const parts: Buffer[] = [];
    for (let at = offset; at < offset + length; ) {
      const y = Math.floor(at / (4 * width));
      const count = Math.min(offset + length - at, (y + 1) * 4 * width - at);
      const start = first + 44 + y * stride + (at - y * 4 * width);
      parts.push(bytes.subarray(start, start + count));
      at += count;
    }
    return Buffer.concat(parts);
  };
}

/** 8-bit RGBA without interlace, which is all this small reader decodes. */
function unfilter(data: Buffer, width: number, height: number): Buffer {
  const samples = Buffer.alloc(4 * width * height);
  for (let y = 0, from = 0; y < height; y++) {
    const filter = data[from++]!;
    for (let x = 0; x < 4 * width; x++, from++) {
      const at = y * 4 * width + x;
      const a = x < 4 ? 0 : samples[at - 4]!;
      const b = y === 0 ? 0 : samples[at - 4 * width]!;
      const c = x < 4 || y === 0 ? 0 : samples[at - 4 * width - 4]!;
      const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)] as const;
      const paeth = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
      samples[at] = data[from]! + [0, a, b, (a + b) >> 1, paeth][filter]!;
    }
  }
  return samples;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Sections 3 to 5: the GGUF file that a set of pictures stands for. */
function readModel(files: ReadonlyMap<string, Uint8Array>): Buffer {
  const types = readTypes();
  const pictures = [...files.values()].map(openPicture);
  pictures.sort((a, b) => a.manifest.set.index - b.manifest.set.index);
  const { manifest } = pictures[0]!;
  for (const [index, picture] of pictures.entries()) {
    assert.equal(picture.kind, 1);
    assert.deepEqual(picture.manifest.set, { id: manifest.set.id, index, count: pictures.length });
  }
  const run = ([file, line, x, byteLength]: Run) => pictures[file]!.read((line * manifest.width + x) * 4, byteLength);
  const file = Buffer.alloc(manifest.gguf.byteLength);
  const place = (position: number, bytes: Buffer, hash: string) => {
    assert.equal(sha256(bytes), hash);
    bytes.copy(file, position);
  };
  const { head, gaps } = manifest.gguf;
  for (const stored of [{ ...head, position: 0 }, ...gaps]) {
    place(stored.position, Buffer.concat(stored.runs.map(run)), stored.sha256);
  }
  for (const { type, position, sha256: hash, parts } of manifest.tensors) {
    const { blockBytes, fields } = types.get(type[1]) ?? { blockBytes: 1, fields: new Map([['raw', [0, 1]]]) };
    const rows = parts.map((part) => {
      const planes = part.planes.map(([field, ...where]) => ({
        field: fields.get(field)!,
        plane: run([part.file, ...where]),
      }));
      const blocks = Buffer.alloc((planes[0]!.plane.length / planes[0]!.field[1]!) * blockBytes);
      for (const { field, plane } of planes) {
        const [offset, bytes] = field as [number, number];
        for (let i = 0; i < plane.length; i++)
          blocks[Math.floor(i / bytes) * blockBytes + offset + (i % bytes)] = plane[i]!;
      }
      return blocks;
    });
    place(position, Buffer.concat(rows), hash);
  }
  return file;
}

/** Section 3, kind `bytes`. */
function readFile(png: Uint8Array): { name: string; bytes: Buffer } {
  const { kind, manifest, read } = openPicture(png);
  assert.equal(kind, 0);
  const bytes = read(manifest.data.offset, manifest.data.byteLength);
  assert.equal(sha256(bytes), manifest.sha256);
  return { name: manifest.name, bytes };
}

// ---- what it must read ----

test('the page lists every type of the table, with the same planes', async () => {
  const { TENSOR_TYPES } = await import('../src/gguf/tensor-types.ts');
  const types = readTypes();
  assert.equal(types.size, TENSOR_TYPES.length);
  for (const { id, blockBytes, fields } of TENSOR_TYPES) {
    assert.equal(types.get(id)?.blockBytes, blockBytes);
    assert.deepEqual(
      [...types.get(id)!.fields],
      fields.map(({ name, offset, bytes }) => [name, [offset, bytes]]),
    );
  }
});

test('a model of every type, in one picture and in several', async () => {
  const file = gguf({}, [...everyType(), ...smallModel()]);
  for (const shardSize of [undefined, 700_000]) {
    const files = await toPictures(file, { shardSize });
    assert.equal(files.size > 1, shardSize !== undefined);
    assert.ok(readModel(files).equals(file));
  }
});

test('a model with gaps, a tail and an unknown type', async () => {
  const type = { name: 'type-77', id: 77, blockElements: 1, blockBytes: 1, fields: [] };
  const file = oddGguf([...smallModel(), { name: 'odd', type, dimensions: [9], byteLength: 6400 }], {
    gap: 64,
    padding: 9,
    tail: noise(70_000),
  });
  assert.ok(readModel(await toPictures(file, { shardSize: 150_000 })).equals(file));
});

test('a model that another program compressed anew', async () => {
  const file = gguf({}, smallModel());
  const [png] = (await toPictures(file)).values();
  const compressed = encodePng(rasterOf(png!), { filter: (line) => line % 5 });
  assert.ok(readModel(new Map([['m', compressed]])).equals(file));
});

test('any file as a picture', async () => {
  const bytes = noise(100_000);
  for (const compress of [false, true]) {
    const read = readFile(await makeFile(bytes, { name: 'noise.bin', compress }));
    assert.equal(read.name, 'noise.bin');
    assert.ok(read.bytes.equals(bytes));
  }
});

goldenTest('real models and vocabularies', async () => {
  const names = [
    'models/TinyStories-656K-Q8_0.gguf',
    'models/random-qwen3-Q4_K.gguf',
    'tokenizer/ggml-vocab-phi-3.gguf',
  ];
  assert.ok(readdirSync(golden('models')).length > 0);
  for (const name of names) {
    const file = readFileSync(golden(name));
    assert.ok(readModel(await toPictures(file)).equals(file), name);
  }
});
