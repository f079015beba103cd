/** For tests only: the plainest map there can be, one Map from coordinates to samples, and temporary folders. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Rectangle } from '../pxi/weight-space.ts';

/** Samples by "x,y,sample" for the ground ("") and each overlay. */
export class PlainMap {
  readonly sheets: Map<string, Map<string, number>> = new Map([['', new Map()]]);

  write({ x, y, width, height }: Rectangle, pixels: Uint8Array, overlay = ''): void {
    const sheet = this.sheets.get(overlay) ?? new Map<string, number>();
    this.sheets.set(overlay, sheet);
    for (let at = 0; at < width * height * 4; at++) {
      const pixel = at >> 2;
      sheet.set(`${x + (pixel % width)},${y + Math.floor(pixel / width)},${at & 3}`, pixels[at] ?? 0);
    }
  }

  read({ x, y, width, height }: Rectangle, overlays: readonly string[] = []): Uint8Array<ArrayBuffer> {
    const sheets = ['', ...overlays].map((name) => this.sheets.get(name));
    return Uint8Array.from({ length: width * height * 4 }, (_, at) => {
      const key = `${x + ((at >> 2) % width)},${y + Math.floor((at >> 2) / width)},${at & 3}`;
      return sheets.findLast((sheet) => sheet?.has(key))?.get(key) ?? 0;
    });
  }
}

/** A folder that is removed at the end of its scope. */
export function temporaryFolder(): { readonly path: string; file(name: string): string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), 'pixel-llm-map-'));
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** Bytes that differ from place to place: the same seed gives the same. */
export function patternBytes(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = (seed * 2654435761 + 1) >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
