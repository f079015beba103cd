/** Token ids back to bytes, and bytes to text as they arrive: a stream never shows half a character. */
import { PixelError } from '../core/errors.ts';
import { fromByteLevel } from './byte-level.ts';
import { byteOfToken, SPM_SPACE } from './spm-encoder.ts';
import { isSpecialType, TOKEN_TYPE, type Vocabulary } from './vocabulary.ts';

export interface DetokenizerOptions {
  /** Writes special tokens as their text instead of leaving them out. */
  special?: boolean;
  /**
   * True when the tokens are the start of a text, so that the space SentencePiece puts there goes away; false (the default) when
   * they continue one, as generated tokens do.
   */
  atStart?: boolean;
}

export interface Detokenizer {
  /** The text that is certain now: bytes of an unfinished character wait. */
  push(token: number): string;
  /** What is left; an unfinished character becomes U+FFFD. The detokenizer can be used again for another text. */
  end(): string;
}

const NO_BYTES = new Uint8Array(0);
const SPACE = 0x20;
const utf8 = new TextEncoder();

/** The bytes each token stands for, made when first asked for. */
export class TokenBytes {
  readonly #vocabulary: Vocabulary;
  readonly #bytes: (Uint8Array | undefined)[] = [];

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
  }

  /** Special tokens: the bytes of their text. Not to be written to. Throws `bad-argument` for an id outside the vocabulary. */
  of(token: number): Uint8Array {
    const known = this.#bytes[token];
    if (known) return known;
    const bytes = bytesOf(this.#vocabulary, checkToken(this.#vocabulary, token));
    this.#bytes[token] = bytes;
    return bytes;
  }
}

export function createDetokenizer(
  vocabulary: Vocabulary,
  tokenBytes: TokenBytes,
  { special = false, atStart = false }: DetokenizerOptions = {},
): Detokenizer {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const dropsSpace = atStart && vocabulary.kind === 'spm' && vocabulary.addSpacePrefix;
  let isFirst = dropsSpace;
  return {
    push(token) {
      let bytes = tokenBytes.of(token);
      if (isSpecialType(vocabulary.types[token])) return special ? decoder.decode(bytes, { stream: true }) : '';
      if (isFirst && bytes.length > 0) {
        isFirst = false;
        if (bytes[0] === SPACE) bytes = bytes.subarray(1);
      }
      return decoder.decode(bytes, { stream: true });
    },
    end() {
      isFirst = dropsSpace;
      return decoder.decode();
    },
  };
}

/** Throws `bad-argument` unless the vocabulary has this token. */
export function checkToken({ texts }: Vocabulary, token: number): number {
  if (!Number.isInteger(token) || token < 0 || token >= texts.length) {
    throw new PixelError('bad-argument', `There is no token ${token}: the vocabulary has ${texts.length}.`);
  }
  return token;
}

function bytesOf(vocabulary: Vocabulary, token: number): Uint8Array {
  const text = vocabulary.texts[token]!;
  const type = vocabulary.types[token];
  if (isSpecialType(type) || type === TOKEN_TYPE.userDefined) return utf8.encode(text);
  if (type === TOKEN_TYPE.unused) return NO_BYTES;
  if (vocabulary.kind === 'bpe') return fromByteLevel(text);
  const byte = type === TOKEN_TYPE.byte ? byteOfToken(text) : undefined;
  return byte === undefined ? utf8.encode(text.replaceAll(SPM_SPACE, ' ')) : Uint8Array.of(byte);
}
