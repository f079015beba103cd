/**
 * What stands around the lines of a picture this project writes: signature, header, hints for people and programs before
 * them, the zlib stream's checksum and the end after them. The manifest and all else that matters live in the pixels;
 * the chunks here may be dropped by any program without harm.
 */
import { CHUNK_FRAME, encodeChunk, encodeHeader, PNG_SIGNATURE } from './chunks.ts';
import { RECORD_HEAD, RECORD_REMAINDER, recordStride } from './line-record.ts';
import type { PictureKind } from './picture.ts';
import { FORMAT_VERSION } from './superblock.ts';

/** Bytes after the last line of a mappable picture: the IDAT that ends the zlib stream, and IEND. */
export const TAIL_BYTES = 33;

/** A stored-data zlib stream's first two bytes: deflate, 32 KiB window, fastest. */
const ZLIB_HEADER = Uint8Array.of(0x78, 0x01);

const SENTENCES: Readonly<Record<PictureKind, string>> = {
  bytes: 'The pixels of this picture are the bytes of a file. `pixel-llm fs get` gives it back.',
  model: 'The pixels of this picture are a language model. `pixel-llm run` runs it.',
  adapter: 'The pixels of this picture are an adapter for a language model. `pixel-llm run` uses it.',
  checkpoint: 'The pixels of this picture are a language model in training. `pixel-llm` reads it.',
  conversation: 'The pixels of this picture are a saved conversation with a language model. `pixel-llm` reads it.',
  heatmap: 'The pixels of this picture are a heat map of a language model. `pixel-llm` reads it.',
};
const ADVICE =
  ' Keep every pixel: store and send it as a file, never as JPEG, resized or with its transparency removed.';

/** Everything before the first line record. Its length does not depend on the height, so it can be written again at the end. */
export function encodeFront(width: number, height: number, kind: PictureKind): Uint8Array<ArrayBuffer> {
  const header = encodeHeader(width, height);
  const hint = encodeChunk('pxLm', new TextEncoder().encode(`${kind} ${FORMAT_VERSION}`));
  const zlib = encodeChunk('IDAT', ZLIB_HEADER);
  const fixed = PNG_SIGNATURE.length + header.length + hint.length + CHUNK_FRAME + 16 + zlib.length;
  const sentence = SENTENCES[kind] + ADVICE;
  const bare = fixed + encodeSentence(sentence).length;
  const padding = (16 + RECORD_REMAINDER - (bare % 16)) % 16;
  const text = encodeSentence(sentence + ' '.repeat(padding));
  const base = fixed + text.length + RECORD_HEAD;
  return joinBytes([PNG_SIGNATURE, header, hint, encodeMapping(base, recordStride(width)), text, zlib]);
}

/** After the last line. */
export function encodeTail(adler: number, stream: { ended: boolean }): Uint8Array<ArrayBuffer> {
  return joinBytes([encodeStreamEnd(adler, stream), encodeChunk('IEND', new Uint8Array(0))]);
}

/** The chunk with the final deflate block, if the lines themselves did not end the stream, and their Adler-32. */
export function encodeStreamEnd(adler: number, { ended }: { ended: boolean }): Uint8Array<ArrayBuffer> {
  const checksum = Uint8Array.of(adler >>> 24, adler >>> 16, adler >>> 8, adler);
  const end = ended ? [] : [Uint8Array.of(1, 0, 0, 0xff, 0xff)];
  return encodeChunk('IDAT', joinBytes([...end, checksum]));
}

/** pxMP: where line 0's data start and how far it is to the next line's; two big-endian u64. A hint, verified before use. */
function encodeMapping(base: number, stride: number): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(16);
  const view = new DataView(data.buffer);
  view.setBigUint64(0, BigInt(base));
  view.setBigUint64(8, BigInt(stride));
  return encodeChunk('pxMP', data);
}

/** An uncompressed iTXt chunk: keyword, no language, no translated keyword. */
function encodeSentence(text: string): Uint8Array<ArrayBuffer> {
  return encodeChunk('iTXt', new TextEncoder().encode(`Comment\0\0\0\0\0${text}`));
}

export function joinBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
