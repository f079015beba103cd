/**
 * Attention over a batch's own entries, and its gradients, without a matrix of all scores: they are computed again where they are needed
 * (arXiv 2205.14135), 64 at a time. Queries' gradients and the softmax's totals come first; keys and values then look back from the entries
 * that saw them. No atomics, so sums have one order.
 */
import type { KernelText } from '../kernels/kernel.ts';
import { reduceWgsl } from '../kernels/reduce.ts';
import { FLOATS, trainingKernel, WORKGROUP } from './kernel.ts';

/** Bindings that all have: q, k, v, and `spans` (first and last entry of each entry's sequence). */
const READ = { q: FLOATS, k: FLOATS, v: FLOATS, spans: 'array<vec2<u32>>' } as const;

/** `dims`: tokens, heads, key/value heads, window (4294967295: none), scale, softcap (0: none). */
function declarations(headDim: number): string {
  const perLane = Math.ceil(headDim / WORKGROUP);
  return `const HEAD_DIM = ${headDim}u;
const PER_LANE = ${perLane}u;
alias Sums = array<f32, ${perLane}>;
var<workgroup> row: array<f32, ${headDim}>;
var<workgroup> row_d: array<f32, ${headDim}>;
var<workgroup> block: array<f32, ${WORKGROUP}>;
var<workgroup> block_p: array<f32, ${WORKGROUP}>;
${reduceWgsl(WORKGROUP)}
fn query_at(entry: u32, head: u32) -> u32 { return (entry * dims.b + head) * HEAD_DIM; }
fn key_at(entry: u32, head: u32) -> u32 { return (entry * dims.c + head) * HEAD_DIM; }
// The oldest entry that one sees.
fn first_seen(entry: u32) -> u32 { return max(spans[entry].x, entry + 1u - min(entry + 1u, dims.d)); }
// Some drivers' tanh is not a number for a large argument.
fn capped(score: f32) -> f32 {
  if (dims.y == 0.0) { return score; }
  return dims.y * (1.0 - 2.0 / (1.0 + exp(min(2.0 * score / dims.y, 88.0))));
}
fn bent(score: f32) -> f32 {
  if (dims.y == 0.0) { return 1.0; }
  return 1.0 - (score / dims.y) * (score / dims.y);
}`;
}

/** What a workgroup of one head of one entry begins with: its query in `row`, and ln of the sum of e^score. */
const ONE_HEAD = `  if (group >= dims.a * dims.b) { return; }
  let entry = group / dims.b;
  let head = group % dims.b;
  let kv_head = head / (dims.b / dims.c);
  let first = first_seen(entry);
  for (var i = local; i < HEAD_DIM; i += ${WORKGROUP}u) { row[i] = q[query_at(entry, head) + i]; }
  workgroupBarrier();
  var most = -3.4e38;
  var sum = 0.0;
  for (var j = first + local; j <= entry; j += ${WORKGROUP}u) {
    let score = score_of(key_at(j, kv_head));
    let larger = max(most, score);
    sum = sum * exp(most - larger) + exp(score - larger);
    most = larger;
  }
  let all_most = workgroupMax(local, most);
  let total = all_most + log(workgroupSum(local, sum * exp(most - all_most)));`;

const SCORE_OF_KEY = `fn score_of(key: u32) -> f32 {
  var sum = 0.0;
  for (var i = 0u; i < HEAD_DIM; i++) { sum += row[i] * k[key + i]; }
  return capped(sum * dims.x);
}`;

/** Adds `weights[n] x source[at(n)]`, n from 0 to count - 1, to the lane's dimensions. */
function addBlock(sums: string, weights: string, source: string, at: string): string {
  return `for (var own = 0u; own < PER_LANE; own++) {
      let i = own * ${WORKGROUP}u + local;
      if (i < HEAD_DIM) { for (var n = 0u; n < count; n++) { ${sums}[own] += ${weights}[n] * ${source}[${at} + i]; } }
    }`;
}

function storeSums(sums: string, target: string): string {
  return `for (var own = 0u; own < PER_LANE; own++) {
    let i = own * ${WORKGROUP}u + local;
    if (i < HEAD_DIM) { out[${target} + i] = ${sums}[own]; }
  }`;
}

/** -> `out`, shape of q. A workgroup a head of an entry. */
export function selfAttentionKernel(headDim: number): KernelText {
  return trainingKernel({
    label: `selfAttention, heads of ${headDim}`,
    read: READ,
    write: { out: FLOATS },
    declarations: `${declarations(headDim)}\n${SCORE_OF_KEY}`,
    body: `${ONE_HEAD}
  var sums: Sums;
  for (var begin = first; begin <= entry; begin += ${WORKGROUP}u) {
    let count = min(${WORKGROUP}u, entry + 1u - begin);
    if (local < count) { block[local] = exp(score_of(key_at(begin + local, kv_head)) - total); }
    workgroupBarrier();
    ${addBlock('sums', 'block', 'v', 'key_at(begin + n, kv_head)')}
    workgroupBarrier();
  }
  ${storeSums('sums', 'query_at(entry, head)')}`,
  });
}

