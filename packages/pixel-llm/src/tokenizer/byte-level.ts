/**
 * The two ways text and bytes meet in vocabularies: UTF-8, and GPT-2's "byte-level" alphabet, in which each of the 256 bytes is
 * written as one printable character so that a vocabulary of arbitrary bytes can be stored as text.
 * Source: the GPT-2 release's byte alphabet (printable Latin-1 stands for itself, the other 68 bytes for U+0100 onwards, in order).
 */

const utf8 = new TextEncoder();

/** The character that stands for each byte. */
export const CHARACTER_OF_BYTE: readonly string[] = makeAlphabet();

const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = new Map(
  CHARACTER_OF_BYTE.map((character, byte) => [character, byte]),
);

/** A text as a byte-level vocabulary writes it. */
export function toByteLevel(text: string): string {
  let written = '';
  for (const byte of utf8.encode(text)) written += CHARACTER_OF_BYTE[byte];
  return written;
}

/** The bytes a byte-level token stands for; a character outside the alphabet (no sane vocabulary has one) stands for itself. */
export function fromByteLevel(written: string): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  for (const character of written) {
    const byte = BYTE_OF_CHARACTER.get(character);
    if (byte === undefined) bytes.push(...utf8.encode(character));
    else bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

/** Writes the UTF-8 bytes of one code point to `target` from `at`; returns where they end. Needs room for four. */
export function writeUtf8(codePoint: number, target: Uint8Array, at: number): number {
  if (codePoint < 0x80) {
    target[at] = codePoint;
    return at + 1;
  }
  if (codePoint < 0x800) {
    target[at] = 0xc0 | (codePoint >> 6);
    target[at + 1] = 0x80 | (codePoint & 0x3f);
    return at + 2;
  }
  if (codePoint < 0x10000) {
    target[at] = 0xe0 | (codePoint >> 12);
    target[at + 1] = 0x80 | ((codePoint >> 6) & 0x3f);
    target[at + 2] = 0x80 | (codePoint & 0x3f);
    return at + 3;
  }
  target[at] = 0xf0 | (codePoint >> 18);
  target[at + 1] = 0x80 | ((codePoint >> 12) & 0x3f);
  target[at + 2] = 0x80 | ((codePoint >> 6) & 0x3f);
  target[at + 3] = 0x80 | (codePoint & 0x3f);
  return at + 4;
}

function makeAlphabet(): string[] {
  const alphabet: string[] = [];
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    alphabet.push(String.fromCharCode(printable ? byte : next++));
  }
  return alphabet;
}
