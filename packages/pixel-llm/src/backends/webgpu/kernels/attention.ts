/**
 * Causal attention over the paged cache (arXiv 1706.03762): softmax as it goes (arXiv 1805.02867), grouped heads (arXiv 2305.13245), and
 * the cache split over workgroups, so that one token with a long past occupies a whole GPU (flash-decoding); attention-reduce.ts joins the parts.
 *
 * A workgroup takes one entry, one split of its positions, and up to eight query heads that share a key/value head, so that keys and
 * values are read once for all of them. It goes over 64 positions at a time: an invocation the scores of one position with all heads; then
 * the softmax, eight invocations a head; then the values, an invocation four dimensions of every n-th position, neighbours side by side.
 */
import type { AttentionAttributes } from '../../../program/program.ts';
import {
  beginRows,
  cacheText,
  each,
  LANES,
  LEAST,
  MOST_ROWS,
  outWrite,
  rawQuad,
  rowBytes,
  rowShape,
  rowVariables,
  scoreOf,
  softmaxText,
  valuesText,
  writeRow,
} from './attention-text.ts';
import { wgslFloat } from './elementwise.ts';
import { type DeviceTraits, declareBindings, type Kernel, type KernelBinding, SIZES_WGSL } from './kernel.ts';
import { headStride, type KvLayout } from './kv-layout.ts';

export interface AttentionSpec extends Omit<AttentionAttributes, 'state' | 'kvHeads' | 'headDim'> {
  readonly layout: KvLayout;
  /** True: parts of the cache go to `partial`, for attentionReduceKernel. False: one workgroup goes over all of it, into `out`. */
  readonly isSplit: boolean;
}

/** Splits of the longest context: bounds the parts that have to be joined, and the memory they lie in. */
export const MOST_SPLITS = 64;

/** Positions of a split, from the longest context of the batch: whole tiles. In WGSL, and here for the size of the dispatch. */
export const SPLIT_WGSL: string = `fn split_tokens() -> u32 { return ${LANES}u * max(1u, (sizes.context + ${LANES * MOST_SPLITS - 1}u) / ${LANES * MOST_SPLITS}u); }
fn split_count() -> u32 { return (sizes.context + split_tokens() - 1u) / split_tokens(); }`;

export function splitCount(context: number): number {
  return Math.ceil(context / (LANES * Math.max(1, Math.ceil(context / (LANES * MOST_SPLITS)))));
}

/** vec4 of one head's part: its sums, then its largest score and total weight. */
export function partialQuads(layout: KvLayout): number {
  return headStride(layout) / 4 + 1;
}

/** Bytes of `partial` for so many entries. */
export function partialBytes(heads: number, layout: KvLayout, rows: number): number {
  return rows * heads * MOST_SPLITS * partialQuads(layout) * 16;
}

/**
 * `q` [tokens, heads x headDim], `keys`, `values`, `entries`, `pages` (KvLayout) -> `out` of the shape of q, or
 * `partial` vec4 [tokens, heads, splits, partialQuads].
 */
