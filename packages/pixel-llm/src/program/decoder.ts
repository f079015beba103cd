/**
 * The pre-norm decoder that Llama made common: attention with rotary positions, a gated feed-forward part, RMS norms, residuals.
 * The architectures say in what they differ; the order of the ops is the same.
 */
import { type ArchitectureInput, ProgramBuilder } from './builder.ts';
import { type HyperParameters, readHyperParameters } from './hyperparameters.ts';
import type { Program, RopeAttributes } from './program.ts';

/** In what the members of the family differ. Biases are used wherever the model has them. */
export interface DecoderTraits {
  readonly pairing: RopeAttributes['pairing'];
  /** Queries and keys are normalized, a head at a time, before they are turned (`attn_q_norm`, `attn_k_norm`). */
  readonly headNorms: boolean;
}

/** Builds the whole Program: embedding, layers, last norm, logits, sampling. */
export function buildDecoder(input: ArchitectureInput, traits: DecoderTraits): Program {
  const parameters = readHyperParameters(input.head);
  const { vocab, dim, epsilon } = parameters;
  const builder = new ProgramBuilder(input);
  const tokens = builder.input('tokens');
  const positions = builder.input('positions');
  let x = builder.embed('embedding', tokens, 'token_embd.weight', [vocab, dim]);
  for (let layer = 0; layer < parameters.layers; layer++) {
    const name = `blk.${layer}`;
    const attended = attentionBlock(builder, name, x, positions, parameters, traits);
    x = feedForwardBlock(builder, name, attended, parameters);
  }
  // Only rows whose logits are wanted pay for the last norm and the largest product.
  const kept = builder.takeRows('kept', x);
  const hidden = builder.rmsNorm('hidden', kept, 'output_norm.weight', { epsilon, size: dim });
  // A model without its own output matrix uses the embedding table a second time (tied weights).
  const output = builder.has('output.weight') ? 'output.weight' : 'token_embd.weight';
  const logits = builder.matmul('logits', hidden, output, vocab);
  const sampled = builder.sample('sampled', logits);
  return builder.build(parameters, [tokens, positions], [logits, sampled, hidden]);
}

function attentionBlock(
  builder: ProgramBuilder,
  layer: string,
  x: string,
  positions: string,
  parameters: HyperParameters,
  { pairing, headNorms }: DecoderTraits,
): string {
  const { dim, heads, kvHeads, headDim, epsilon, window } = parameters;
  const normed = builder.rmsNorm(`${layer}.attn_norm`, x, `${layer}.attn_norm.weight`, { epsilon, size: dim });
  let q = builder.linear(`${layer}.q`, normed, `${layer}.attn_q`, heads * headDim);
  let k = builder.linear(`${layer}.k`, normed, `${layer}.attn_k`, kvHeads * headDim);
  const v = builder.linear(`${layer}.v`, normed, `${layer}.attn_v`, kvHeads * headDim);
  if (headNorms) {
    q = builder.rmsNorm(`${layer}.q_norm`, q, `${layer}.attn_q_norm.weight`, { epsilon, size: headDim });
    k = builder.rmsNorm(`${layer}.k_norm`, k, `${layer}.attn_k_norm.weight`, { epsilon, size: headDim });
  }
  const rope: RopeAttributes = { ...parameters.rope, pairing };
  const factors = builder.has('rope_freqs.weight') ? 'rope_freqs.weight' : undefined;
  q = builder.rope(`${layer}.q_rope`, q, positions, rope, factors);
  k = builder.rope(`${layer}.k_rope`, k, positions, rope, factors);
  const state = builder.state(`${layer}.kv`, kvHeads, headDim);
  const attended = builder.attention(`${layer}.attention`, [q, k, v], {
    state,
    heads,
    kvHeads,
    headDim,
    scale: 1 / Math.sqrt(headDim),
    ...(window === undefined ? {} : { window }),
  });
  const projected = builder.linear(`${layer}.attn_output`, attended, `${layer}.attn_output`, dim);
  return builder.add(`${layer}.attn_residual`, x, projected);
}

function feedForwardBlock(
  builder: ProgramBuilder,
  layer: string,
  x: string,
  { dim, hidden, epsilon }: HyperParameters,
): string {
  const normed = builder.rmsNorm(`${layer}.ffn_norm`, x, `${layer}.ffn_norm.weight`, { epsilon, size: dim });
  const gate = builder.linear(`${layer}.ffn_gate`, normed, `${layer}.ffn_gate`, hidden);
  const up = builder.linear(`${layer}.ffn_up`, normed, `${layer}.ffn_up`, hidden);
  const gated = builder.gatedSilu(`${layer}.ffn_gated`, gate, up);
  const down = builder.linear(`${layer}.ffn_down`, gated, `${layer}.ffn_down`, dim);
  return builder.add(`${layer}.ffn_residual`, x, down);
}
