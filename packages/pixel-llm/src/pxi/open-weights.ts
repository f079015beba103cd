/** One door for every file that holds a model: what it is, its first bytes say, not its name. */
import { type ByteSource, type ReadOptions, readBytes } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import type { ReadGgufHeadOptions } from '../gguf/reader.ts';
import { type GgufModel, openGgufModel } from '../gguf/split.ts';
import { openGgufContent } from './convert/gguf-content.ts';
import type { ModelContent } from './convert/model-content.ts';
import { createPictureContent } from './convert/picture-content.ts';
import { createGgufWeights } from './gguf-weights.ts';
import { type OpenPictureSetOptions, openPictureSet } from './picture-set.ts';
import { createPictureWeights } from './picture-weights.ts';
import type { WeightSource } from './weight-source.ts';

export type ModelFormat = 'gguf' | 'picture';

/** The same for all openers: how the other files of a set are found, and how much of a GGUF file is read at first. */
export type OpenModelOptions = OpenPictureSetOptions & Pick<ReadGgufHeadOptions, 'firstBytes'>;

/**
 * Opens a model for reading its weights: GGUF or pictures, one file or any one of a set. The source belongs to the
 * WeightSource from here on; it is closed when this throws.
 * Throws `unknown-format`, `missing-part`, `bad-gguf`, `bad-manifest`, `damaged-picture`, `bad-png`, `truncated`,
 * `limit-exceeded`, and what reading throws.
 */
export async function openWeights(source: ByteSource, options: OpenModelOptions = {}): Promise<WeightSource> {
  const format = await recognizeModel(source, options);
  if (format === 'picture') return createPictureWeights(await openPictureSet(source, options));
  return createGgufWeights(await openGguf(source, options));
}

/** The same for reading its GGUF file's bytes, to convert it. Throws as `openWeights`. */
export async function openContent(source: ByteSource, options: OpenModelOptions = {}): Promise<ModelContent> {
  const format = await recognizeModel(source, options);
  if (format === 'picture') return createPictureContent(await openPictureSet(source, options));
  return openGgufContent(await openGguf(source, options), options);
}

/** Tells the format of a model's file; throws `unknown-format` with a guess of what it is instead, and closes the source. */
export async function recognizeModel(source: ByteSource, options: ReadOptions = {}): Promise<ModelFormat> {
  try {
    const bytes = await readBytes(source, 0, Math.min(512, source.size), options);
    if (begins(bytes, 'GGUF')) return 'gguf';
    if (begins(bytes, '\x89PNG')) return 'picture';
    throw new PixelError(
      'unknown-format',
      `${source.name} is no model: a GGUF file or a .pxi.png picture is needed, but ${guess(bytes)}.`,
    );
  } catch (error) {
    await source.dispose();
    throw error;
  }
}

function openGguf(source: ByteSource, { openSibling, ...options }: OpenModelOptions): Promise<GgufModel> {
  const open = async (name: string): Promise<ByteSource> => {
    if (name === source.name) return source;
    if (openSibling) return openSibling(name);
    throw new PixelError('file-not-found', `${name} is not at hand.`);
  };
  return openGgufModel(source.name, open, options);
}

/** First bytes of files that people take for models. */
const SIGNATURES: readonly (readonly [start: string, what: string])[] = [
  ['\xff\xd8\xff', 'this is a JPEG: its pixels are no longer the ones that were written'],
  ['GIF8', 'this is a GIF'],
  ['RIFF', 'this is a RIFF file (WebP, AVI or WAV)'],
  ['PK\x03\x04', 'this is a zip archive (a PyTorch checkpoint?)'],
  ['\x1f\x8b', 'this is compressed by gzip: unpack it first'],
  ['\x28\xb5\x2f\xfd', 'this is compressed by zstd: unpack it first'],
  ['FUGG', 'this is a big-endian GGUF file'],
  ['tjgg', 'this is an old GGJT file of llama.cpp: convert it to GGUF first'],
  ['lmgg', 'this is an old GGML file of llama.cpp: convert it to GGUF first'],
  ['version https://git-lfs', 'this is a Git LFS pointer: the file itself was not fetched'],
  ['<', 'this is a web page (an error page saved as a file?)'],
];

function guess(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'this is an empty file';
  if (bytes.length < 8) return `this has only ${bytes.length} bytes`;
  if (bytes.every((byte) => byte === 0)) return 'this begins with zeros (a download that was not finished?)';
  const known = SIGNATURES.find(([start]) => begins(bytes, start));
  if (known) return known[1];
  if (isSafetensors(bytes)) return 'this is a safetensors file: convert it to GGUF first';
  if (begins(bytes, '{') || begins(bytes, '[')) return 'this is JSON';
  const isText = bytes.every((byte) => byte >= 32 || byte === 9 || byte === 10 || byte === 13);
  return isText ? 'this is text' : 'this begins like no file known here';
}

function begins(bytes: Uint8Array, start: string): boolean {
  return bytes.length >= start.length && [...start].every((char, index) => bytes[index] === char.charCodeAt(0));
}

/** u64 length of a JSON header, then the header. */
function isSafetensors(bytes: Uint8Array): boolean {
  return bytes.length > 8 && bytes[8] === 0x7b && bytes[6] === 0 && bytes[7] === 0;
}
