/** Stores the keys and values of a batch's entries in the cache, before attention reads them. One word an invocation. */
import { type DeviceTraits, declareBindings, grid, type Kernel, type KernelBinding, SIZES_WGSL } from './kernel.ts';
import { type KvLayout, placeWords } from './kv-layout.ts';

const WORKGROUP = 64;

/** `k`, `v` [tokens, kvHeads x headDim] -> `keys`, `values` (KvLayout) at the places in `entries` */
export function kvAppendKernel(layout: KvLayout, traits: DeviceTraits): Kernel {
  const { type, kvHeads, headDim } = layout;
  const words = placeWords(layout);
  const bindings: KernelBinding[] = [
    { name: 'k', kind: 'read' },
    { name: 'v', kind: 'read' },
    { name: 'entries', kind: 'read' },
    { name: 'keys', kind: 'write' },
    { name: 'values', kind: 'write' },
    { name: 'sizes', kind: 'uniform' },
  ];
  const types = { k: 'array<f32>', v: 'array<f32>', entries: 'array<vec4<u32>>', sizes: 'Sizes' };
  return {
    label: `kvAppend ${type} ${kvHeads} x ${headDim}`,
    entryPoint: 'main',
    bindings,
    workgroups: ({ rows }) => grid(Math.ceil((rows * words) / WORKGROUP), traits),
    code: `${SIZES_WGSL}
${declareBindings(bindings, { ...types, keys: 'array<u32>', values: 'array<u32>' })}
const WORDS = ${words}u;
const HEAD_WORDS = ${words / kvHeads}u;
const HEAD_DIM = ${headDim}u;
const WIDTH = ${kvHeads * headDim}u;
${STORE_WGSL[type]}
fn kAt(start: u32, i: u32) -> f32 { if (i >= HEAD_DIM) { return 0.0; } return k[start + i]; }
fn vAt(start: u32, i: u32) -> f32 { if (i >= HEAD_DIM) { return 0.0; } return v[start + i]; }
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = (workgroup.x + workgroup.y * groups.x) * ${WORKGROUP}u + local;
  if (i >= sizes.rows * WORDS) { return; }
  let entry = i / WORDS;
  let word = i % WORDS;
  let start = entry * WIDTH + (word / HEAD_WORDS) * HEAD_DIM;
  let place = word % HEAD_WORDS;
  let to = entries[entry].z * WORDS + word;
  ${type === 'f16' ? 'keys[to] = stored(kAt(start, 2u * place), kAt(start, 2u * place + 1u));' : 'keys[to] = bitcast<u32>(kAt(start, place));'}
  ${type === 'f16' ? 'values[to] = stored(vAt(start, 2u * place), vAt(start, 2u * place + 1u));' : 'values[to] = bitcast<u32>(vAt(start, place));'}
}
`,
  };
}

/** A number beyond the largest f16 becomes that; what pack2x16float makes of it is not specified. */
const STORE_WGSL = {
  f16: 'fn stored(a: f32, b: f32) -> u32 { return pack2x16float(clamp(vec2(a, b), vec2(-65504.0), vec2(65504.0))); }',
  f32: '',
} as const;