export function attentionKernel(spec: AttentionSpec, traits: DeviceTraits): Kernel {
  const { layout, heads, isSplit, scale, window, softcap } = spec;
  const { kvHeads, headDim, type } = layout;
  const shape = rowShape(layout);
  const { quads } = shape;
  const { group, grouped, blocks } = headGroups(spec, traits);
  const bindings: KernelBinding[] = [
    ...['q', 'keys', 'values', 'entries', 'pages'].map((name) => ({ name, kind: 'read' }) as const),
    { name: isSplit ? 'partial' : 'out', kind: 'write' },
    ...(isSplit ? [{ name: 'sizes', kind: 'uniform' } as const] : []),
  ];
  const cache = `array<${rawQuad(type)}>`;
  const types = {
    ...{ q: 'array<f32>', keys: cache, values: cache, entries: 'array<vec4<u32>>', pages: 'array<u32>' },
    ...{ partial: 'array<vec4<f32>>', out: 'array<f32>', sizes: 'Sizes' },
  };
  const eachHead = (of: (head: number) => string, joint?: string): string => each(grouped, of, joint);
  return {
    label: `attention ${type} ${heads} / ${kvHeads} x ${headDim}${window ? `, window ${window}` : ''}${softcap ? ', softcap' : ''}${isSplit ? ', split' : ''}`,
    entryPoint: 'main',
    bindings,
    workgroups: ({ rows, context }) => [kvHeads * blocks, isSplit ? splitCount(context) : 1, rows],
    code: `${SIZES_WGSL}
${declareBindings(bindings, types)}
${isSplit ? SPLIT_WGSL : ''}
${cacheText(layout)}
// There is one slice.
const own = 0u;
var<workgroup> query: array<vec4<f32>, ${grouped * quads}>;
${rowVariables(shape, 1)}
@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let entry = entries[workgroup.z];
  let list = entry.y;
  let kv_head = workgroup.x / ${blocks}u;
  let first_in_group = (workgroup.x % ${blocks}u) * ${grouped}u;
  let heads_here = min(${grouped}u, ${group}u - first_in_group);
  let first_head = kv_head * ${group}u + first_in_group;
  let seen_from = ${window ? `u32(max(0, i32(entry.x) - ${window - 1}))` : '0u'};
  ${
    isSplit
      ? `let start = max(seen_from, workgroup.y * split_tokens());
  let end = min(entry.x + 1u, (workgroup.y + 1u) * split_tokens());`
      : `let start = seen_from;
  let end = entry.x + 1u;`
  }
  for (var i = lane; i < ${grouped * quads}u; i += ${LANES}u) {
    let head = min(i / ${quads}u, heads_here - 1u);
    let from_dim = 4u * (i % ${quads}u);
    let from_head = (workgroup.z * ${heads}u + first_head + head) * ${headDim}u;
    var four = vec4(0.0);
    for (var d = 0u; d < 4u; d++) { if (from_dim + d < ${headDim}u) { four[d] = q[from_head + from_dim + d]; } }
    query[i] = four * ${wgslFloat(scale)};
  }
  ${beginRows(grouped, shape)}
  workgroupBarrier();
  for (var tile = start; tile < end; tile += ${LANES}u) {
    let position = tile + lane;
    if (position < end) {
      let at = place_of(list, position) * ${kvHeads * quads}u + kv_head * ${quads}u;
      ${eachHead((head) => `var score${head} = vec4(0.0);`, ' ')}
      for (var d = 0u; d < ${quads}u; d++) {
        let key = quad_of(keys[at + d]);
        ${eachHead((head) => `score${head} += query[${head * quads}u + d] * key;`, ' ')}
      }
      ${eachHead((head) => `scores[${head * LANES}u + lane] = ${scoreOf(`dot(score${head}, vec4(1.0))`, softcap)};`)}
    } else {
      ${eachHead((head) => `scores[${head * LANES}u + lane] = ${LEAST};`)}
    }
    workgroupBarrier();
    ${softmaxText(grouped, shape, 'tile + i < end')}
    ${valuesText(grouped, layout, shape)}
    workgroupBarrier();
  }
  if (soft_lane == 0u) { parts[soft_row] = largest; kept[soft_row] = total; }
  workgroupBarrier();
  ${eachHead((head) => {
    const index = `workgroup.z * ${heads}u + first_head + ${head}u`;
    const write = isSplit ? partialWrite(index, quads, head) : outWrite(headDim, index, head);
    return writeRow(head, shape, `${head}u < heads_here`, write);
  })}
}
`,
  };
}

interface HeadGroups {
  /** Query heads that share a key/value head; of those, how many a workgroup takes, and in how many blocks. */
  readonly group: number;
  readonly grouped: number;
  readonly blocks: number;
}

function headGroups({ heads, layout }: AttentionSpec, { maxSharedBytes }: DeviceTraits): HeadGroups {
  const group = heads / layout.kvHeads;
  const shape = rowShape(layout);
  const fitting = Math.max(1, Math.floor((maxSharedBytes - rowBytes(shape, 1)) / (16 * shape.quads)));
  const blocks = Math.ceil(group / Math.min(group, MOST_ROWS, fitting));
  return { group, grouped: Math.ceil(group / blocks), blocks };
}

function partialWrite(headIndex: string, quads: number, head: number): string {
  return `let to = ((${headIndex}) * split_count() + workgroup.y) * ${quads + 1}u;
        partial[to + quad] = four;
        if (quad == 0u) { partial[to + ${quads}u] = vec4(parts[${head}], kept[${head}], 0.0, 0.0); }`;
}
