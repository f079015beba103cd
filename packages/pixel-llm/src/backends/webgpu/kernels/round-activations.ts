/**
 * The `q8` activation mode as numbers: blocks of 32 (a row's last may be shorter) become integers times one scale (program.ts says how), so that
 * any product that takes f32 activations can follow. One block an invocation.
 */
import { type DeviceTraits, declareBindings, grid, type Kernel, type KernelBinding, SIZES_WGSL } from './kernel.ts';

const WORKGROUP = 64;

/** `x` [rows, width] -> `out` [rows, width] */
export function roundActivationsKernel({ width }: { readonly width: number }, traits: DeviceTraits): Kernel {
  const blocks = Math.ceil(width / 32);
  const bindings: KernelBinding[] = [
    { name: 'x', kind: 'read' },
    { name: 'out', kind: 'write' },
    { name: 'sizes', kind: 'uniform' },
  ];
  return {
    label: `round activations ${width}`,
    entryPoint: 'main',
    bindings,
    workgroups: ({ rows }) => grid(Math.ceil((rows * blocks) / WORKGROUP), traits),
    code: `${SIZES_WGSL}
${declareBindings(bindings, { x: 'array<f32>', out: 'array<f32>', sizes: 'Sizes' })}
const WIDTH = ${width}u;
const BLOCKS = ${blocks}u;
// 2^-100: below it, 127 / most would not be a finite f32.
const SMALLEST = 7.888609052210118e-31f;
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let block = (workgroup.x + workgroup.y * groups.x) * ${WORKGROUP}u + local;
  if (block >= sizes.rows * BLOCKS) { return; }
  let row = (block / BLOCKS) * WIDTH;
  let start = row + (block % BLOCKS) * 32u;
  let end = min(start + 32u, row + WIDTH);
  var most = 0.0;
  for (var i = start; i < end; i++) { most = max(most, abs(x[i])); }
  let isZero = most < SMALLEST;
  let inverse = select(127.0 / most, 0.0, isZero);
  let scale = select(most / 127.0, 0.0, isZero);
  for (var i = start; i < end; i++) { out[i] = round(x[i] * inverse) * scale; }
}
`,
  };
}
