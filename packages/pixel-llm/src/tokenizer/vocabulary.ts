/**
 * A model's vocabulary as its GGUF metadata give it, checked once, so that encoder and decoder need not doubt it.
 * Key names and defaults: the GGUF specification and the conventions of the programs that write such files.
 */
import { PixelError } from '../core/errors.ts';
import {
  type Metadata,
  metadataBoolean,
  metadataNumber,
  metadataNumbers,
  metadataString,
  metadataStrings,
} from '../gguf/head.ts';
import { endOfTextTokens } from './end-of-text.ts';
import { type PreTokenizer, preTokenizerOf } from './pre-tokenizers.ts';

/** `tokenizer.ggml.token_type`. */
export const TOKEN_TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

interface CommonVocabulary {
  /** The text of each token as the vocabulary writes it. */
  readonly texts: readonly string[];
  readonly types: ArrayLike<number>;
  /** Tokens that ordinary text may become: no control, unknown or byte tokens. */
  readonly textTokens: ReadonlyMap<string, number>;
  readonly bosToken: number | undefined;
  readonly eosToken: number | undefined;
  readonly unknownToken: number | undefined;
  readonly addBos: boolean;
  readonly addEos: boolean;
  readonly endOfText: ReadonlySet<number>;
  /** Special tokens that swallow the white space after them. */
  readonly stripsAfter: ReadonlySet<number>;
}

/** SentencePiece with scores. */
export interface SpmVocabulary extends CommonVocabulary {
  readonly kind: 'spm';
  readonly scores: ArrayLike<number>;
  /** A text starts as if a space stood before it. */
  readonly addSpacePrefix: boolean;
}

/** Byte-level byte-pair encoding. */
export interface BpeVocabulary extends CommonVocabulary {
  readonly kind: 'bpe';
  /** "left right", in the order in which they merge. */
  readonly merges: readonly string[];
  readonly preTokenizer: PreTokenizer;
}

export type Vocabulary = SpmVocabulary | BpeVocabulary;

const MODEL_KEY = 'tokenizer.ggml.model';
/** What some writers put where there is no such token: -1 as an unsigned number. */
const NO_TOKEN = 0xffffffff;

type TokenName = 'bos_token_id' | 'eos_token_id' | 'unknown_token_id' | 'eot_token_id' | 'eom_token_id';

/** Where SentencePiece puts them, for metadata that do not say. */
const USUAL_SPM_TOKENS: Readonly<Partial<Record<TokenName, number>>> = {
  unknown_token_id: 0,
  bos_token_id: 1,
  eos_token_id: 2,
};

/** Throws `bad-metadata` and `unknown-pre-tokenizer`. */
export function readVocabulary(metadata: Metadata): Vocabulary {
  const model = metadataString(metadata, MODEL_KEY);
  if (model === 'llama') return readSpm(metadata);
  if (model === 'gpt2') return readBpe(metadata);
  if (model === undefined) throw wrong(`The model has no tokenizer: "${MODEL_KEY}" is missing from its metadata.`);
  throw new PixelError(
    'unknown-pre-tokenizer',
    `The model's tokenizer ${JSON.stringify(model)} (${MODEL_KEY}) is not known here. Known: llama (SentencePiece), gpt2 (byte-level BPE).`,
  );
}

/** The text of a token that the metadata name, without reading all of the vocabulary; undefined when they name none. */
export function namedTokenText(metadata: Metadata, name: TokenName): string | undefined {
  const texts = metadataStrings(metadata, 'tokenizer.ggml.tokens') ?? [];
  const token = readToken(metadata, name, texts.length);
  return token === undefined ? undefined : texts[token];
}

/** True for tokens that are no part of a text: left out when decoding, and never found in a text unless asked for. */
export function isSpecialType(type: number | undefined): boolean {
  return type === TOKEN_TYPE.control || type === TOKEN_TYPE.unknown;
}

function readSpm(metadata: Metadata): SpmVocabulary {
  const common = readCommon(metadata, { addBos: true });
  const scores = metadataNumbers(metadata, 'tokenizer.ggml.scores');
  if (!scores)
    throw wrong('"tokenizer.ggml.scores" is missing: a SentencePiece vocabulary cannot merge without scores.');
  checkLength('tokenizer.ggml.scores', scores.length, common.texts.length);
  for (let token = 0; token < scores.length; token++) {
    if (Number.isNaN(scores[token])) throw wrong(`The score of token ${token} is not a number.`);
  }
  const addSpacePrefix = metadataBoolean(metadata, 'tokenizer.ggml.add_space_prefix') ?? true;
  return { ...common, kind: 'spm', scores, addSpacePrefix };
}

