/**
 * A picture as a reader and a writer see it: pixels addressed by their raster byte offset, whatever PNG lies beneath.
 * PixelFS and PXI-LLM both stand on this; nothing above png/ knows chunks, filters or deflate.
 */
import type { ReadOptions } from '../core/byte-source.ts';
import type { WorkOptions } from '../core/progress.ts';

/** What a picture of this project holds; the superblock says it. */
export type PictureKind = 'bytes' | 'model' | 'adapter' | 'checkpoint' | 'conversation' | 'heatmap';

/** A run of bytes in the raster of one picture. `offset` = (y x width + x) x 4. */
interface PixelRun {
  readonly offset: number;
  readonly byteLength: number;
}

/** What line 0 says. */
export interface Superblock {
  readonly formatVersion: number;
  readonly kind: PictureKind;
  readonly width: number;
  readonly height: number;
  readonly manifest: PixelRun;
}

export interface LineDamage {
  /** Pixel line (y), or -1 for a part of the file that belongs to no line. */
  readonly line: number;
  /** What is wrong, one sentence. */
  readonly message: string;
}

/** An open picture. */
export interface Picture {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  /** `mappable`: pixels are read where they lie. `decoded`: another program wrote the PNG again; it is inflated first. */
  readonly access: 'mappable' | 'decoded';
  readonly superblock: Superblock;
  /** Fills the targets, one after the other, with raster bytes from `offset` on. */
  readPixels(offset: number, targets: readonly Uint8Array[], options?: ReadOptions): Promise<void>;
  /** Checks every line's CRC and the file's frame; an empty answer means sound. */
  verify(options?: WorkOptions): Promise<readonly LineDamage[]>;
  /** Closes the source too; harmless twice. */
  dispose(): Promise<void>;
}

/** Writes a picture from top to bottom in constant memory. Line 0 belongs to the superblock; bytes start at line 1. */
export interface PictureWriter {
  readonly width: number;
  /** Raster byte offset at which the next appended byte will lie. */
  readonly offset: number;
  /** Appends raster bytes at `offset`. The memory may be reused once the promise resolves. */
  append(chunks: readonly Uint8Array[]): Promise<void>;
  /** Appends zeros until `offset` is a multiple of `bytes` (a line: 4 x width; a step of small planes: 256). */
  align(bytes: number): Promise<void>;
  /** Appends the manifest on a line of its own, completes the picture and commits the sink. Returns what line 0 says. */
  finish(manifest: Uint8Array): Promise<Superblock>;
  /** Gives up; the sink is aborted. Harmless after `finish` and twice. */
  abort(): Promise<void>;
}
