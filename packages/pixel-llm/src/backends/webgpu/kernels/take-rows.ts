/** Keeps the rows whose logits are wanted. One value an invocation. */
import { type DeviceTraits, declareBindings, grid, type Kernel, type KernelBinding, SIZES_WGSL } from './kernel.ts';

const WORKGROUP = 64;

/** `x` [tokens, width], `kept` u32 [outputs] -> `out` [outputs, width]; `sizes.rows` counts outputs. */
export function takeRowsKernel({ width }: { readonly width: number }, traits: DeviceTraits): Kernel {
  const bindings: KernelBinding[] = [
    { name: 'x', kind: 'read' },
    { name: 'kept', kind: 'read' },
    { name: 'out', kind: 'write' },
    { name: 'sizes', kind: 'uniform' },
  ];
  return {
    label: `takeRows ${width}`,
    entryPoint: 'main',
    bindings,
    workgroups: ({ rows }) => grid(Math.ceil((rows * width) / WORKGROUP), traits),
    code: `${SIZES_WGSL}
${declareBindings(bindings, { x: 'array<f32>', kept: 'array<u32>', out: 'array<f32>', sizes: 'Sizes' })}
const WIDTH = ${width}u;
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = (workgroup.x + workgroup.y * groups.x) * ${WORKGROUP}u + local;
  if (i >= sizes.rows * WIDTH) { return; }
  out[i] = x[kept[i / WIDTH] * WIDTH + i % WIDTH];
}
`,
  };
}
