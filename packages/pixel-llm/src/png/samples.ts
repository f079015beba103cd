/**
 * From a PNG's own samples to 8-bit RGBA: any colour type and bit depth that can hold the same pixels
 * (PNG specification, sections 6, 11.3.2 and 13.12).
 */
import { PixelError } from '../core/errors.ts';
import type { PngLayout } from './png-layout.ts';

/** Writes `pixels` pixels of an unfiltered line to `rgba`, `step` pixels apart. Throws `damaged-picture`. */
export type ConvertLine = (line: Uint8Array, pixels: number, rgba: Uint8Array, step: number) => void;

const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

export function bitsAPixel({ header }: PngLayout): number {
  return CHANNELS[header.colourType]! * header.bitDepth;
}

/** The conversion for this picture's colour type and depth. */
export function lineConverter(layout: PngLayout, name: string): ConvertLine {
  const { colourType, bitDepth } = layout.header;
  if (colourType === 6 && bitDepth === 8) return copyPixels;
  const channels = CHANNELS[colourType]!;
  const readSample = sampleReader(bitDepth, name);
  const toPixel = pixelMaker(layout, name);
  const samples = new Uint16Array(channels);
  return (line, pixels, rgba, step) => {
    for (let pixel = 0, at = 0; pixel < pixels; pixel++, at += 4 * step) {
      for (let channel = 0; channel < channels; channel++)
        samples[channel] = readSample(line, pixel * channels + channel);
      toPixel(samples, rgba, at);
    }
  };
}

function copyPixels(line: Uint8Array, pixels: number, rgba: Uint8Array, step: number): void {
  if (step === 1) {
    rgba.set(line.subarray(0, pixels * 4));
    return;
  }
  for (let pixel = 0; pixel < pixels; pixel++) {
    for (let channel = 0; channel < 4; channel++) rgba[pixel * step * 4 + channel] = line[pixel * 4 + channel]!;
  }
}

/** The n-th sample of a line, as stored. */
function sampleReader(bitDepth: number, name: string): (line: Uint8Array, index: number) => number {
  if (bitDepth === 8) return (line, index) => line[index]!;
  if (bitDepth === 16) {
    return (line, index) => {
      const high = line[index * 2]!;
      if (line[index * 2 + 1] !== high) throw changedDepth(name);
      return high * 257;
    };
  }
  const perByte = 8 / bitDepth;
  const mask = (1 << bitDepth) - 1;
  return (line, index) => (line[Math.floor(index / perByte)]! >> (8 - bitDepth * ((index % perByte) + 1))) & mask;
}

function changedDepth(name: string): PixelError {
  return new PixelError(
    'damaged-picture',
    `${name} was converted to 16 bits a channel and its colours were changed: get the original, which has 8.`,
  );
}

type MakePixel = (samples: Uint16Array, rgba: Uint8Array, at: number) => void;

function pixelMaker({ header, palette, transparency }: PngLayout, name: string): MakePixel {
  const { colourType, bitDepth } = header;
  const scale = 255 / (2 ** bitDepth - 1);
  const key = transparentColour(transparency);
  switch (colourType) {
    case 0:
      return ([grey], rgba, at) =>
        put(rgba, at, grey! * scale, grey! * scale, grey! * scale, key?.[0] === grey ? 0 : 255);
    case 2:
      return ([r, g, b], rgba, at) => {
        const hidden = key !== undefined && key[0] === r && key[1] === g && key[2] === b;
        put(rgba, at, r! * scale, g! * scale, b! * scale, hidden ? 0 : 255);
      };
    case 3:
      return ([entry], rgba, at) => {
        const i = entry! * 3;
        if (!palette || i >= palette.length) throw outsidePalette(name);
        put(rgba, at, palette[i]!, palette[i + 1]!, palette[i + 2]!, transparency?.[entry!] ?? 255);
      };
    case 4:
      return ([grey, a], rgba, at) => put(rgba, at, grey! * scale, grey! * scale, grey! * scale, a! * scale);
    default:
      return ([r, g, b, a], rgba, at) => put(rgba, at, r! * scale, g! * scale, b! * scale, a! * scale);
  }
}

/** tRNS of a picture without palette: the one colour that is transparent, a 16-bit number a channel. */
function transparentColour(transparency: Uint8Array | undefined): readonly number[] | undefined {
  if (!transparency) return undefined;
  return [0, 2, 4].map((at) => (transparency[at] ?? 0) * 256 + (transparency[at + 1] ?? 0));
}

function put(rgba: Uint8Array, at: number, r: number, g: number, b: number, a: number): void {
  rgba[at] = r;
  rgba[at + 1] = g;
  rgba[at + 2] = b;
  rgba[at + 3] = a;
}

function outsidePalette(name: string): PixelError {
  return new PixelError(
    'damaged-picture',
    `${name}: a pixel names a colour that its palette does not have: fetch it again.`,
  );
}
