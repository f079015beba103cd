/**
 * A model that knows nothing yet: hyper-parameters in the form any GGUF file has them, and random weights, in the llama architecture with
 * tied embeddings. A product keeps the size of what goes in (deviation 1 / sqrt(columns)); the 0.02 of large models, in a model 64 wide, leaves
 * attention blind for thousands of steps.
 */
import type { MetadataValue } from '../gguf/head.ts';
import { type MemoryTensor, memoryWeights } from '../pxi/memory-weights.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import { gaussians } from './gaussians.ts';
import { type FirstLayer, lookBack } from './look-back.ts';

export interface NewModelShape {
  readonly name: string;
  readonly dim: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly hidden: number;
  readonly contextLength: number;
  /**
   * Base of the rotary positions. Default 10000, for long contexts; narrow heads have few frequencies, and short texts use only the fast ones, so
   * that a base near the context's length serves them better.
   */
  readonly ropeBase?: number | undefined;
}

const EPSILON = 1e-5;
/** Positions that the toy may take: it sees one token, but texts have a length. */
const TOY_CONTEXT = 256;

/** `tokenizer`: what trainTokenizer gives. The same seed gives the same weights. */
export function newModel(
  shape: NewModelShape,
  tokenizer: ReadonlyMap<string, MetadataValue>,
  seed: number,
): WeightSource {
  const vocab = vocabularySize(tokenizer);
  const { dim, hidden, heads, kvHeads, layers } = shape;
  const kvDim = (dim / heads) * kvHeads;
  const tensors = new Map<string, MemoryTensor>();
  const gain = (name: string): void => {
    tensors.set(name, { dimensions: [dim], values: new Float32Array(dim).fill(1) });
  };
  const matrix = (name: string, columns: number, rows: number, scale = 1): void => {
    const values = gaussians(seed, tensors.size, rows * columns, scale / Math.sqrt(columns));
    tensors.set(name, { dimensions: [columns, rows], values });
  };
  // The embedding gives the logits too: they begin near zero, but not so near that narrow models see nothing to attend to.
  matrix('token_embd.weight', dim, vocab, 0.5);
  // Layers begin nearly silent. At full size each adds eight times the embedding's own length, and what a token is is lost in what the first
  // layers add to it, so that models need several times the steps until they look names up.
  const residual = 0.05 / Math.sqrt(2 * layers);
  for (let layer = 0; layer < layers; layer++) {
    const name = `blk.${layer}`;
    gain(`${name}.attn_norm.weight`);
    matrix(`${name}.attn_q.weight`, dim, dim);
    matrix(`${name}.attn_k.weight`, dim, kvDim);
    matrix(`${name}.attn_v.weight`, dim, kvDim);
    matrix(`${name}.attn_output.weight`, dim, dim, residual);
    gain(`${name}.ffn_norm.weight`);
    matrix(`${name}.ffn_gate.weight`, dim, hidden);
    matrix(`${name}.ffn_up.weight`, dim, hidden);
    matrix(`${name}.ffn_down.weight`, hidden, dim, residual);
  }
  gain('output_norm.weight');
  lookBack(shape, firstLayer(tensors), 1 / residual);
  return memoryWeights(shape.name, new Map([...llamaMetadata(shape, vocab), ...tokenizer]), tensors);
}

function firstLayer(tensors: ReadonlyMap<string, MemoryTensor>): FirstLayer {
  const [embedding, query, key, output] = ['token_embd', 'blk.0.attn_q', 'blk.0.attn_k', 'blk.0.attn_output'].map(
    (name) => tensors.get(`${name}.weight`)!.values,
  );
  return { embedding: embedding!, query: query!, key: key!, output: output! };
}

/**
 * The toy: tokens of `dim` numbers, one hidden layer, the same table for what comes out (program/architectures/toy-mlp.ts). 8 -> 16 -> 8 unless
 * said otherwise. The same seed gives the same weights.
 */
export function newToyMlp(
  tokenizer: ReadonlyMap<string, MetadataValue>,
  {
    dim = 8,
    hidden = 16,
    seed = 1,
    name = 'toy MLP',
  }: { dim?: number; hidden?: number; seed?: number; name?: string } = {},
): WeightSource {
  const vocab = vocabularySize(tokenizer);
  const tensors = new Map<string, MemoryTensor>();
  const matrix = (tensor: string, columns: number, rows: number): void => {
    const values = gaussians(seed, tensors.size, rows * columns, 1 / Math.sqrt(columns));
    tensors.set(tensor, { dimensions: [columns, rows], values });
  };
  matrix('token_embd.weight', dim, vocab);
  matrix('blk.0.ffn_up.weight', dim, hidden);
  tensors.set('blk.0.ffn_up.bias', { dimensions: [hidden], values: new Float32Array(hidden) });
  matrix('blk.0.ffn_down.weight', hidden, dim);
  tensors.set('blk.0.ffn_down.bias', { dimensions: [dim], values: new Float32Array(dim) });
  const metadata: [string, MetadataValue][] = [
    ['general.architecture', text('toy-mlp')],
    ['general.type', text('model')],
    ['general.name', text(name)],
    ['toy-mlp.context_length', whole(TOY_CONTEXT)],
    ['toy-mlp.embedding_length', whole(dim)],
    ['toy-mlp.feed_forward_length', whole(hidden)],
  ];
  return memoryWeights(name, new Map([...metadata, ...tokenizer]), tensors);
}

function vocabularySize(tokenizer: ReadonlyMap<string, MetadataValue>): number {
  const vocabulary = tokenizer.get('tokenizer.ggml.tokens');
  return vocabulary?.type === 'array' ? vocabulary.value.length : 0;
}

function text(value: string): MetadataValue {
  return { type: 'string', value };
}

function whole(value: number): MetadataValue {
  return { type: 'uint32', value };
}

function llamaMetadata(shape: NewModelShape, vocab: number): [string, MetadataValue][] {
  return [
    ['general.architecture', text('llama')],
    ['general.type', text('model')],
    ['general.name', text(shape.name)],
    ['llama.block_count', whole(shape.layers)],
    ['llama.context_length', whole(shape.contextLength)],
    ['llama.embedding_length', whole(shape.dim)],
    ['llama.feed_forward_length', whole(shape.hidden)],
    ['llama.attention.head_count', whole(shape.heads)],
    ['llama.attention.head_count_kv', whole(shape.kvHeads)],
    ['llama.rope.dimension_count', whole(shape.dim / shape.heads)],
    ['llama.rope.freq_base', { type: 'float32', value: shape.ropeBase ?? 10_000 }],
    ['llama.attention.layer_norm_rms_epsilon', { type: 'float32', value: EPSILON }],
    ['llama.vocab_size', whole(vocab)],
    ['general.file_type', whole(0)],
  ];
}
