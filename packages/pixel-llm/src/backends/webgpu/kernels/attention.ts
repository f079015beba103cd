/**
 * Causal attention over the paged cache (arXiv 1706.03762): softmax as it goes (arXiv 1805.02867), grouped heads (arXiv 2305.13245), and
 * the cache split over workgroups, so that one token with a long past occupies a whole GPU (flash-decoding); attention-reduce.ts joins the parts.
 *
 * A workgroup takes one entry, one split of its positions, and up to eight query heads that share a key/value head, so that keys and
 * values are read once for all of them. It goes over 64 positions at a time: an invocation the scores of one position with all heads; then
 * the softmax, eight invocations a head; then the values, an invocation four dimensions of every n-th position, neighbours side by side.
 */
import type { AttentionAttributes } from '../../../program/program.ts';
import { wgslFloat } from './elementwise.ts';
import { type DeviceTraits, declareBindings, type Kernel, type KernelBinding, SIZES_WGSL } from './kernel.ts';
import { headStride, type KvLayout } from './kv-layout.ts';

export interface AttentionSpec extends Omit<AttentionAttributes, 'state' | 'kvHeads' | 'headDim'> {
  readonly layout: KvLayout;
  /** True: parts of the cache go to `partial`, for attentionReduceKernel. False: one workgroup goes over all of it, into `out`. */
  readonly isSplit: boolean;
}

