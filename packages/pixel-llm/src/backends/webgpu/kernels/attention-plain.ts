/** Causal attention over the paged cache, plainly: one invocation eight values of a head, softmax as it goes (arXiv 1805.02867). */
import type { AttentionAttributes } from '../../../program/program.ts';
import { wgslFloat } from './elementwise.ts';
import { type DeviceTraits, declareBindings, grid, type Kernel, type KernelBinding, SIZES_WGSL } from './kernel.ts';
import { headStride, type KvLayout } from './kv-layout.ts';

const WORKGROUP = 32;
/** Values that an invocation sums up: it computes all scores for them. */
const CHUNK = 8;

/** `q` [tokens, heads x headDim], the cache (KvLayout) -> `out` of the shape of q */
export function plainAttentionKernel(
  { heads, scale, window = 0, softcap = 0 }: Omit<AttentionAttributes, 'state'>,
  layout: KvLayout,
  traits: DeviceTraits,
): Kernel {
  const { type, kvHeads, headDim, pageTokens } = layout;
  const stride = headStride(layout);
  const bindings: KernelBinding[] = [
    { name: 'q', kind: 'read' },
    { name: 'keys', kind: 'read' },
    { name: 'values', kind: 'read' },
    { name: 'entries', kind: 'read' },
    { name: 'pages', kind: 'read' },
    { name: 'out', kind: 'write' },
    { name: 'sizes', kind: 'uniform' },
  ];
  const cache = type === 'f16' ? 'array<u32>' : 'array<f32>';
  const at = (name: string): string => (type === 'f16' ? `unpack2x16float(${name}[i / 2u])[i % 2u]` : `${name}[i]`);
  const types = { q: 'array<f32>', keys: cache, values: cache, entries: 'array<vec4<u32>>', pages: 'array<u32>' };
  return {
    label: `attention plain ${type} ${heads} / ${kvHeads} x ${headDim}`,
    entryPoint: 'main',
    bindings,
    workgroups: ({ rows }) => grid(Math.ceil((rows * heads * Math.ceil(headDim / CHUNK)) / WORKGROUP), traits),
    code: `${SIZES_WGSL}
${declareBindings(bindings, { ...types, out: 'array<f32>', sizes: 'Sizes' })}
const HEADS = ${heads}u;
const HEAD_DIM = ${headDim}u;
const CHUNKS = ${Math.ceil(headDim / CHUNK)}u;
const PAGE_TOKENS = ${pageTokens}u;
fn keyAt(i: u32) -> f32 { return ${at('keys')}; }
fn valueAt(i: u32) -> f32 { return ${at('values')}; }
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = (workgroup.x + workgroup.y * groups.x) * ${WORKGROUP}u + local;
  if (i >= sizes.rows * HEADS * CHUNKS) { return; }
  let row = i / CHUNKS;
  let first_value = (i % CHUNKS) * ${CHUNK}u;
  let values_here = min(${CHUNK}u, HEAD_DIM - first_value);
  let head = row % HEADS;
  let entry = entries[row / HEADS];
  let start = row * HEAD_DIM;
  var largest = -3.0e38;
  var total = 0.0;
  var sums: array<f32, ${CHUNK}>;
  ${window > 0 ? `let first = u32(max(0, i32(entry.x) - ${window - 1}));` : 'let first = 0u;'}
  for (var p = first; p <= entry.x; p++) {
    let place = pages[entry.y + p / PAGE_TOKENS] * PAGE_TOKENS + p % PAGE_TOKENS;
    let base = (place * ${kvHeads}u + head * ${kvHeads}u / HEADS) * ${stride}u;
    var score = 0.0;
    for (var d = 0u; d < HEAD_DIM; d++) { score += q[start + d] * keyAt(base + d); }
    score *= ${wgslFloat(scale)};
    ${softcap > 0 ? `score = ${wgslFloat(softcap)} * tanh(clamp(score / ${wgslFloat(softcap)}, -15.0, 15.0));` : ''}
    let next = max(largest, score);
    let kept = exp(largest - next);
    let weight = exp(score - next);
    total = total * kept + weight;
    for (var d = 0u; d < values_here; d++) { sums[d] = sums[d] * kept + weight * valueAt(base + first_value + d); }
    largest = next;
  }
  for (var d = 0u; d < values_here; d++) { out[start + first_value + d] = sums[d] / total; }
}
`,
  };
}
