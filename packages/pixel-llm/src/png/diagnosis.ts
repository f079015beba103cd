/**
 * Says in one sentence what happened to a picture whose line 0 is no longer as it was written, and what to do.
 * The superblock's colours are opaque, so they outlive what is done to transparency; the canaries after it have known
 * colours at alphas from 0 to 255, so they show it.
 */
import type { ByteSource, ReadOptions } from '../core/byte-source.ts';
import { isPixelError, PixelError } from '../core/errors.ts';
import { diagnoseCanaries, resemblesOpening } from './canaries.ts';
import type { PngHeader } from './chunks.ts';
import { decodeLines } from './decode-lines.ts';
import { type FoundSuperblock, findSuperblock } from './find-superblock.ts';
import type { Superblock } from './picture.ts';
import type { PngLayout } from './png-layout.ts';
import { CANARIES, isPictureWidth, isSuperblock, SUPERBLOCK_PIXELS, superblockBytes } from './superblock.ts';

/** A picture up to this many bytes is decoded whole, to look for its superblock elsewhere. */
const SEARCHED_BYTES = 268_435_456;

const ADVICE = 'the data are lost: get the original file, and send it as a file, not as a picture';
const REVERSIBLE = 'undo that, or get the original file';

/** The error for a picture whose line 0, decoded to RGBA, is not intact. */
export async function diagnosePicture(
  source: ByteSource,
  layout: PngLayout,
  line: Uint8Array,
  options?: ReadOptions,
): Promise<PixelError> {
  const found = diagnoseLine(line);
  if (found) return new PixelError('damaged-picture', `${source.name}: ${found}.`);
  const elsewhere = await searchPicture(source, layout, options);
  if (elsewhere)
    return new PixelError('damaged-picture', `${source.name}: ${describePlace(elsewhere, layout.header)}.`);
  const { width, height } = layout.header;
  if (layout.hasHint || resemblesOpening(line) === 'resampled') {
    return new PixelError(
      'damaged-picture',
      `${source.name}: it was a picture of this project, but what its first line said is gone (it is ${width} x ${height} pixels now): it was resized, cropped at the top or left, or painted over; ${ADVICE}.`,
    );
  }
  const size = isPictureWidth(width) ? '' : ` (no picture of this project is ${width} pixels wide)`;
  return new PixelError(
    'unknown-format',
    `${source.name} is a PNG, but its first line does not say that it holds data${size}: it is an ordinary picture, or it was cropped or resized; get the original file.`,
  );
}

/** The error for a picture whose superblock is intact but tells of another size. */
export function diagnoseDimensions(name: string, { width, height }: PngHeader, superblock: Superblock): PixelError {
  const was = `${superblock.width} x ${superblock.height}`;
  const less = width < superblock.width || height < superblock.height;
  const where =
    width === superblock.width ? 'at the bottom' : height === superblock.height ? 'at the right' : 'at its edges';
  return new PixelError(
    'damaged-picture',
    `${name}: it was ${less ? 'cropped' : 'extended'} ${where}, from ${was} to ${width} x ${height} pixels; get the original file.`,
  );
}

/** What line 0 alone can tell; undefined if nothing. */
function diagnoseLine(line: Uint8Array): string | undefined {
  if (isSuperblock(superblockBytes(line))) return diagnoseCanaries(line);
  return (
    diagnoseChannels(line) ??
    diagnoseScale(line) ??
    {
      grey: `its colours were turned to grey; ${ADVICE}`,
      flat: `its colours are close to what was written but not exact, and its transparency was removed: it went through a lossy format such as JPEG; ${ADVICE}`,
      close: `its colours are close to what was written but not exact: a colour profile or gamma was applied, colours were reduced to a palette, it was brightened, blurred or stored with loss; ${ADVICE}`,
      resampled: undefined,
      no: undefined,
    }[resemblesOpening(line)]
  );
}

const CHANNEL_NAMES = ['red', 'green', 'blue', 'alpha'];

