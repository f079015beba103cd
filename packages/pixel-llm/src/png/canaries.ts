/**
 * What the canary pixels of line 0 tell. Their colours and alphas are known, so each way of changing a picture leaves its
 * own mark on them.
 */
import { CANARIES, SUPERBLOCK_MAGIC, SUPERBLOCK_PIXELS } from './superblock.ts';

const ADVICE = 'the data are lost: get the original file, and send it as a file, not as a picture';

interface Canary {
  /** As written. */
  readonly was: Uint8Array;
  /** As found. */
  readonly is: Uint8Array;
}

/** What happened to a line whose superblock is intact but which as a whole is not. */
export function diagnoseCanaries(line: Uint8Array): string {
  const canaries = readCanaries(line);
  const changed = canaries.filter(({ was, is }) => was.some((sample, channel) => is[channel] !== sample));
  const opaque = superblockIsOpaque(line);
  if (opaque && canaries.every(({ is }) => is[3] === 255))
    return `its transparency was removed (alpha flattened); ${ADVICE}`;
  if (changed.length > 0 && opaque) {
    if (changed.every(({ was, is }) => was[3] === 0 && is[3] === 0)) {
      return `the colours of its fully transparent pixels were erased, as optimizers do that "clean" transparency; ${ADVICE}`;
    }
    if (canaries.every(isPremultiplied)) return `its colours were multiplied by their alpha (premultiplied); ${ADVICE}`;
    if (canaries.every(wasPremultiplied)) {
      return `its colours went through premultiplied alpha and back, as a canvas or an image editor does; ${ADVICE}`;
    }
  }
  if (canaries.every(({ was, is }) => is[3] === 255 - was[3]!))
    return `its alpha was inverted; undo that, or get the original file`;
  if (canaries.every(({ was, is }) => [0, 1, 2].every((channel) => was[channel] === is[channel]))) {
    return `its transparency was changed; ${ADVICE}`;
  }
  return `some of its pixels were changed while others are exact: it was edited, or stored with loss; ${ADVICE}`;
}

/** How much the first 32 pixels are like a picture's opening. */
export function resemblesOpening(line: Uint8Array): 'grey' | 'flat' | 'close' | 'resampled' | 'no' {
  const magic = line.subarray(0, 8);
  const known = [
    { was: Uint8Array.of(...SUPERBLOCK_MAGIC.slice(0, 3), 255), is: magic.subarray(0, 4) },
    ...readCanaries(line).filter(({ was }) => was[3]! >= 128),
  ];
  if (known.every(({ is }) => is[0] === is[1] && is[1] === is[2]) && meanDistance(known, greyOf) < 40) return 'grey';
  // A background may shine through what was half transparent, so only these count once alpha is gone.
  const flat = readCanaries(line).every(({ is }) => is[3] === 255);
  if (meanDistance(known, (was) => was) < 45) return flat ? 'flat' : 'close';
  const alphas = readCanaries(line).map(({ is }) => is[3]!);
  const rising = alphas.every((alpha, index) => index === 0 || alpha >= alphas[index - 1]!);
  return rising && alphas[0]! < 16 && alphas[15] === 255 ? 'resampled' : 'no';
}

function readCanaries(line: Uint8Array): Canary[] {
  return Array.from({ length: CANARIES.length / 4 }, (_, index) => {
    const at = (SUPERBLOCK_PIXELS + index) * 4;
    return { was: CANARIES.subarray(index * 4, index * 4 + 4), is: padded(line.subarray(at, at + 4)) };
  });
}

/** A picture may have become narrower than its opening. */
function padded(pixel: Uint8Array): Uint8Array {
  if (pixel.length === 4) return pixel;
  const whole = new Uint8Array(4);
  whole.set(pixel);
  return whole;
}

function superblockIsOpaque(line: Uint8Array): boolean {
  for (let pixel = 0; pixel < SUPERBLOCK_PIXELS; pixel++) if (line[pixel * 4 + 3] !== 255) return false;
  return true;
}

/** c x a / 255, rounded either way. */
function isPremultiplied({ was, is }: Canary): boolean {
  const alpha = was[3]!;
  return is[3] === alpha && [0, 1, 2].every((channel) => Math.abs(is[channel]! - (was[channel]! * alpha) / 255) <= 1);
}

/** Back from premultiplied: off by at most what the rounding of c x a / 255 loses. */
function wasPremultiplied({ was, is }: Canary): boolean {
  const alpha = was[3]!;
  if (is[3] !== alpha) return false;
  if (alpha === 0) return true;
  return [0, 1, 2].every((channel) => Math.abs(is[channel]! - was[channel]!) <= 255 / alpha + 1);
}

function greyOf(was: Uint8Array): Uint8Array {
  const grey = Math.round(0.299 * was[0]! + 0.587 * was[1]! + 0.114 * was[2]!);
  return Uint8Array.of(grey, grey, grey);
}

/** Mean distance of the colours from what they should be. */
function meanDistance(canaries: readonly Canary[], expected: (was: Uint8Array) => Uint8Array): number {
  let sum = 0;
  for (const { was, is } of canaries) {
    const should = expected(was);
    for (let channel = 0; channel < 3; channel++) sum += Math.abs(is[channel]! - should[channel]!);
  }
  return sum / (canaries.length * 3);
}
