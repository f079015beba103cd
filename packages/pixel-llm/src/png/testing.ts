/**
 * For tests only: a PNG encoder that shares no code with the writer (any colour type, depth, filter and interlacing), and
 * pictures to try things on.
 */
import { spawnSync } from 'node:child_process';
import { crc32, deflateSync, inflateSync } from 'node:zlib';
import { MemoryByteSink } from '../core/byte-sink.ts';
import type { PictureKind } from './picture.ts';
import { createPictureWriter } from './picture-writer.ts';
import { writePixelFs } from './pixelfs-writer.ts';

/** 8-bit RGBA, line after line. */
export interface Raster {
  width: number;
  height: number;
  rgba: Uint8Array<ArrayBuffer>;
}

export interface EncodeOptions {
  /** 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGBA. */
  colourType?: 0 | 2 | 3 | 4 | 6;
  bitDepth?: 1 | 2 | 4 | 8 | 16;
  interlaced?: boolean;
  /** Filter of each line, by its number within the pass. */
  filter?: (line: number) => number;
  /** Data bytes of each IDAT chunk; 0 puts an empty one first. */
  chunkBytes?: number;
  level?: number;
  /** R, G, B of each palette entry, and its alpha. */
  palette?: readonly (readonly [number, number, number, number])[];
  /** tRNS of grey and RGB: the samples of the transparent colour. */
  transparent?: readonly number[];
  /** Chunks put before the image data. */
  chunks?: readonly Uint8Array[];
}

const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 } as const;
const ADAM7 = ['0 0 8 8', '4 0 8 8', '0 4 4 8', '2 0 4 4', '0 2 2 4', '1 0 2 2', '0 1 1 2'];

/** Encodes a raster whose pixels the colour type and depth can hold. */
export function encodePng(raster: Raster, options: EncodeOptions = {}): Uint8Array<ArrayBuffer> {
  const { colourType = 6, bitDepth = 8, interlaced = false, chunkBytes = 65_536, palette, transparent } = options;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(raster.width, 0);
  header.writeUInt32BE(raster.height, 4);
  header.set([bitDepth, colourType, 0, 0, interlaced ? 1 : 0], 8);
  const data = deflateSync(filteredBytes(raster, options), { level: options.level ?? 1 });
  const parts = [Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', header), ...(options.chunks ?? [])];
  if (palette) {
    parts.push(chunk('PLTE', Uint8Array.from(palette.flatMap((entry) => entry.slice(0, 3)))));
    parts.push(
      chunk(
        'tRNS',
        Uint8Array.from(palette, ([, , , alpha]) => alpha),
      ),
    );
  }
  if (transparent)
    parts.push(chunk('tRNS', Uint8Array.from(transparent.flatMap((value) => [value >> 8, value & 255]))));
  if (chunkBytes === 0) parts.push(chunk('IDAT', new Uint8Array(0)));
  const step = chunkBytes || data.length;
  for (let at = 0; at < data.length; at += step) parts.push(chunk('IDAT', data.subarray(at, at + step)));
  parts.push(chunk('IEND', new Uint8Array(0)));
  return new Uint8Array(Buffer.concat(parts));
}

export function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(data.length + 12);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, 'latin1');
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, data.length + 8)), data.length + 8);
  return bytes;
}

function filteredBytes(raster: Raster, options: EncodeOptions): Uint8Array {
  const { interlaced = false, colourType = 6, bitDepth = 8, filter = () => 0 } = options;
  const bits = CHANNELS[colourType] * bitDepth;
  const pixelBytes = Math.max(1, bits / 8);
  const passes = interlaced ? ADAM7 : ['0 0 1 1'];
  const lines: Uint8Array[] = [];
  for (const pass of passes) {
    const [x0, y0, stepX, stepY] = pass.split(' ').map(Number) as [number, number, number, number];
    const width = Math.ceil((raster.width - x0) / stepX);
    if (width <= 0) continue;
    let above: Uint8Array = new Uint8Array(Math.ceil((width * bits) / 8));
    for (let y = y0, number = 0; y < raster.height; y += stepY, number++) {
      const line = packLine(raster, options, y, x0, stepX, width);
      const kind = filter(number);
      const filtered = line.map((value, i) => {
        const a = line[i - pixelBytes] ?? 0;
        const b = above[i]!;
        const c = above[i - pixelBytes] ?? 0;
        return value - [0, a, b, (a + b) >> 1, paeth(a, b, c)][kind]!;
      });
      lines.push(Uint8Array.of(kind), filtered);
      above = line;
    }
  }
  return Buffer.concat(lines);
}

function paeth(a: number, b: number, c: number): number {
  const [pa, pb, pc] = [a, b, c].map((value) => Math.abs(a + b - c - value)) as [number, number, number];
  if (pa <= pb && pa <= pc) return a;
  return pb <= pc ? b : c;
}

