/** The five line filters of PNG, undone in place (PNG specification, section 9). */
import { PixelError } from '../core/errors.ts';

/**
 * Undoes `filter` on `line`; `above` is the line before it, already unfiltered (zeros for the first one), and
 * `pixelBytes` the bytes of a whole pixel, at least 1. Throws `damaged-picture` for a filter that does not exist.
 */
export function unfilterLine(filter: number, line: Uint8Array, above: Uint8Array, pixelBytes: number): void {
  const length = line.length;
  if (filter === 0) return;
  if (filter === 1) {
    for (let i = pixelBytes; i < length; i++) line[i] = line[i]! + line[i - pixelBytes]!;
  } else if (filter === 2) {
    for (let i = 0; i < length; i++) line[i] = line[i]! + above[i]!;
  } else if (filter === 3) {
    for (let i = 0; i < pixelBytes && i < length; i++) line[i] = line[i]! + (above[i]! >> 1);
    for (let i = pixelBytes; i < length; i++) line[i] = line[i]! + ((line[i - pixelBytes]! + above[i]!) >> 1);
  } else if (filter === 4) {
    unfilterPaeth(line, above, pixelBytes);
  } else {
    throw new PixelError(
      'damaged-picture',
      `A line has filter ${filter}, which does not exist: its bits were changed; fetch the file again.`,
    );
  }
}

function unfilterPaeth(line: Uint8Array, above: Uint8Array, pixelBytes: number): void {
  const length = line.length;
  for (let i = 0; i < pixelBytes && i < length; i++) line[i] = line[i]! + above[i]!;
  for (let i = pixelBytes; i < length; i++) {
    const a = line[i - pixelBytes]!;
    const b = above[i]!;
    const c = above[i - pixelBytes]!;
    const pa = Math.abs(b - c);
    const pb = Math.abs(a - c);
    const pc = Math.abs(a + b - c - c);
    line[i] = line[i]! + (pa <= pb && pa <= pc ? a : pb <= pc ? b : c);
  }
}