/** Gradients of queries, into the first columns of `out`; `totals` gets (ln of the sum of e^score, mean of what weights get) of each head. */
export function queryGradientKernel(headDim: number): KernelText {
  return trainingKernel({
    label: `selfAttentionGradient of queries, heads of ${headDim}`,
    read: { ...READ, d: FLOATS },
    write: { totals: 'array<vec2<f32>>', out: FLOATS },
    declarations: `${declarations(headDim)}\n${SCORE_OF_KEY}
fn to_weight(value: u32) -> f32 {
  var sum = 0.0;
  for (var i = 0u; i < HEAD_DIM; i++) { sum += row_d[i] * v[value + i]; }
  return sum;
}`,
    body: `${ONE_HEAD}
  for (var i = local; i < HEAD_DIM; i += ${WORKGROUP}u) { row_d[i] = d[query_at(entry, head) + i]; }
  workgroupBarrier();
  var along = 0.0;
  for (var j = first + local; j <= entry; j += ${WORKGROUP}u) {
    let key = key_at(j, kv_head);
    along += exp(score_of(key) - total) * to_weight(key);
  }
  let mean = workgroupSum(local, along);
  if (local == 0u) { totals[group] = vec2(total, mean); }
  var sums: Sums;
  for (var begin = first; begin <= entry; begin += ${WORKGROUP}u) {
    let count = min(${WORKGROUP}u, entry + 1u - begin);
    if (local < count) {
      let key = key_at(begin + local, kv_head);
      let score = score_of(key);
      block[local] = exp(score - total) * (to_weight(key) - mean) * bent(score) * dims.x;
    }
    workgroupBarrier();
    ${addBlock('sums', 'block', 'k', 'key_at(begin + n, kv_head)')}
    workgroupBarrier();
  }
  ${storeSums('sums', 'entry * (dims.b + 2u * dims.c) * HEAD_DIM + head * HEAD_DIM')}`,
  });
}

/** Gradients of keys and values, into the other columns of `out`. A workgroup a key/value head of an entry. */
export function keyGradientKernel(headDim: number): KernelText {
  return trainingKernel({
    label: `selfAttentionGradient of keys and values, heads of ${headDim}`,
    read: { ...READ, d: FLOATS, totals: 'array<vec2<f32>>' },
    write: { out: FLOATS },
    declarations: declarations(headDim),
    // Here the key stands in \`row\` and the value in \`row_d\`; each invocation brings a query of its own.
    body: `  if (group >= dims.a * dims.c) { return; }
  let entry = group / dims.c;
  let kv_head = group % dims.c;
  for (var i = local; i < HEAD_DIM; i += ${WORKGROUP}u) {
    row[i] = k[key_at(entry, kv_head) + i];
    row_d[i] = v[key_at(entry, kv_head) + i];
  }
  workgroupBarrier();
  let last = min(spans[entry].y, entry + min(dims.d - 1u, dims.a));
  var key_sums: Sums;
  var value_sums: Sums;
  let heads = dims.b / dims.c;
  for (var own_head = 0u; own_head < heads; own_head++) {
    let head = kv_head * heads + own_head;
    for (var begin = entry; begin <= last; begin += ${WORKGROUP}u) {
      let count = min(${WORKGROUP}u, last + 1u - begin);
      if (local < count) {
        let other = begin + local;
        let at = query_at(other, head);
        var dot = 0.0;
        var to_weight = 0.0;
        for (var i = 0u; i < HEAD_DIM; i++) {
          dot += q[at + i] * row[i];
          to_weight += d[at + i] * row_d[i];
        }
        let score = capped(dot * dims.x);
        let of_other = totals[other * dims.b + head];
        let weight = exp(score - of_other.x);
        block_p[local] = weight;
        block[local] = weight * (to_weight - of_other.y) * bent(score) * dims.x;
      }
      workgroupBarrier();
      ${addBlock('key_sums', 'block', 'q', 'query_at(begin + n, head)')}
      ${addBlock('value_sums', 'block_p', 'd', 'query_at(begin + n, head)')}
      workgroupBarrier();
    }
  }
  let columns = (dims.b + 2u * dims.c) * HEAD_DIM;
  ${storeSums('key_sums', 'entry * columns + (dims.b + kv_head) * HEAD_DIM')}
  ${storeSums('value_sums', 'entry * columns + (dims.b + dims.c + kv_head) * HEAD_DIM')}`,
  });
}
