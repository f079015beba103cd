/** What the metadata say of a model's vocabulary. Only described here; using it is tokenizer/'s work. */
import { type Metadata, metadataBoolean, metadataNumber, metadataString, metadataStrings } from '../../gguf/head.ts';

interface SpecialToken {
  readonly id: number;
  readonly text: string | undefined;
}

export interface TokenizerReport {
  /** `llama` (SentencePiece), `gpt2` (byte-level BPE), ... */
  readonly model: string;
  readonly preTokenizer: string | undefined;
  readonly vocabulary: number;
  readonly merges: number;
  /** By what it is for: bos, eos, unknown, padding, eot, ... */
  readonly special: Readonly<Record<string, SpecialToken>>;
  readonly addBos: boolean | undefined;
  /** Characters of the chat template; 0 when there is none. */
  readonly chatTemplate: number;
}

const SPECIAL_KEY = /^tokenizer\.ggml\.(\w+)_token_id$/;

/** Undefined for a model without a tokenizer. Throws `bad-metadata` for entries of the wrong type. */
export function describeTokenizer(metadata: Metadata): TokenizerReport | undefined {
  const model = metadataString(metadata, 'tokenizer.ggml.model');
  if (model === undefined) return undefined;
  const tokens = metadataStrings(metadata, 'tokenizer.ggml.tokens') ?? [];
  const special: [string, SpecialToken][] = [];
  for (const key of metadata.keys()) {
    const purpose = SPECIAL_KEY.exec(key)?.[1];
    const id = purpose === undefined ? undefined : metadataNumber(metadata, key);
    if (purpose !== undefined && id !== undefined) special.push([purpose, { id, text: tokens[id] }]);
  }
  return {
    model,
    preTokenizer: metadataString(metadata, 'tokenizer.ggml.pre'),
    vocabulary: tokens.length,
    merges: metadataStrings(metadata, 'tokenizer.ggml.merges')?.length ?? 0,
    special: Object.fromEntries(special),
    addBos: metadataBoolean(metadata, 'tokenizer.ggml.add_bos_token'),
    chatTemplate: metadataString(metadata, 'tokenizer.chat_template')?.length ?? 0,
  };
}
