/** For tests only: models as pictures in memory, and GGUF files as odd as the format allows. */
import { MemoryByteSink } from '../core/byte-sink.ts';
import { MemoryByteSource } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import type { TensorInfo } from '../gguf/head.ts';
import { TENSOR_TYPES } from '../gguf/tensor-types.ts';
import { noise, pieces, tensorOf } from '../gguf/testing.ts';
import { convertToGguf } from './convert/convert-to-gguf.ts';
import { type ConvertToPictureOptions, convertToPictures } from './convert/convert-to-picture.ts';
import type { ModelContent } from './convert/model-content.ts';
import { openContent, openWeights } from './open-weights.ts';
import { openPictureSet, type PictureSet } from './picture-set.ts';
import { pictureNames } from './set-names.ts';
import type { WeightSource } from './weight-source.ts';

type Bytes = Uint8Array<ArrayBuffer>;

/** Files by name, as a folder has them. */
export type Files = Map<string, Bytes>;

/** Converts a GGUF file to the pictures of `model.pxi.png`. */
export async function toPictures(gguf: Uint8Array, options?: ConvertToPictureOptions): Promise<Files> {
  return picturesOf(await openContent(new MemoryByteSource(gguf, 'model.gguf')), options);
}

export async function picturesOf(content: ModelContent, options?: ConvertToPictureOptions): Promise<Files> {
  const sinks: MemoryByteSink[] = [];
  const openSink = async (index: number, count: number) => {
    const sink = new MemoryByteSink(pictureNames('model.pxi.png', count)[index]);
    sinks.push(sink);
    return sink;
  };
  await convertToPictures(content, openSink, options);
  return new Map(sinks.map((sink) => [sink.name, sink.result()]));
}

/** Opens a file of the folder, finding its siblings there; by default the first. */
export function openSet(files: Files, name?: string): Promise<PictureSet> {
  return openPictureSet(sourceOf(files, name), { openSibling: async (sibling) => sourceOf(files, sibling) });
}

export function openPictureWeights(files: Files, name?: string): Promise<WeightSource> {
  return openWeights(sourceOf(files, name), { openSibling: async (sibling) => sourceOf(files, sibling) });
}

/** Converts pictures back to GGUF. */
export async function toGguf(files: Files, name?: string): Promise<Bytes> {
  const openSibling = async (sibling: string) => sourceOf(files, sibling);
  return ggufOf(await openContent(sourceOf(files, name), { openSibling }));
}

export async function ggufOf(content: ModelContent): Promise<Bytes> {
  const sink = new MemoryByteSink('back.gguf');
  await convertToGguf(content, sink);
  return sink.result().slice();
}

export function sourceOf(files: Files, name: string = [...files.keys()][0] ?? ''): MemoryByteSource {
  const bytes = files.get(name);
  if (!bytes) throw new PixelError('file-not-found', `${name} does not exist.`);
  return new MemoryByteSource(bytes, name);
}

export interface OddGgufOptions {
  /** 1, 2 or 3. */
  readonly version?: number;
  /** Bytes after the last tensor. */
  readonly tail?: Uint8Array;
  /** What the padding between head and data, and between tensors, is filled with. */
  readonly padding?: number;
  /** Extra bytes between tensors: a multiple of 32. */
  readonly gap?: number;
}

/** A GGUF file written byte by byte, not by the writer: of old versions, with gaps and tails. Data are noise. */
export function oddGguf(
  tensors: readonly TensorInfo[],
  { version = 3, tail = new Uint8Array(0), padding = 0, gap = 0 }: OddGgufOptions = {},
): Bytes {
  const count = (value: number) => (version === 1 ? value : BigInt(value));
  const entries: (number | bigint | string)[] = [];
  let end = 0;
  const starts = tensors.map(({ name, type, dimensions, byteLength }) => {
    const start = end;
    entries.push(count(name.length), name, dimensions.length, ...dimensions.map(count), type.id, BigInt(start));
    end = Math.ceil((end + byteLength) / 32) * 32 + gap;
    return start;
  });
  const key = 'general.architecture';
  const metadata = [count(key.length), key, 8, count(5), 'llama'];
  const head = pieces('GGUF', version, count(tensors.length), count(1), ...metadata, ...entries);
  const dataOffset = Math.ceil(head.length / 32) * 32;
  const file = new Uint8Array(dataOffset + end + tail.length).fill(padding);
  file.set(head);
  for (const [i, tensor] of tensors.entries()) file.set(noise(tensor.byteLength, i + 1), dataOffset + starts[i]!);
  file.set(tail, dataOffset + end);
  return file;
}

/** A small model with names, shapes and types as real ones have; 2 layers. */
export function smallModel(): TensorInfo[] {
  const layers = [0, 1].flatMap((layer) => [
    tensorOf(`blk.${layer}.attn_norm.weight`, 'F32', 64),
    tensorOf(`blk.${layer}.attn_q.weight`, 'Q8_0', 64, 300),
    tensorOf(`blk.${layer}.attn_q.bias`, 'F32', 300),
    tensorOf(`blk.${layer}.ffn_up.weight`, 'Q4_0', 64, 520),
    tensorOf(`blk.${layer}.ffn_down.weight`, 'F16', 96, 64),
  ]);
  return [
    tensorOf('output_norm.weight', 'F32', 64),
    tensorOf('token_embd.weight', 'Q8_0', 64, 1000),
    ...layers,
    tensorOf('output.weight', 'Q6_K', 256, 200),
    tensorOf('rope_freqs.weight', 'F32', 16),
  ];
}

/** One tensor of every type of the table, 300 rows of 256 columns. */
export function everyType(): TensorInfo[] {
  return TENSOR_TYPES.map(({ name }) => tensorOf(`blk.0.${name.toLowerCase()}.weight`, name, 256, 300));
}