/** Channels in another order, or inverted. */
function diagnoseChannels(line: Uint8Array): string | undefined {
  if (isSuperblock(superblockBytes(line.map((sample) => 255 - sample)))) {
    return `its colours were inverted; ${REVERSIBLE}`;
  }
  for (const order of channelOrders()) {
    const swapped = line.map((_, index) => line[(index & ~3) + order[index & 3]!]!);
    if (!isSuperblock(superblockBytes(swapped))) continue;
    const moved = CHANNEL_NAMES.filter((_, channel) => order[channel] !== channel);
    return `its colour channels were swapped (${moved.join(', ')}); ${REVERSIBLE}`;
  }
  return undefined;
}

/** All orders of four channels. */
function channelOrders(): number[][] {
  const orders: number[][] = [];
  for (let code = 0; code < 256; code++) {
    const order = [code & 3, (code >> 2) & 3, (code >> 4) & 3, code >> 6];
    if (new Set(order).size === 4) orders.push(order);
  }
  return orders;
}

/** Enlarged or reduced by a whole number without interpolation. */
function diagnoseScale(line: Uint8Array): string | undefined {
  for (let factor = 2; factor <= 16; factor++) {
    if (isSuperblock(superblockBytes(pixelsAt(line, (x) => x * factor)))) {
      return `it was enlarged ${factor} times; get the original file`;
    }
    for (let start = 0; start < factor && factor <= 4; start++) {
      if (matchesReducedCanaries(line, factor, start)) return `it was reduced to 1/${factor} of its size; ${ADVICE}`;
    }
  }
  return undefined;
}

function pixelsAt(line: Uint8Array, place: (x: number) => number): Uint8Array {
  const pixels = new Uint8Array(SUPERBLOCK_PIXELS * 4);
  for (let x = 0; x < SUPERBLOCK_PIXELS; x++) pixels.set(line.subarray(place(x) * 4, place(x) * 4 + 4), x * 4);
  return pixels;
}

function matchesReducedCanaries(line: Uint8Array, factor: number, start: number): boolean {
  for (let x = 0; x * factor + start < SUPERBLOCK_PIXELS + CANARIES.length / 4; x++) {
    const canary = (x * factor + start - SUPERBLOCK_PIXELS) * 4;
    if (canary < 0) continue;
    for (let channel = 0; channel < 4; channel++) {
      if (line[x * 4 + channel] !== CANARIES[canary + channel]) return false;
    }
  }
  return true;
}

async function searchPicture(
  source: ByteSource,
  layout: PngLayout,
  options?: ReadOptions,
): Promise<FoundSuperblock | undefined> {
  const { width, height } = layout.header;
  if (4 * width * height > SEARCHED_BYTES) return undefined;
  const pixels = new Uint8Array(4 * width * height);
  try {
    let at = 0;
    for await (const line of decodeLines(source, layout, options)) {
      pixels.set(line, at);
      at += line.length;
    }
  } catch (error) {
    if (!isPixelError(error) || error.code === 'aborted') throw error;
    return undefined;
  }
  return findSuperblock(pixels, width, height);
}

function describePlace({ x, y, stepX, stepY }: FoundSuperblock, { width, height }: PngHeader): string {
  const right = width - 1;
  const bottom = height - 1;
  const turned: readonly (readonly [number, number, number, number, string])[] = [
    [0, bottom, 1, 0, 'turned upside down (flipped)'],
    [right, 0, -1, 0, 'mirrored'],
    [right, bottom, -1, 0, 'rotated by 180 degrees'],
    [right, 0, 0, 1, 'rotated by 90 degrees to the right'],
    [0, bottom, 0, -1, 'rotated by 90 degrees to the left'],
    [0, 0, 0, 1, 'mirrored along its diagonal'],
    [right, bottom, 0, -1, 'mirrored along its diagonal'],
  ];
  const match = turned.find(([atX, atY, dx, dy]) => atX === x && atY === y && dx === stepX && dy === stepY);
  if (match) return `it was ${match[4]}; ${REVERSIBLE}`;
  return `its first line starts at x = ${x}, y = ${y} now: pixels were shifted, or a border was added; get the original file`;
}