/** Invocations, and positions at a time. */
const LANES = 64;
const MOST_HEADS = 8;
/** Splits of the longest context: bounds the parts that have to be joined, and the memory they lie in. */
export const MOST_SPLITS = 64;
/** Below every score. */
const LEAST = '-3.0e38';

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
  const plan = planOf(spec, traits);
  const { layout, heads, isSplit, scale, window, softcap } = spec;
  const { kvHeads, headDim, pageTokens, type } = layout;
  const { grouped, blocks, quads, owned, sharers } = plan;
  const bindings: KernelBinding[] = [
    ...['q', 'keys', 'values', 'entries', 'pages'].map((name) => ({ name, kind: 'read' }) as const),
    { name: isSplit ? 'partial' : 'out', kind: 'write' },
    ...(isSplit ? [{ name: 'sizes', kind: 'uniform' } as const] : []),
  ];
  const cache = type === 'f16' ? 'array<vec2<u32>>' : 'array<vec4<f32>>';
  const types = {
    ...{ q: 'array<f32>', keys: cache, values: cache, entries: 'array<vec4<u32>>', pages: 'array<u32>' },
    ...{ partial: 'array<vec4<f32>>', out: 'array<f32>', sizes: 'Sizes' },
  };
  const each = (count: number, text: (i: number) => string, joint = '\n  '): string =>
    Array.from({ length: count }, (_, i) => text(i)).join(joint);
  const eachHead = (text: (head: number) => string, joint?: string): string => each(grouped, text, joint);
  return {
    label: `attention ${type} ${heads} / ${kvHeads} x ${headDim}${window ? `, window ${window}` : ''}${softcap ? ', softcap' : ''}${isSplit ? ', split' : ''}`,
    entryPoint: 'main',
    bindings,
    workgroups: ({ rows, context }) => [kvHeads * blocks, isSplit ? splitCount(context) : 1, rows],
    code: `${SIZES_WGSL}
${declareBindings(bindings, types)}
${isSplit ? SPLIT_WGSL : ''}
fn key_quad(i: u32) -> vec4<f32> { ${readQuad('keys', type)} }
fn value_quad(i: u32) -> vec4<f32> { ${readQuad('values', type)} }
var<workgroup> query: array<vec4<f32>, ${grouped * quads}>;
var<workgroup> scores: array<f32, ${MOST_HEADS * LANES}>;
var<workgroup> parts: array<f32, ${LANES}>;
var<workgroup> kept: array<f32, ${MOST_HEADS}>;
${sharers > 1 ? `var<workgroup> shares: array<vec4<f32>, ${LANES * owned}>;` : ''}
@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let entry = entries[workgroup.z];
  let kv_head = workgroup.x / ${blocks}u;
  let first_in_group = (workgroup.x % ${blocks}u) * ${grouped}u;
  let heads_here = min(${grouped}u, ${plan.group}u - first_in_group);
  let first_head = kv_head * ${plan.group}u + first_in_group;
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
  var largest = ${LEAST};
  var total = 0.0;
  ${eachHead((head) => each(owned, (n) => `var sum${head}_${n} = vec4(0.0);`, ' '))}
  let soft_head = lane / 8u;
  let soft_lane = lane % 8u;
  workgroupBarrier();
  for (var tile = start; tile < end; tile += ${LANES}u) {
    let position = tile + lane;
    if (position < end) {
      let at = place_of(entry.y, position) * ${kvHeads * quads}u + kv_head * ${quads}u;
      ${eachHead((head) => `var score${head} = vec4(0.0);`, ' ')}
      for (var d = 0u; d < ${quads}u; d++) {
        let key = key_quad(at + d);
        ${eachHead((head) => `score${head} += query[${head * quads}u + d] * key;`, ' ')}
      }
      ${eachHead((head) => `scores[${head * LANES}u + lane] = ${scoreOf(`dot(score${head}, vec4(1.0))`, softcap)};`)}
    } else {
      ${eachHead((head) => `scores[${head * LANES}u + lane] = ${LEAST};`)}
    }
    workgroupBarrier();
    var highest = ${LEAST};
    for (var i = soft_lane; i < ${LANES}u; i += 8u) { highest = max(highest, scores[soft_head * ${LANES}u + i]); }
    parts[lane] = highest;
    workgroupBarrier();
    var next = largest;
    for (var i = 0u; i < 8u; i++) { next = max(next, parts[soft_head * 8u + i]); }
    let shrink = exp(largest - next);
    largest = next;
    var weights = 0.0;
    for (var i = soft_lane; i < ${LANES}u; i += 8u) {
      let at = soft_head * ${LANES}u + i;
      let weight = select(0.0, exp(scores[at] - next), tile + i < end);
      scores[at] = weight;
      weights += weight;
    }
    workgroupBarrier();
    parts[lane] = weights;
    if (soft_lane == 0u) { kept[soft_head] = shrink; }
    workgroupBarrier();
    total *= shrink;
    for (var i = 0u; i < 8u; i++) { total += parts[soft_head * 8u + i]; }
    ${eachHead((head) => each(owned, (n) => `sum${head}_${n} *= kept[${head}];`, ' '))}
    ${valuesText(spec, plan)}
    workgroupBarrier();
  }
  if (soft_lane == 0u) { parts[soft_head] = largest; kept[soft_head] = total; }
  workgroupBarrier();
  ${eachHead((head) => writeHead(spec, plan, head))}
}
fn place_of(list: u32, position: u32) -> u32 {
  return pages[list + position / ${pageTokens}u] * ${pageTokens}u + position % ${pageTokens}u;
}
`,
  };
}

interface Plan {
  /** Query heads that share a key/value head; of those, how many a workgroup takes, and in how many blocks. */
  readonly group: number;
  readonly grouped: number;
  readonly blocks: number;
  /** vec4 of a head. */
  readonly quads: number;
  /** Quads that an invocation owns, and how many invocations share each, by position. */
  readonly owned: number;
  readonly sharers: number;
}

function planOf({ heads, layout }: AttentionSpec, { maxSharedBytes }: DeviceTraits): Plan {
  const group = heads / layout.kvHeads;
  const quads = headStride(layout) / 4;
  const owned = Math.ceil(quads / LANES);
  const sharers = Math.max(1, Math.floor(LANES / quads));
  const fixed = 4 * (MOST_HEADS * LANES + LANES + MOST_HEADS) + (sharers > 1 ? 16 * LANES * owned : 0);
  const fitting = Math.max(1, Math.floor((maxSharedBytes - fixed) / (16 * quads)));
  const blocks = Math.ceil(group / Math.min(group, MOST_HEADS, fitting));
  return { group, grouped: Math.ceil(group / blocks), blocks, quads, owned, sharers };
}

