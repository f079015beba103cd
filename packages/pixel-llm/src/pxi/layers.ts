/**
 * Which tensor belongs to which layer of a model, and what it does there, read from its GGUF name. The layout of pictures,
 * weight space, `inspect` and `render` all group tensors by this one table.
 * Source of the names: the tensor naming of the GGUF specification (ggml repository, docs/gguf.md).
 */
import type { TensorInfo } from '../gguf/head.ts';

export type LayerRole = 'embedding' | 'layer' | 'output' | 'other';

export interface ModelLayer {
  /** `embedding`, `layer.0`, `layer.1`, ..., `output`, `other`. */
  readonly id: string;
  readonly role: LayerRole;
  /** Names, in the order the forward pass meets them. */
  readonly tensors: readonly string[];
}

/** What each kind of tensor does, in the order the forward pass meets them. */
const ROLES: readonly (readonly [kind: string, role: string])[] = [
  ['token_embd', 'token embedding'],
  ['token_types', 'token type embedding'],
  ['position_embd', 'position embedding'],
  ['token_embd_norm', 'norm of the token embedding'],
  ['attn_norm', 'norm before attention'],
  ['attn_norm_2', 'second norm before attention'],
  ['attn_qkv', 'attention query, key and value'],
  ['attn_q', 'attention query'],
  ['attn_q_norm', 'norm of attention queries'],
  ['attn_k', 'attention key'],
  ['attn_k_norm', 'norm of attention keys'],
  ['attn_v', 'attention value'],
  ['attn_sinks', 'attention sinks'],
  ['attn_rot_embd', 'rotary embedding'],
  ['attn_output', 'attention output'],
  ['attn_post_norm', 'norm after attention'],
  ['post_attention_norm', 'norm after attention'],
  ['ffn_norm', 'norm before feed-forward'],
  ['ffn_gate_inp', 'expert router'],
  ['ffn_gate', 'feed-forward gate'],
  ['ffn_gate_exps', 'feed-forward gate of all experts'],
  ['ffn_gate_shexp', 'feed-forward gate of the shared expert'],
  ['ffn_up', 'feed-forward up'],
  ['ffn_up_exps', 'feed-forward up of all experts'],
  ['ffn_up_shexp', 'feed-forward up of the shared expert'],
  ['ffn_down', 'feed-forward down'],
  ['ffn_down_exps', 'feed-forward down of all experts'],
  ['ffn_down_shexp', 'feed-forward down of the shared expert'],
  ['post_ffw_norm', 'norm after feed-forward'],
  ['layer_output_norm', 'norm of the layer output'],
  ['output_norm', 'norm before the output'],
  ['output', 'output (next-token scores)'],
  ['rope_freqs', 'rotary frequency factors'],
  ['rope_factors_long', 'rotary frequency factors, long context'],
  ['rope_factors_short', 'rotary frequency factors, short context'],
];

const ROLE_BY_KIND = new Map(ROLES);
const PLACE_BY_KIND = new Map(ROLES.map(([kind], place) => [kind, place]));
const EMBEDDING_KINDS = new Set(['token_embd', 'token_types', 'position_embd', 'token_embd_norm']);
const OUTPUT_KINDS = new Set(['output_norm', 'output']);
/** A block number longer than this is no layer of a model anyone could hold. */
const BLOCK_NAME = /^blk\.(\d{1,6})\.(.+)$/;

/** Groups tensors into layers: the embedding first, the numbered layers in order, the output, then whatever else there is. */
export function groupLayers(tensors: Iterable<TensorInfo>): ModelLayer[] {
  const groups = new Map<string, { rank: number; role: LayerRole; names: string[] }>();
  for (const { name } of tensors) {
    const { id, role, rank } = layerOf(name);
    const group = groups.get(id);
    if (group) group.names.push(name);
    else groups.set(id, { rank, role, names: [name] });
  }
  return [...groups]
    .sort(([, a], [, b]) => a.rank - b.rank)
    .map(([id, { role, names }]) => ({ id, role, tensors: inForwardOrder(names) }));
}

/** What a tensor does, as a person would say it: "attention query", "attention query (bias)". Unknown kinds give their own name. */
export function tensorRole(name: string): string {
  const { kind, suffix } = parseName(name);
  const role = ROLE_BY_KIND.get(kind) ?? kind.replaceAll(/[._]/g, ' ');
  return suffix === 'bias' ? `${role} (bias)` : role;
}

/** The part of a tensor's name that tells it apart within its layer: `blk.3.attn_q.weight` is `attn_q`, its bias `attn_q.bias`. */
export function shortTensorName(name: string): string {
  const { kind, suffix } = parseName(name);
  return suffix === 'bias' ? `${kind}.bias` : kind;
}

function layerOf(name: string): { id: string; role: LayerRole; rank: number } {
  const { block, kind } = parseName(name);
  if (block !== undefined) return { id: `layer.${block}`, role: 'layer', rank: block };
  if (EMBEDDING_KINDS.has(kind)) return { id: 'embedding', role: 'embedding', rank: -1 };
  if (OUTPUT_KINDS.has(kind)) return { id: 'output', role: 'output', rank: 1e6 };
  return { id: 'other', role: 'other', rank: 1e6 + 1 };
}

function parseName(name: string): { block: number | undefined; kind: string; suffix: string } {
  const match = BLOCK_NAME.exec(name);
  const rest = match?.[2] ?? name;
  const dot = rest.lastIndexOf('.');
  const suffix = rest.slice(dot + 1);
  const known = dot > 0 && (suffix === 'weight' || suffix === 'bias');
  return {
    block: match ? Number(match[1]) : undefined,
    kind: known ? rest.slice(0, dot) : rest,
    suffix: known ? suffix : '',
  };
}

/** Sorts by the table; a weight before its bias; kinds the table does not know keep their order and come last. */
function inForwardOrder(names: readonly string[]): string[] {
  const place = (name: string) => {
    const { kind, suffix } = parseName(name);
    return (PLACE_BY_KIND.get(kind) ?? ROLES.length) * 2 + (suffix === 'bias' ? 1 : 0);
  };
  return names.toSorted((a, b) => place(a) - place(b));
}
