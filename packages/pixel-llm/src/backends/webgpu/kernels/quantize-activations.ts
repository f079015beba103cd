/**
 * Activations as 8-bit integers for products that multiply integers (`activations: q8`; the rounding is specified in program/program.ts): blocks of 32
 * with one scale. A block an invocation.
 */
import { type DeviceTraits, declareBindings, grid, type Kernel, type KernelBinding, SIZES_WGSL } from './kernel.ts';

const WORKGROUP = 64;

/** `x` f32 [T, width] -> `packed` u32 [T, width / 4], four signed bytes a word, and `scales` f32 [T, width / 32]. width: a multiple of 32 */
export function quantizeActivationsKernel({ width }: { readonly width: number }, traits: DeviceTraits): Kernel {
  const blocks = width / 32;
  const bindings: KernelBinding[] = [
    { name: 'x', kind: 'read' },
    { name: 'packed', kind: 'write' },
    { name: 'scales', kind: 'write' },
    { name: 'sizes', kind: 'uniform' },
  ];
  const types = { x: 'array<vec4<f32>>', packed: 'array<u32>', scales: 'array<f32>', sizes: 'Sizes' };
  return {
    label: `quantize activations ${width}`,
    entryPoint: 'main',
    bindings,
    workgroups: ({ rows }) => grid(Math.ceil((rows * blocks) / WORKGROUP), traits),
    code: `${SIZES_WGSL}
${declareBindings(bindings, types)}
// 2^-100: below it, 127 / most would not be a finite f32.
const SMALLEST = 7.888609052210118e-31f;
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let block = (workgroup.x + workgroup.y * groups.x) * ${WORKGROUP}u + lane;
  if (block >= sizes.rows * ${blocks}u) { return; }
  var largest = vec4(0.0);
  for (var i = 0u; i < 8u; i++) { largest = max(largest, abs(x[8u * block + i])); }
  let most = max(max(largest.x, largest.y), max(largest.z, largest.w));
  let is_zero = most < SMALLEST;
  let inverse = select(127.0 / most, 0.0, is_zero);
  scales[block] = select(most / 127.0, 0.0, is_zero);
  for (var i = 0u; i < 8u; i++) {
    let bytes = bitcast<vec4<u32>>(vec4<i32>(round(x[8u * block + i] * inverse))) & vec4(255u);
    packed[8u * block + i] = bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
  }
}
`,
  };
}
