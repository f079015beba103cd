/**
 * Between the q/k/v product and attention, in one dispatch: norms of queries and keys a head at a time (where the model has them), rotary
 * positions, and keys and values into the cache. One workgroup a head of an entry.
 */
import { wgslFloat } from './elementwise.ts';
import { type DeviceTraits, declareBindings, grid, type Kernel, type KernelBinding, SIZES_WGSL } from './kernel.ts';
import { headStride, type KvLayout, placeWords } from './kv-layout.ts';
import { reduceWgsl } from './reduce.ts';
import { PAIRING_WGSL } from './rope.ts';

export interface RopeAppendSpec {
  readonly heads: number;
  readonly rotaryDim: number;
  readonly pairing: 'adjacent' | 'halves';
  readonly layout: KvLayout;
  /** Epsilons of the head norms, which have the gains `qGain` and `kGain`. */
  readonly qNorm?: number;
  readonly kNorm?: number;
}

/**
 * `qkv` [tokens, (heads + 2 kvHeads) x headDim], `angles` (cosine, sine) [tokens, rotaryDim / 2], `entries` -> `out` [tokens, heads x headDim],
 * `keys`, `values` (KvLayout)
 */
export function ropeAppendKernel(spec: RopeAppendSpec, traits: DeviceTraits): Kernel {
  const { heads, rotaryDim, pairing, layout, qNorm, kNorm } = spec;
  const { type, kvHeads, headDim } = layout;
  const workgroup = headDim > 64 && traits.maxInvocations >= 128 ? 128 : 64;
  const allHeads = heads + 2 * kvHeads;
  const bindings: KernelBinding[] = [
    { name: 'qkv', kind: 'read' },
    { name: 'angles', kind: 'read' },
    { name: 'entries', kind: 'read' },
    ...(qNorm === undefined ? [] : [{ name: 'qGain', kind: 'read' } as const]),
    ...(kNorm === undefined ? [] : [{ name: 'kGain', kind: 'read' } as const]),
    { name: 'out', kind: 'write' },
    { name: 'keys', kind: 'write' },
    { name: 'values', kind: 'write' },
    { name: 'sizes', kind: 'uniform' },
  ];
  const types = {
    ...{ qkv: 'array<f32>', angles: 'array<vec2<f32>>', entries: 'array<vec4<u32>>', sizes: 'Sizes' },
    ...{ qGain: 'array<f32>', kGain: 'array<f32>', out: 'array<f32>', keys: 'array<u32>', values: 'array<u32>' },
  };
  const normalize = (condition: string, gain: string, epsilon: number | undefined): string =>
    epsilon === undefined
      ? ''
      : `if (${condition}) { normalize(local, ${wgslFloat(epsilon)}); scaleBy_${gain}(local); }`;
  const scaleBy = (gain: string): string => `fn scaleBy_${gain}(local: u32) {
  for (var i = local; i < HEAD_DIM; i += WORKGROUP) { head[i] *= ${gain}[i]; }
  workgroupBarrier();
}`;
  return {
    label: `ropeAppend ${type} ${heads} / ${kvHeads} x ${headDim}`,
    entryPoint: 'main',
    bindings,
    workgroups: ({ rows }) => grid(rows * allHeads, traits),
    code: `${SIZES_WGSL}
${declareBindings(bindings, types)}
const WORKGROUP = ${workgroup}u;
const HEADS = ${heads}u;
const KV_HEADS = ${kvHeads}u;
const HEAD_DIM = ${headDim}u;
const ROTARY_DIM = ${rotaryDim}u;
const HEAD_WORDS = ${placeWords(layout) / kvHeads}u;
${PAIRING_WGSL[pairing]}
var<workgroup> head: array<f32, ${headStride(layout)}>;
${
  qNorm === undefined && kNorm === undefined
    ? ''
    : `${reduceWgsl(workgroup)}
fn normalize(local: u32, epsilon: f32) {
  var squares = 0.0;
  for (var i = local; i < HEAD_DIM; i += WORKGROUP) { squares += head[i] * head[i]; }
  let factor = 1.0 / sqrt(workgroupSum(local, squares) / f32(HEAD_DIM) + epsilon);
  for (var i = local; i < HEAD_DIM; i += WORKGROUP) { head[i] *= factor; }
}`
}
${qNorm === undefined ? '' : scaleBy('qGain')}
${kNorm === undefined ? '' : scaleBy('kGain')}
fn turned(entry: u32, i: u32) -> f32 {
  if (i >= ROTARY_DIM) { return head[i]; }
  let turn = angles[entry * (ROTARY_DIM / 2u) + pairOf(i)];
  if (isSecond(i)) { return head[i - PARTNER] * turn.y + head[i] * turn.x; }
  return head[i] * turn.x - head[i + PARTNER] * turn.y;
}
fn wordOf(entry: u32, word: u32, isKey: bool) -> u32 {
  ${
    type === 'f16'
      ? `var pair = vec2(head[2u * word], head[2u * word + 1u]);
  if (isKey && 2u * word < HEAD_DIM) { pair.x = turned(entry, 2u * word); }
  if (isKey && 2u * word + 1u < HEAD_DIM) { pair.y = turned(entry, 2u * word + 1u); }
  return pack2x16float(clamp(pair, vec2(-65504.0), vec2(65504.0)));`
      : `if (isKey && word < HEAD_DIM) { return bitcast<u32>(turned(entry, word)); }
  return bitcast<u32>(head[word]);`
  }
}
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let number = workgroup.x + workgroup.y * groups.x;
  if (number >= sizes.rows * ${allHeads}u) { return; }
  let entry = number / ${allHeads}u;
  let own = number % ${allHeads}u;
  for (var i = local; i < ${headStride(layout)}u; i += WORKGROUP) {
    head[i] = 0.0;
    if (i < HEAD_DIM) { head[i] = qkv[number * HEAD_DIM + i]; }
  }
  workgroupBarrier();
  ${normalize('own < HEADS', 'qGain', qNorm)}
  ${normalize('own >= HEADS && own < HEADS + KV_HEADS', 'kGain', kNorm)}
  if (own < HEADS) {
    for (var i = local; i < HEAD_DIM; i += WORKGROUP) { out[(entry * HEADS + own) * HEAD_DIM + i] = turned(entry, i); }
  } else if (own < HEADS + KV_HEADS) {
    let start = (entries[entry].z * KV_HEADS + own - HEADS) * HEAD_WORDS;
    for (var i = local; i < HEAD_WORDS; i += WORKGROUP) { keys[start + i] = wordOf(entry, i, true); }
  } else {
    let start = (entries[entry].z * KV_HEADS + own - HEADS - KV_HEADS) * HEAD_WORDS;
    for (var i = local; i < HEAD_WORDS; i += WORKGROUP) { values[start + i] = wordOf(entry, i, false); }
  }
}
`,
  };
}
