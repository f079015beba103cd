/** Joins the parts that attention over a split cache leaves: one workgroup a head of an entry, an invocation four of its dimensions. */
import { MOST_SPLITS, partialQuads, SPLIT_WGSL } from './attention.ts';
import { type DeviceTraits, declareBindings, grid, type Kernel, type KernelBinding, SIZES_WGSL } from './kernel.ts';
import { headStride, type KvLayout } from './kv-layout.ts';

const LANES = 64;

/** `partial` (attentionKernel) -> `out` [tokens, heads x headDim] */
export function attentionReduceKernel(heads: number, layout: KvLayout, traits: DeviceTraits): Kernel {
  const quads = headStride(layout) / 4;
  const bindings: KernelBinding[] = [
    { name: 'partial', kind: 'read' },
    { name: 'out', kind: 'write' },
    { name: 'sizes', kind: 'uniform' },
  ];
  return {
    label: `attention reduce ${heads} x ${layout.headDim}`,
    entryPoint: 'main',
    bindings,
    workgroups: ({ rows }) => grid(rows * heads, traits),
    code: `${SIZES_WGSL}
${declareBindings(bindings, { partial: 'array<vec4<f32>>', out: 'array<f32>', sizes: 'Sizes' })}
${SPLIT_WGSL}
var<workgroup> shares: array<f32, ${MOST_SPLITS}>;
@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let head = workgroup.x + workgroup.y * groups.x;
  if (head >= sizes.rows * ${heads}u) { return; }
  let splits = split_count();
  let start = head * splits * ${partialQuads(layout)}u;
  // The largest score of all parts, and with it each part's share: all invocations look at all parts, one writes each share.
  var largest = -3.0e38;
  for (var i = 0u; i < splits; i++) { largest = max(largest, partial[start + i * ${quads + 1}u + ${quads}u].x); }
  var total = 0.0;
  for (var i = 0u; i < splits; i++) {
    let part = partial[start + i * ${quads + 1}u + ${quads}u];
    let share = exp(part.x - largest);
    total += share * part.y;
    if (lane == i) { shares[i] = share; }
  }
  workgroupBarrier();
  for (var quad = lane; quad < ${quads}u; quad += ${LANES}u) {
    var four = vec4(0.0);
    for (var i = 0u; i < splits; i++) { four += shares[i] * partial[start + i * ${quads + 1}u + quad]; }
    for (var d = 0u; d < 4u; d++) {
      if (4u * quad + d < ${layout.headDim}u) { out[head * ${layout.headDim}u + 4u * quad + d] = four[d] / total; }
    }
  }
}
`,
  };
}
