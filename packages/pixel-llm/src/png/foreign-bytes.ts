/** Files that are no PNG at all, whatever their name says: what they are, from their first bytes, and what to do. */
import type { PixelErrorCode } from '../core/errors.ts';
import { PNG_SIGNATURE } from './chunks.ts';

export interface ForeignBytes {
  readonly code: PixelErrorCode;
  /** Continues a sentence that starts with the file's name. */
  readonly message: string;
}

const LOSSY_ADVICE = 'the pixels, and with them the data, are lost; get the original .png, sent as a file';

const FORMATS: readonly { readonly name: string; readonly advice: string; matches(start: Uint8Array): boolean }[] = [
  { name: 'a JPEG', advice: LOSSY_ADVICE, matches: (start) => begins(start, [0xff, 0xd8, 0xff]) },
  {
    name: 'a WebP picture',
    advice: LOSSY_ADVICE,
    matches: (start) => begins(start, ascii('RIFF')) && begins(start.subarray(8), ascii('WEBP')),
  },
  {
    name: 'an AVIF or HEIC picture',
    advice: LOSSY_ADVICE,
    matches: (start) => begins(start.subarray(4), ascii('ftyp')) && /^(avi|hei|mif|hev)/.test(text(start.subarray(8))),
  },
  { name: 'a GIF', advice: LOSSY_ADVICE, matches: (start) => begins(start, ascii('GIF8')) },
  {
    name: 'a BMP picture',
    advice: 'convert it back to PNG if it still has its transparency, else get the original .png',
    matches: (start) => begins(start, ascii('BM')),
  },
  {
    name: 'a TIFF picture',
    advice: 'convert it back to PNG without any change of colours, or get the original .png',
    matches: (start) => begins(start, [0x49, 0x49, 0x2a, 0]) || begins(start, [0x4d, 0x4d, 0, 0x2a]),
  },
  {
    name: 'a JPEG XL picture',
    advice: 'convert it back to PNG if it was stored without loss, else get the original .png',
    matches: (start) => begins(start, [0xff, 0x0a]) || begins(start.subarray(4), ascii('JXL ')),
  },
  { name: 'a GGUF model', advice: 'use it as it is, without the name .png', matches: (s) => begins(s, ascii('GGUF')) },
  { name: 'a ZIP archive', advice: 'unpack it first', matches: (s) => begins(s, [0x50, 0x4b, 3, 4]) },
  { name: 'compressed by gzip', advice: 'unpack it first', matches: (s) => begins(s, [0x1f, 0x8b]) },
  {
    name: 'a web page',
    advice: 'the address leads to a page, not to the picture; download the file itself',
    matches: (start) => /^\s*<(!doctype|html)/i.test(text(start)),
  },
  {
    name: 'a Git LFS pointer',
    advice: 'run `git lfs pull` to get the picture itself',
    matches: (start) => text(start).startsWith('version https://git-lfs'),
  },
];

/** PNG's signature is made so that a transfer as text changes it. */
const TEXT_MANGLED: readonly (readonly number[])[] = [
  [0x89, 0x50, 0x4e, 0x47, 0x0a, 0x1a],
  [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0d, 0x0a],
  [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0d],
  [0x09, 0x50, 0x4e, 0x47],
  [0xef, 0xbf, 0xbd, 0x50, 0x4e, 0x47],
  [0xc2, 0x89, 0x50, 0x4e, 0x47],
];

/** Says what a file is that does not start with PNG's signature. */
export function describeForeignBytes(start: Uint8Array): ForeignBytes {
  const format = FORMATS.find(({ matches }) => matches(start));
  if (format) return { code: 'damaged-picture', message: `is ${format.name}, not a PNG: ${format.advice}.` };
  if (TEXT_MANGLED.some((bytes) => begins(start, bytes))) {
    return {
      code: 'damaged-picture',
      message: 'was a PNG, but was transferred as text, which changed its bytes: transfer it again in binary mode.',
    };
  }
  if (start.every((byte) => byte === 0)) {
    return {
      code: 'damaged-picture',
      message: 'starts with zeros: a download or copy that was never filled; fetch it again.',
    };
  }
  if (PNG_SIGNATURE.filter((byte, index) => start[index] === byte).length >= 5) {
    return { code: 'damaged-picture', message: 'starts with a damaged PNG signature: fetch the file again.' };
  }
  return { code: 'bad-png', message: 'is not a PNG (it does not start as one): get the original file.' };
}

function begins(bytes: Uint8Array, prefix: readonly number[]): boolean {
  return prefix.every((byte, index) => bytes[index] === byte);
}

function ascii(letters: string): number[] {
  return [...letters].map((letter) => letter.charCodeAt(0));
}

function text(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
