/**
 * Attention of prompts (as attention.ts, whose result it gives): neighbouring entries of one sequence see nearly the same past, so a workgroup takes
 * several of them, each with the query heads that share a key/value head, and reads keys and values once for all. Keys come into workgroup memory in
 * order, some dimensions of 64 positions at a time, where each invocation then finds its own position's.
 */

import type { AttentionSpec } from './attention.ts';
import {
  beginRows,
  cacheText,
  each,
  LANES,
  LEAST,
  MOST_ROWS,
  outWrite,
  type RowShape,
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
import { type DeviceTraits, declareBindings, type Kernel, type KernelBinding } from './kernel.ts';

/** Entries that a run has at most: what workgroups take divides it. */
export const RUN_ENTRIES = 32;
const MOST_SLICES = 4;
/** vec4 of a head's keys that are in workgroup memory at a time. */
const STRIP = 8;

/**
 * Bindings as attentionKernel without `isSplit`, and `runs: array<vec2<u32>>`: the first of at most RUN_ENTRIES entries of one sequence that follow each
 * other, and how many. Undefined where the device's workgroups are too small for it.
 */
export function promptAttentionKernel(spec: Omit<AttentionSpec, 'isSplit'>, traits: DeviceTraits): Kernel | undefined {
  const plan = planOf(spec, traits);
  if (!plan) return undefined;
  const { layout, heads, window, softcap } = spec;
  const { kvHeads, headDim, type } = layout;
  const { shape, slices, entries, entriesOfSlice, rows, grouped, blocks } = plan;
  const { quads } = shape;
  const column = stripColumn(layout);
  const bindings: KernelBinding[] = [
    ...['q', 'keys', 'values', 'entries', 'pages', 'runs'].map((name) => ({ name, kind: 'read' }) as const),
    { name: 'out', kind: 'write' },
  ];
  const cache = `array<${rawQuad(type)}>`;
  const types = {
    ...{ q: 'array<f32>', keys: cache, values: cache, entries: 'array<vec4<u32>>', pages: 'array<u32>' },
    ...{ runs: 'array<vec2<u32>>', out: 'array<f32>' },
  };
  const pieces = RUN_ENTRIES / entries;
  const eachRow = (of: (row: number) => string, joint?: string): string => each(rows, of, joint);
  return {
    label: `attention of prompts ${type} ${heads} / ${kvHeads} x ${headDim}${window ? `, window ${window}` : ''}${softcap ? ', softcap' : ''}`,
    entryPoint: 'main',
    bindings,
    workgroups: ({ runs = 0 }) => [kvHeads * blocks, 1, runs * pieces],
    code: `${declareBindings(bindings, types)}
${cacheText(layout)}
var<workgroup> query: array<vec4<f32>, ${slices * rows * quads}>;
var<workgroup> strip: array<${rawQuad(type)}, ${STRIP * column}>;
${rowVariables(shape, slices)}
fn first_seen(position: u32) -> u32 { return ${window ? `u32(max(0, i32(position) - ${window - 1}))` : '0u'}; }
// The positions that an entry sees, up to the second; of entries that are not there, none.
fn seen_by(first: u32, count: u32, i: u32) -> vec2<u32> {
  if (i >= count) { return vec2(0u); }
  let position = entries[first + i].x;
  return vec2(first_seen(position), position + 1u);
}
@compute @workgroup_size(${LANES}, ${slices})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>, @builtin(local_invocation_index) index: u32) {
  let run = runs[workgroup.z / ${pieces}u];
  let before = (workgroup.z % ${pieces}u) * ${entries}u;
  if (before >= run.y) { return; }
  let first = run.x + before;
  let count = min(${entries}u, run.y - before);
  let list = entries[first].y;
  let kv_head = workgroup.x / ${blocks}u;
  let first_in_group = (workgroup.x % ${blocks}u) * ${grouped}u;
  let heads_here = min(${grouped}u, ${plan.group}u - first_in_group);
  let first_head = kv_head * ${plan.group}u + first_in_group;
  var start = 0xffffffffu;
  var end = 0u;
  for (var i = 0u; i < count; i++) {
    let position = entries[first + i].x;
    start = min(start, first_seen(position));
    end = max(end, position + 1u);
  }
  ${loadQueries(spec, plan)}
  let lane = local.x;
  let own = local.y * ${MOST_ROWS}u;
  let first_entry = local.y * ${entriesOfSlice}u;
  ${each(entriesOfSlice, (i) => `let seen${i} = seen_by(first, count, first_entry + ${i}u);`)}
  ${beginRows(rows, shape)}
  let soft_seen = seen_by(first, count, first_entry + min(soft_row / ${grouped}u, ${entriesOfSlice - 1}u));
  for (var tile = start; tile < end; tile += ${LANES}u) {
    ${eachRow((row) => `var score${row} = vec4(0.0);`, ' ')}
    for (var strip_start = 0u; strip_start < ${quads}u; strip_start += ${STRIP}u) {
      for (var i = index; i < ${LANES * STRIP}u; i += ${LANES * slices}u) {
        let quad = strip_start + i % ${STRIP}u;
        let position = tile + i / ${STRIP}u;
        if (position < end && quad < ${quads}u) {
          strip[(i % ${STRIP}u) * ${column}u + i / ${STRIP}u] = keys[place_of(list, position) * ${kvHeads * quads}u + kv_head * ${quads}u + quad];
        }
      }
      workgroupBarrier();
      let here = min(${STRIP}u, ${quads}u - strip_start);
      for (var d = 0u; d < here; d++) {
        let key = quad_of(strip[d * ${column}u + lane]);
        let at = local.y * ${rows * quads}u + strip_start + d;
        ${eachRow((row) => `score${row} += query[at + ${row * quads}u] * key;`)}
      }
      workgroupBarrier();
    }
    let position = tile + lane;
    ${eachRow((row) => {
      const seen = `seen${Math.floor(row / grouped)}`;
      const score = scoreOf(`dot(score${row}, vec4(1.0))`, softcap);
      return `scores[(own + ${row}u) * ${LANES}u + lane] = select(${LEAST}, ${score}, position >= ${seen}.x && position < ${seen}.y);`;
    }, '\n    ')}
    workgroupBarrier();
    ${softmaxText(rows, shape, 'tile + i >= soft_seen.x && tile + i < soft_seen.y')}
    ${valuesText(rows, layout, shape)}
    workgroupBarrier();
  }
  if (soft_lane == 0u) { kept[own + soft_row] = total; }
  workgroupBarrier();
  ${eachRow((row) => {
    const [entry, head] = [`first_entry + ${Math.floor(row / grouped)}u`, row % grouped];
    const write = outWrite(headDim, `(first + ${entry}) * ${heads}u + first_head + ${head}u`, row);
    return writeRow(row, shape, `${entry} < count && ${head}u < heads_here`, write);
  })}
}
`,
  };
}

interface Plan {
  readonly shape: RowShape;
  readonly slices: number;
  /** Entries of a workgroup, and of one of its slices; rows of a slice. */
  readonly entries: number;
  readonly entriesOfSlice: number;
  readonly rows: number;
  /** As in attention.ts: query heads that share a key/value head; of those, how many a workgroup takes, and in how many blocks. */
  readonly group: number;
  readonly grouped: number;
  readonly blocks: number;
}

function planOf({ heads, layout }: Omit<AttentionSpec, 'isSplit'>, traits: DeviceTraits): Plan | undefined {
  const shape = rowShape(layout);
  const group = heads / layout.kvHeads;
  const blocks = Math.ceil(group / MOST_ROWS);
  const grouped = Math.ceil(group / blocks);
  // 1, 2, 4 or 8.
  const entriesOfSlice = Math.floor(MOST_ROWS / grouped);
  const rows = entriesOfSlice * grouped;
  const stripBytes = STRIP * stripColumn(layout) * (layout.type === 'f16' ? 8 : 16);
  for (let slices = MOST_SLICES; slices >= 1 && slices * entriesOfSlice > 1; slices /= 2) {
    const bytes = stripBytes + rowBytes(shape, slices) + 16 * slices * rows * shape.quads;
    if (bytes > traits.maxSharedBytes || slices * LANES > traits.maxInvocations) continue;
    return { shape, slices, entries: slices * entriesOfSlice, entriesOfSlice, rows, group, grouped, blocks };
  }
  return undefined;
}

/** Quads from one of a position's in the strip to the next: such that invocations that write together write to different banks. */
function stripColumn({ type }: AttentionSpec['layout']): number {
  return LANES + (type === 'f16' ? 2 : 1);
}

/** The queries of all rows, entry after entry, times the scale. What is not there is a copy of what is. */
function loadQueries({ layout, heads, scale }: Omit<AttentionSpec, 'isSplit'>, plan: Plan): string {
  const { headDim } = layout;
  const { slices, rows, grouped, shape } = plan;
  return `for (var i = index; i < ${slices * rows * shape.quads}u; i += ${LANES * slices}u) {
    let row = i / ${shape.quads}u;
    let entry = first + min(row / ${grouped}u, count - 1u);
    let head = first_head + min(row % ${grouped}u, heads_here - 1u);
    let dim = 4u * (i % ${shape.quads}u);
    let begin = (entry * ${heads}u + head) * ${headDim}u + dim;
    var four = vec4(0.0);
    for (var d = 0u; d < 4u; d++) { if (dim + d < ${headDim}u) { four[d] = q[begin + d]; } }
    query[i] = four * ${wgslFloat(scale)};
  }`;
}
