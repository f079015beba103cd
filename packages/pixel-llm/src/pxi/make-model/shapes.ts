/**
 * The shapes of models that `make-model` makes: the published hyper-parameters of real architectures (the numbers of their
 * config.json files), and a toy. From a shape follow the tensors, by name and dimensions.
 */

export interface ModelShape {
  readonly architecture: 'llama' | 'qwen2';
  readonly layers: number;
  readonly dim: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly hidden: number;
  readonly vocabulary: number;
  readonly context: number;
  readonly ropeFrequencyBase: number;
  readonly epsilon: number;
  /** The output matrix is the token embedding. */
  readonly tied: boolean;
  /** Llama 3's stretching of low rotary frequencies, stored as the tensor rope_freqs. */
  readonly ropeScaling?: {
    readonly factor: number;
    readonly lowFrequencyFactor: number;
    readonly highFrequencyFactor: number;
    readonly originalContext: number;
  };
  readonly vocabularyKind: 'smollm' | 'qwen2' | 'llama-bpe';
}

const qwen = {
  architecture: 'qwen2',
  context: 32_768,
  ropeFrequencyBase: 1_000_000,
  epsilon: 1e-6,
  vocabularyKind: 'qwen2',
} as const;

export type ShapeName = 'toy' | 'smollm-135m' | 'qwen2.5-0.5b' | 'llama3.2-1b' | 'qwen2.5-1.5b' | 'qwen2.5-7b';

export const MODEL_SHAPES: Readonly<Record<ShapeName, ModelShape>> = {
  toy: {
    architecture: 'llama',
    layers: 4,
    dim: 128,
    heads: 4,
    kvHeads: 2,
    hidden: 384,
    vocabulary: 512,
    context: 512,
    ropeFrequencyBase: 10_000,
    epsilon: 1e-5,
    tied: true,
    vocabularyKind: 'smollm',
  },
  'smollm-135m': {
    architecture: 'llama',
    layers: 30,
    dim: 576,
    heads: 9,
    kvHeads: 3,
    hidden: 1536,
    vocabulary: 49_152,
    context: 2048,
    ropeFrequencyBase: 10_000,
    epsilon: 1e-5,
    tied: true,
    vocabularyKind: 'smollm',
  },
  'qwen2.5-0.5b': {
    ...qwen,
    layers: 24,
    dim: 896,
    heads: 14,
    kvHeads: 2,
    hidden: 4864,
    vocabulary: 151_936,
    tied: true,
  },
  'llama3.2-1b': {
    architecture: 'llama',
    layers: 16,
    dim: 2048,
    heads: 32,
    kvHeads: 8,
    hidden: 8192,
    vocabulary: 128_256,
    context: 131_072,
    ropeFrequencyBase: 500_000,
    epsilon: 1e-5,
    tied: true,
    ropeScaling: { factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192 },
    vocabularyKind: 'llama-bpe',
  },
  'qwen2.5-1.5b': {
    ...qwen,
    layers: 28,
    dim: 1536,
    heads: 12,
    kvHeads: 2,
    hidden: 8960,
    vocabulary: 151_936,
    tied: true,
  },
  'qwen2.5-7b': {
    ...qwen,
    layers: 28,
    dim: 3584,
    heads: 28,
    kvHeads: 4,
    hidden: 18_944,
    vocabulary: 152_064,
    tied: false,
  },
};

export interface ShapedTensor {
  readonly name: string;
  /** ggml order: columns first. */
  readonly dimensions: readonly number[];
}

/** All tensors of a shape, in the order of the forward pass. */
export function shapedTensors(shape: ModelShape): ShapedTensor[] {
  const { layers, dim, heads, kvHeads, hidden, vocabulary } = shape;
  const kvDim = (dim / heads) * kvHeads;
  const tensors: ShapedTensor[] = [];
  const add = (name: string, ...dimensions: number[]) => void tensors.push({ name, dimensions });
  add('token_embd.weight', dim, vocabulary);
  if (shape.ropeScaling) add('rope_freqs.weight', dim / heads / 2);
  for (let layer = 0; layer < layers; layer++) {
    const of = (kind: string) => `blk.${layer}.${kind}`;
    add(of('attn_norm.weight'), dim);
    for (const [kind, rows] of [
      ['attn_q', dim],
      ['attn_k', kvDim],
      ['attn_v', kvDim],
    ] as const) {
      add(of(`${kind}.weight`), dim, rows);
      if (shape.architecture === 'qwen2') add(of(`${kind}.bias`), rows);
    }
    add(of('attn_output.weight'), dim, dim);
    add(of('ffn_norm.weight'), dim);
    add(of('ffn_gate.weight'), dim, hidden);
    add(of('ffn_up.weight'), dim, hidden);
    add(of('ffn_down.weight'), hidden, dim);
  }
  add('output_norm.weight', dim);
  if (!shape.tied) add('output.weight', dim, vocabulary);
  return tensors;
}

/**
 * What the rotary frequencies are divided by, [headDim / 2]: 1 for high frequencies, `factor` for low ones, smooth between
 * (Llama 3.1 model card and reference code, "apply scaling").
 */
export function ropeFrequencyFactors(shape: ModelShape): Float32Array<ArrayBuffer> {
  const headDim = shape.dim / shape.heads;
  const factors = new Float32Array(headDim / 2).fill(1);
  const { ropeScaling: scaling } = shape;
  if (!scaling) return factors;
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext } = scaling;
  return factors.map((_, i) => {
    const wavelength = 2 * Math.PI * shape.ropeFrequencyBase ** ((2 * i) / headDim);
    const turns = originalContext / wavelength;
    if (turns > high) return 1;
    if (turns < low) return factor;
    const smooth = (turns - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}
