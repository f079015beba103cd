/**
 * The numbers an architecture is built from, read out of a model's metadata and checked. Whatever the file declares is hostile until
 * it has passed here; that the tensors agree is checked by the builder, one weight at a time.
 * Keys: GGUF specification, "Standardized key-value pairs".
 */
import { PixelError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { metadataString } from '../gguf/head.ts';
import type { WeightHead } from '../pxi/weight-source.ts';
import { ArchitectureMetadata } from './architecture-metadata.ts';
import type { RopeAttributes } from './program.ts';
import { readRopeScaling } from './rope-scaling.ts';

/** What every language model has, whatever it computes with. */
export interface CommonParameters {
  readonly architecture: string;
  /** Width of a token's row, and of the residual stream where there is one. */
  readonly dim: number;
  /** Width of the feed-forward part. */
  readonly hidden: number;
  readonly vocab: number;
  readonly contextLength: number;
}

/** A decoder's. */
export interface HyperParameters extends CommonParameters {
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Added under the root of every RMS norm. */
  readonly epsilon: number;
  readonly rope: Omit<RopeAttributes, 'pairing'>;
  /** Sliding window in positions; absent when every position is seen. */
  readonly window?: number;
}

/** Reads and checks what every model has. Throws `bad-metadata`, `limit-exceeded`, `unknown-tensor`. */
export function readCommonParameters(head: WeightHead): CommonParameters {
  const architecture = readArchitecture(head);
  const metadata = new ArchitectureMetadata(head.metadata, architecture);
  return {
    architecture,
    dim: metadata.count('embedding_length', LIMITS.modelWidth),
    hidden: metadata.count('feed_forward_length', LIMITS.modelWidth),
    vocab: readVocab(head),
    contextLength: metadata.count('context_length', LIMITS.contextLength),
  };
}

/** Reads and checks the hyper-parameters of a decoder. Throws `bad-metadata`, `limit-exceeded`, `unknown-tensor`, `unknown-architecture`. */
export function readHyperParameters(head: WeightHead): HyperParameters {
  const architecture = readArchitecture(head);
  const metadata = new ArchitectureMetadata(head.metadata, architecture);
  metadata.refuse('expert_count', 'is a mixture of experts');
  const common = readCommonParameters(head);
  const { dim, contextLength } = common;
  const heads = metadata.count('attention.head_count', LIMITS.modelWidth);
  const kvHeads = metadata.count('attention.head_count_kv', LIMITS.modelWidth, heads);
  const headDim = metadata.count('attention.key_length', LIMITS.modelWidth, dim / heads);
  metadata.require(heads % kvHeads === 0, 'attention.head_count_kv', `divide the ${heads} query heads`);
  const valueDim = metadata.count('attention.value_length', LIMITS.modelWidth, headDim);
  metadata.require(valueDim === headDim, 'attention.value_length', `equal the key length ${headDim}`);
  const window = metadata.window(contextLength);
  return {
    ...common,
    layers: metadata.count('block_count', LIMITS.modelLayers),
    heads,
    kvHeads,
    headDim,
    epsilon: metadata.positive('attention.layer_norm_rms_epsilon'),
    rope: readRope(metadata, headDim, contextLength),
    ...(window === undefined ? {} : { window }),
  };
}

/** The value of `general.architecture`. */
export function readArchitecture(head: WeightHead): string {
  const architecture = metadataString(head.metadata, 'general.architecture');
  if (architecture === undefined) {
    throw new PixelError(
      'bad-metadata',
      'The model\'s metadata lack "general.architecture": it does not say what it is.',
    );
  }
  return architecture;
}

function readRope(
  metadata: ArchitectureMetadata,
  headDim: number,
  contextLength: number,
): Omit<RopeAttributes, 'pairing'> {
  const rotaryDim = metadata.count('rope.dimension_count', LIMITS.modelWidth, headDim);
  const isPairs = rotaryDim % 2 === 0 && rotaryDim <= headDim;
  metadata.require(isPairs, 'rope.dimension_count', `be even and at most the head size ${headDim}`);
  const frequencyBase = metadata.positive('rope.freq_base', 10_000);
  metadata.require(frequencyBase > 1, 'rope.freq_base', 'be above 1');
  return { rotaryDim, headDim, frequencyBase, ...readRopeScaling(metadata, contextLength) };
}

/** The embedding table's rows are the vocabulary; the tokenizer may name fewer tokens, never more. */
function readVocab(head: WeightHead): number {
  const embedding = head.tensors.get('token_embd.weight');
  if (!embedding) {
    const tensors = head.tensors.size === 0 ? 'it holds a vocabulary only' : `it has ${head.tensors.size} others`;
    throw new PixelError('unknown-tensor', `The model has no tensor "token_embd.weight": ${tensors}.`);
  }
  const vocab = embedding.dimensions[1] ?? 0;
  if (!Number.isInteger(vocab) || vocab < 1 || vocab > LIMITS.arrayElements) {
    throw new PixelError(
      'limit-exceeded',
      `"token_embd.weight" has ${vocab} rows; 1 to ${LIMITS.arrayElements} can be used.`,
    );
  }
  const tokens = head.metadata.get('tokenizer.ggml.tokens');
  if (tokens?.type === 'array' && tokens.value.length > vocab) {
    throw new PixelError(
      'bad-metadata',
      `The tokenizer has ${tokens.value.length} tokens, but "token_embd.weight" only ${vocab} rows.`,
    );
  }
  return vocab;
}
