/** Softmax over the last dimension, and cross-entropy, which needs the same sums. One workgroup a row. */
import { type DeviceTraits, declareBindings, grid, type Kernel, type KernelBinding, SIZES_WGSL } from './kernel.ts';
import { reduceWgsl, rowWorkgroup } from './reduce.ts';

/** `x` [rows, width] -> `out` [rows, width] */
export function softmaxKernel({ width }: { readonly width: number }, traits: DeviceTraits): Kernel {
  const bindings: KernelBinding[] = [
    { name: 'x', kind: 'read' },
    { name: 'out', kind: 'write' },
    { name: 'sizes', kind: 'uniform' },
  ];
  const finish =
    'for (var i = local; i < WIDTH; i += WORKGROUP) { out[start + i] = exp(x[start + i] - largest) / total; }';
  return rowKernel(`softmax ${width}`, bindings, width, finish, traits);
}

/** `x` [rows, width], `targets` i32 [rows] -> `out` [rows]: -ln p(target), 0 for a target of -1 */
export function crossEntropyKernel({ width }: { readonly width: number }, traits: DeviceTraits): Kernel {
  const bindings: KernelBinding[] = [
    { name: 'x', kind: 'read' },
    { name: 'targets', kind: 'read' },
    { name: 'out', kind: 'write' },
    { name: 'sizes', kind: 'uniform' },
  ];
  const finish = `if (local == 0u) {
    let token = targets[row];
    var loss = 0.0;
    if (token >= 0) { loss = largest - x[start + u32(token)] + log(total); }
    out[row] = loss;
  }`;
  return rowKernel(`crossEntropy ${width}`, bindings, width, finish, traits);
}

function rowKernel(
  label: string,
  bindings: readonly KernelBinding[],
  width: number,
  finish: string,
  traits: DeviceTraits,
): Kernel {
  const workgroup = rowWorkgroup(width, traits);
  const types = { x: 'array<f32>', targets: 'array<i32>', out: 'array<f32>', sizes: 'Sizes' };
  return {
    label,
    entryPoint: 'main',
    bindings,
    workgroups: ({ rows }) => grid(rows, traits),
    code: `${SIZES_WGSL}
${declareBindings(bindings, types)}
const WORKGROUP = ${workgroup}u;
const WIDTH = ${width}u;
${reduceWgsl(workgroup)}
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = workgroup.x + workgroup.y * groups.x;
  if (row >= sizes.rows) { return; }
  let start = row * WIDTH;
  var most = x[start];
  for (var i = local; i < WIDTH; i += WORKGROUP) { most = max(most, x[start + i]); }
  let largest = workgroupMax(local, most);
  var sum = 0.0;
  for (var i = local; i < WIDTH; i += WORKGROUP) { sum += exp(x[start + i] - largest); }
  let total = workgroupSum(local, sum);
  ${finish}
}
`,
  };
}
