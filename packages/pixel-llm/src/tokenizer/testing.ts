/** Tiny vocabularies of the project's own, small enough to work out by hand what they must give. For tests. */
import fc from 'fast-check';
import type { Metadata, MetadataValue } from '../gguf/head.ts';
import { CHARACTER_OF_BYTE } from './byte-level.ts';
import { TOKEN_TYPE } from './vocabulary.ts';

type Plain = string | number | boolean | readonly string[] | Int32Array | Float32Array;

/** Any character but a lone surrogate, ASCII more often. (fast-check's own takes a second to set up.) */
export const anyCharacter: fc.Arbitrary<string> = fc
  .oneof(
    fc.integer({ min: 0, max: 0x7f }),
    fc.integer({ min: 0, max: 0xd7ff }),
    fc.integer({ min: 0xe000, max: 0x10ffff }),
  )
  .map((codePoint) => String.fromCodePoint(codePoint));

/** Metadata from plain values, keys below `tokenizer.` given without it; undefined leaves a key out. */
export function metadataOf(entries: Readonly<Record<string, Plain | undefined>>): Metadata {
  const metadata = new Map<string, MetadataValue>();
  for (const [key, value] of Object.entries(entries)) {
    if (value !== undefined) metadata.set(key.startsWith('general.') ? key : `tokenizer.${key}`, typed(value));
  }
  return metadata;
}

/** Text, type and score of a token. */
export type TinyToken = readonly [text: string, type?: number, score?: number];

/**
 * Byte-level BPE: tokens 0 to 255 are the bytes, then those of the merges, in order, then `extra`.
 * Merges are written in byte-level characters: a space is Ġ.
 */
export function tinyBpe(
  merges: readonly string[],
  extra: readonly TinyToken[] = [],
  entries: Readonly<Record<string, Plain | undefined>> = {},
): Metadata {
  const merged = merges.map((merge): TinyToken => [merge.replace(' ', '')]);
  const tokens: TinyToken[] = [...CHARACTER_OF_BYTE.map((character): TinyToken => [character]), ...merged, ...extra];
  return metadataOf({
    'ggml.model': 'gpt2',
    'ggml.pre': 'gpt-2',
    'ggml.tokens': tokens.map(([text]) => text),
    'ggml.token_type': typesOf(tokens),
    'ggml.merges': merges,
    ...entries,
  });
}

/** SentencePiece: <unk>, <s>, </s>, then the 256 byte tokens (3 to 258), then `pieces` from 259. */
export function tinySpm(
  pieces: readonly TinyToken[],
  entries: Readonly<Record<string, Plain | undefined>> = {},
): Metadata {
  const bytes = Array.from({ length: 256 }, (_, byte): TinyToken => [byteToken(byte), TOKEN_TYPE.byte]);
  const heads: TinyToken[] = [
    ['<unk>', TOKEN_TYPE.unknown],
    ['<s>', TOKEN_TYPE.control],
    ['</s>', TOKEN_TYPE.control],
  ];
  return spmOf([...heads, ...bytes, ...pieces], entries);
}

/** SentencePiece of exactly these tokens. */
export function spmOf(
  tokens: readonly TinyToken[],
  entries: Readonly<Record<string, Plain | undefined>> = {},
): Metadata {
  return metadataOf({
    'ggml.model': 'llama',
    'ggml.tokens': tokens.map(([text]) => text),
    'ggml.token_type': typesOf(tokens),
    'ggml.scores': Float32Array.from(tokens, ([, , score]) => score ?? 0),
    ...entries,
  });
}

function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}

function typesOf(tokens: readonly TinyToken[]): Int32Array {
  return Int32Array.from(tokens, ([, type]) => type ?? TOKEN_TYPE.normal);
}

function typed(value: Plain): MetadataValue {
  if (typeof value === 'string') return { type: 'string', value };
  if (typeof value === 'boolean') return { type: 'bool', value };
  if (typeof value === 'number') return { type: 'uint32', value };
  if (value instanceof Int32Array) return { type: 'array', itemType: 'int32', value };
  if (value instanceof Float32Array) return { type: 'array', itemType: 'float32', value };
  return { type: 'array', itemType: 'string', value };
}