function readBpe(metadata: Metadata): BpeVocabulary {
  const preTokenizer = preTokenizerOf(metadataString(metadata, 'tokenizer.ggml.pre'));
  const common = readCommon(metadata, { addBos: preTokenizer.addBos });
  const merges = metadataStrings(metadata, 'tokenizer.ggml.merges');
  if (!merges) throw wrong('"tokenizer.ggml.merges" is missing: a byte-pair vocabulary cannot merge without it.');
  return { ...common, kind: 'bpe', merges, preTokenizer };
}

function readCommon(metadata: Metadata, defaults: { readonly addBos: boolean }): CommonVocabulary {
  const texts = metadataStrings(metadata, 'tokenizer.ggml.tokens');
  if (!texts || texts.length === 0) throw wrong('"tokenizer.ggml.tokens" is missing or empty: there is no vocabulary.');
  const types = readTypes(metadata, texts.length);
  const bosToken = readToken(metadata, 'bos_token_id', texts.length);
  const eosToken = readToken(metadata, 'eos_token_id', texts.length);
  const addBos = readAdd(metadata, 'add_bos_token', bosToken, defaults.addBos);
  const addEos = readAdd(metadata, 'add_eos_token', eosToken, false);
  return {
    texts,
    types,
    textTokens: collectTextTokens(texts, types),
    bosToken,
    eosToken,
    unknownToken: readToken(metadata, 'unknown_token_id', texts.length),
    addBos,
    addEos,
    endOfText: endOfTextTokens(texts, types, [
      eosToken,
      readToken(metadata, 'eot_token_id', texts.length),
      readToken(metadata, 'eom_token_id', texts.length),
    ]),
    stripsAfter: tokensThatStrip(metadata, texts, types),
  };
}

function readTypes(metadata: Metadata, count: number): ArrayLike<number> {
  const types = metadataNumbers(metadata, 'tokenizer.ggml.token_type');
  if (!types) return new Uint8Array(count).fill(TOKEN_TYPE.normal);
  checkLength('tokenizer.ggml.token_type', types.length, count);
  return types;
}

function readToken(metadata: Metadata, name: TokenName, count: number): number | undefined {
  const token = metadataNumber(metadata, `tokenizer.ggml.${name}`);
  if (token === undefined) {
    const usual = metadataString(metadata, MODEL_KEY) === 'llama' ? USUAL_SPM_TOKENS[name] : undefined;
    return usual !== undefined && usual < count ? usual : undefined;
  }
  if (token === NO_TOKEN || token === -1) return undefined;
  if (!Number.isInteger(token) || token < 0 || token >= count) {
    throw wrong(`"tokenizer.ggml.${name}" is ${token}, but the vocabulary has ${count} tokens.`);
  }
  return token;
}

function readAdd(metadata: Metadata, name: string, token: number | undefined, fallback: boolean): boolean {
  const add = metadataBoolean(metadata, `tokenizer.ggml.${name}`);
  if (add && token === undefined)
    throw wrong(`"tokenizer.ggml.${name}" is set, but the metadata do not say which it is.`);
  return (add ?? fallback) && token !== undefined;
}

function collectTextTokens(texts: readonly string[], types: ArrayLike<number>): Map<string, number> {
  const tokens = new Map<string, number>();
  for (let token = 0; token < texts.length; token++) {
    const text = texts[token]!;
    if (text !== '' && !isSpecialType(types[token]) && types[token] !== TOKEN_TYPE.byte) tokens.set(text, token);
  }
  return tokens;
}

/**
 * Phi-3's own tokenizer strips the white space after its markers, except the three below; GGUF has no field for it, so it goes
 * by the model's name, as in llama.cpp.
 */
function tokensThatStrip(metadata: Metadata, texts: readonly string[], types: ArrayLike<number>): Set<number> {
  const stripping = new Set<number>();
  if (!/phi-?3/i.test(metadataString(metadata, 'general.name') ?? '')) return stripping;
  const plain = ['<unk>', '<s>', '<|endoftext|>'];
  for (let token = 0; token < texts.length; token++) {
    const isMarker = isSpecialType(types[token]) || types[token] === TOKEN_TYPE.userDefined;
    if (isMarker && !plain.includes(texts[token]!)) stripping.add(token);
  }
  return stripping;
}

function checkLength(key: string, length: number, count: number): void {
  if (length !== count) throw wrong(`"${key}" has ${length} entries, but the vocabulary has ${count} tokens.`);
}

function wrong(message: string): PixelError {
  return new PixelError('bad-metadata', message);
}
