/**
 * Rotary position embedding from tables: cosine and sine of each entry's angles come from the CPU, in f64, because what drivers make of
 * large angles differs. One value an invocation.
 */
import { type DeviceTraits, declareBindings, grid, type Kernel, type KernelBinding, SIZES_WGSL } from './kernel.ts';

export interface RopeSpec {
  /** Values a row: whole heads. */
  readonly width: number;
  readonly headDim: number;
  readonly rotaryDim: number;
  readonly pairing: 'adjacent' | 'halves';
}

const WORKGROUP = 64;

/** The place of a value's pair, and of the other value of the pair; `first` is 1 for a pair's second value. */
export const PAIRING_WGSL = {
  adjacent: `fn pairOf(j: u32) -> u32 { return j / 2u; }
fn isSecond(j: u32) -> bool { return j % 2u == 1u; }
const PARTNER = 1u;`,
  halves: `fn pairOf(j: u32) -> u32 { return j % (ROTARY_DIM / 2u); }
fn isSecond(j: u32) -> bool { return j >= ROTARY_DIM / 2u; }
const PARTNER = ROTARY_DIM / 2u;`,
} as const;

/** `x` [tokens, width], `angles` (cosine, sine) [tokens, rotaryDim / 2] -> `out` [tokens, width] */
export function ropeKernel({ width, headDim, rotaryDim, pairing }: RopeSpec, traits: DeviceTraits): Kernel {
  const bindings: KernelBinding[] = [
    { name: 'x', kind: 'read' },
    { name: 'angles', kind: 'read' },
    { name: 'out', kind: 'write' },
    { name: 'sizes', kind: 'uniform' },
  ];
  return {
    label: `rope ${pairing} ${width} in heads of ${headDim}, ${rotaryDim} turned`,
    entryPoint: 'main',
    bindings,
    workgroups: ({ rows }) => grid(Math.ceil((rows * width) / WORKGROUP), traits),
    code: `${SIZES_WGSL}
${declareBindings(bindings, { x: 'array<f32>', angles: 'array<vec2<f32>>', out: 'array<f32>', sizes: 'Sizes' })}
const WIDTH = ${width}u;
const HEAD_DIM = ${headDim}u;
const ROTARY_DIM = ${rotaryDim}u;
${PAIRING_WGSL[pairing]}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = (workgroup.x + workgroup.y * groups.x) * ${WORKGROUP}u + local;
  if (i >= sizes.rows * WIDTH) { return; }
  let j = (i % WIDTH) % HEAD_DIM;
  if (j >= ROTARY_DIM) { out[i] = x[i]; return; }
  let turn = angles[(i / WIDTH) * (ROTARY_DIM / 2u) + pairOf(j)];
  if (isSecond(j)) { out[i] = x[i - PARTNER] * turn.y + x[i] * turn.x; }
  else { out[i] = x[i] * turn.x - x[i + PARTNER] * turn.y; }
}
`,
  };
}