function readQuad(plane: string, type: KvLayout['type']): string {
  if (type === 'f32') return `return ${plane}[i];`;
  return `let pair = ${plane}[i]; return vec4(unpack2x16float(pair.x), unpack2x16float(pair.y));`;
}

/** tanh by way of exp: some drivers' is not a number far from zero. */
function scoreOf(score: string, softcap: number | undefined): string {
  if (softcap === undefined) return score;
  const cap = wgslFloat(softcap);
  return `${cap} * (1.0 - 2.0 / (1.0 + exp(2.0 * clamp(${score} / ${cap}, -15.0, 15.0))))`;
}

/** Adds the tile's values, by weight, to the sums of the invocation's quads. */
function valuesText({ layout }: AttentionSpec, { grouped, quads, owned, sharers }: Plan): string {
  const heads = Array.from({ length: grouped }, (_, head) => head);
  const adds = (n: number): string =>
    `{
        let quad = ${owned === 1 ? `lane % ${quads}u` : `lane + ${n * LANES}u`};
        ${owned === 1 ? '' : `if (quad < ${quads}u) {`}
        let value = value_quad(at + quad);
        ${heads.map((head) => `sum${head}_${n} += scores[${head * LANES}u + i] * value;`).join(' ')}
        ${owned === 1 ? '' : '}'}
      }`;
  return `let stop = min(${LANES}u, end - tile);
    for (var i = lane / ${Math.min(quads, LANES)}u; i < stop; i += ${sharers}u) {
      ${sharers * quads < LANES && owned === 1 ? `if (lane >= ${sharers * quads}u) { break; }` : ''}
      let at = place_of(entry.y, tile + i) * ${layout.kvHeads * quads}u + kv_head * ${quads}u;
      ${Array.from({ length: owned }, (_, n) => adds(n)).join('\n      ')}
    }`;
}

/** Joins what the sharers of a quad have, and writes one head. */
function writeHead({ layout, heads, isSplit }: AttentionSpec, { quads, owned, sharers }: Plan, head: number): string {
  const { headDim } = layout;
  const share = sharers > 1;
  const gather = `${share ? `shares[lane] = sum${head}_0;\n    workgroupBarrier();\n    ` : ''}`;
  const write = (n: number): string => {
    const sum = share
      ? `var four = shares[quad];
        for (var i = 1u; i < ${sharers}u; i++) { four += shares[quad + i * ${quads}u]; }`
      : `let four = sum${head}_${n};`;
    return `{
      let quad = lane + ${n * LANES}u;
      if (quad < ${quads}u && ${head}u < heads_here) {
        ${sum}
        ${isSplit ? partialWrite(heads, quads, head) : outWrite(heads, headDim, head)}
      }
    }`;
  };
  return `{
    ${gather}${Array.from({ length: owned }, (_, n) => write(n)).join('\n    ')}
    ${share ? 'workgroupBarrier();' : ''}
  }`;
}

function outWrite(heads: number, headDim: number, head: number): string {
  return `let to = (workgroup.z * ${heads}u + first_head + ${head}u) * ${headDim}u;
        for (var d = 0u; d < 4u; d++) { if (4u * quad + d < ${headDim}u) { out[to + 4u * quad + d] = four[d] / kept[${head}]; } }`;
}

function partialWrite(heads: number, quads: number, head: number): string {
  return `let to = ((workgroup.z * ${heads}u + first_head + ${head}u) * split_count() + workgroup.y) * ${quads + 1}u;
        partial[to + quad] = four;
        if (quad == 0u) { partial[to + ${quads}u] = vec4(parts[${head}], kept[${head}], 0.0, 0.0); }`;
}