/** The samples of one line, most significant bits first. */
function packLine(
  { width, rgba }: Raster,
  { colourType = 6, bitDepth = 8, palette = [] }: EncodeOptions,
  y: number,
  x0: number,
  stepX: number,
  count: number,
): Uint8Array {
  const samples: number[] = [];
  for (let i = 0; i < count; i++) {
    const at = (y * width + x0 + i * stepX) * 4;
    const [r, g, b, a] = rgba.subarray(at, at + 4) as unknown as [number, number, number, number];
    const scaled = [r, g, b, a].map((value) => Math.round((value * (2 ** bitDepth - 1)) / 255));
    if (colourType === 3) samples.push(palette.findIndex((entry) => entry.join() === [r, g, b, a].join()));
    else if (colourType === 0) samples.push(scaled[0]!);
    else if (colourType === 4) samples.push(scaled[0]!, scaled[3]!);
    else samples.push(...scaled.slice(0, CHANNELS[colourType]));
  }
  const line = new Uint8Array(Math.ceil((samples.length * bitDepth) / 8));
  samples.forEach((sample, index) => {
    if (bitDepth === 16) line.set([sample >> 8, sample & 255], index * 2);
    else line[(index * bitDepth) >> 3]! |= sample << (8 - bitDepth - ((index * bitDepth) & 7));
  });
  return line;
}

/** The raster of an 8-bit RGBA PNG without filters: what the project's own writer makes. */
export function rasterOf(png: Uint8Array): Raster {
  const view = Buffer.from(png.buffer, png.byteOffset, png.length);
  const [width, height] = [view.readUInt32BE(16), view.readUInt32BE(20)];
  const data: Uint8Array[] = [];
  for (let at = 8; at < png.length; at += 12 + view.readUInt32BE(at)) {
    if (view.toString('latin1', at + 4, at + 8) === 'IDAT')
      data.push(view.subarray(at + 8, at + 8 + view.readUInt32BE(at)));
  }
  const lines = inflateSync(Buffer.concat(data));
  const rgba = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++) {
    if (lines[y * (4 * width + 1)] !== 0) throw new Error(`line ${y} is filtered`);
    rgba.set(lines.subarray(y * (4 * width + 1) + 1, (y + 1) * (4 * width + 1)), y * width * 4);
  }
  return { width, height, rgba };
}

/** The file with the CRCs of its chunks made right, as far as it has chunks. */
export function mendChunks(png: Uint8Array): Uint8Array {
  const bytes = Buffer.from(png);
  for (let at = 8; at + 12 <= bytes.length; ) {
    const end = at + 8 + bytes.readUInt32BE(at);
    if (end + 4 > bytes.length) break;
    bytes.writeUInt32BE(crc32(bytes.subarray(at + 4, end)), end);
    at = end + 4;
  }
  return bytes;
}

/** ImageMagick's command, if it is installed: other programs are called `convert`, too. */
export function imageMagick(): string | undefined {
  const names = ['magick', 'convert-im6.q16', 'convert'];
  return names.find((name) => spawnSync(name, ['-version'], { encoding: 'utf8' }).stdout?.includes('ImageMagick'));
}

/** The command pngcheck, if it is installed. */
export function pngChecker(): string | undefined {
  return spawnSync('pngcheck', ['-h']).error === undefined ? 'pngcheck' : undefined;
}

/** Why a test is skipped that needs these programs; where REQUIRE_IMAGE_TOOLS is set, it is not skipped, and fails. */
export function skipWithout(...tools: readonly (string | undefined)[]): string | false {
  if (process.env.REQUIRE_IMAGE_TOOLS || tools.every((tool) => tool !== undefined)) return false;
  return 'NOT CHECKED: ImageMagick or pngcheck is not installed here';
}

/** Reproducible bytes without pattern. */
export function noise(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = seed | 1;
  for (let i = 0; i < length; i++) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** A picture that holds these bytes from line 1 on. */
export async function makePicture(
  bytes: Uint8Array,
  { width = 64, kind = 'bytes', compress = false }: { width?: number; kind?: PictureKind; compress?: boolean } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const sink = new MemoryByteSink();
  const writer = await createPictureWriter(sink, { width, kind, compress });
  await writer.append([bytes]);
  await writer.finish(new TextEncoder().encode('{"test":true}'));
  return sink.result();
}

/** The bytes as PixelFS puts them. */
export async function makeFile(
  bytes: Uint8Array,
  options: { name?: string; width?: number; compress?: boolean } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const sink = new MemoryByteSink();
  await writePixelFs(sink, bytes, options);
  return sink.result();
}
