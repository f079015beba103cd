/**
 * A model as the bytes of its GGUF file, whatever holds them: GGUF files, pictures, or a model requantized on the way.
 * Conversion is one step from any of these to any output.
 */
import type { ReadOptions } from '../../core/byte-source.ts';
import { PixelError } from '../../core/errors.ts';
import type { Metadata } from '../../gguf/head.ts';
import type { GgufTensor } from '../../gguf/tensor-directory.ts';
import type { ModelKind } from '../manifest.ts';

/** Bytes that belong to no tensor and are not all zero: [position, position + byteLength) of the GGUF file. */
export interface ContentGap {
  readonly position: number;
  readonly byteLength: number;
  /** As of ContentTensor. */
  readonly sha256?: string;
}

export interface ContentTensor extends GgufTensor {
  /** SHA-256 of its bytes, where it is known beforehand: what is read is checked against it. */
  readonly sha256?: string;
}

export interface ModelContent {
  /** Default: `model`. */
  readonly kind?: ModelKind;
  /** What to call it in messages. */
  readonly name: string;
  /** The GGUF file's bytes before the first tensor. */
  readonly headBytes: Uint8Array;
  /** What the head says. */
  readonly metadata: Metadata;
  /** Length of the whole GGUF file. */
  readonly byteLength: number;
  /** In directory order. */
  readonly tensors: readonly ContentTensor[];
  /** In file order; every other byte between and after tensors is zero. */
  readonly gaps: readonly ContentGap[];
  /**
   * Fills `target` with a tensor's ggml bytes from block `firstBlock` on. Callers begin at multiples of 256 weights and read
   * multiples of 256 weights, or up to the end: so every type's blocks can be made of every other's.
   */
  readBlocks(tensor: ContentTensor, firstBlock: number, target: Uint8Array, options?: ReadOptions): Promise<void>;
  /** Fills `target` with a gap's bytes from `start` on. */
  readGap(gap: ContentGap, start: number, target: Uint8Array, options?: ReadOptions): Promise<void>;
  /** Closes what was opened; harmless twice. */
  dispose(): Promise<void>;
}

/** Throws `damaged-picture` when the SHA-256 of a tensor or gap that was read is not the one that was known. */
export function checkHash(content: ModelContent, piece: ContentTensor | ContentGap, sha256: string): void {
  if (piece.sha256 === undefined || piece.sha256 === sha256) return;
  const what = 'type' in piece ? `tensor "${piece.name}" is` : `the bytes between tensors at ${piece.position} are`;
  throw new PixelError(
    'damaged-picture',
    `${content.name}: ${what} damaged: the SHA-256 is not the one in the manifest. \`pixel-llm verify\` names the lines.`,
    { details: 'type' in piece ? { tensor: piece.name } : { position: piece.position } },
  );
}
