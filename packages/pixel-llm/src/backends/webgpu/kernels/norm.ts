/** RMS norm (arXiv 1910.07467) and layer norm (arXiv 1607.06450), over whole rows or over each head of a row. One workgroup a group of values. */
import { wgslFloat } from './elementwise.ts';
import { type DeviceTraits, declareBindings, grid, type Kernel, type KernelBinding, SIZES_WGSL } from './kernel.ts';
import { reduceWgsl, rowWorkgroup } from './reduce.ts';

export interface NormSpec {
  readonly op: 'rmsNorm' | 'layerNorm';
  /** Values a row. */
  readonly width: number;
  /** Values normalized together. */
  readonly size: number;
  readonly epsilon: number;
}

const BODIES = {
  rmsNorm: `
  var squares = 0.0;
  for (var i = local; i < SIZE; i += WORKGROUP) { squares += x[start + i] * x[start + i]; }
  let factor = 1.0 / sqrt(workgroupSum(local, squares) / f32(SIZE) + EPSILON);
  for (var i = local; i < SIZE; i += WORKGROUP) { out[start + i] = x[start + i] * factor * gain[i]; }`,
  // The variance is taken in a second pass, from the mean.
  layerNorm: `
  var sum = 0.0;
  for (var i = local; i < SIZE; i += WORKGROUP) { sum += x[start + i]; }
  let mean = workgroupSum(local, sum) / f32(SIZE);
  var squares = 0.0;
  for (var i = local; i < SIZE; i += WORKGROUP) { squares += (x[start + i] - mean) * (x[start + i] - mean); }
  let factor = 1.0 / sqrt(workgroupSum(local, squares) / f32(SIZE) + EPSILON);
  for (var i = local; i < SIZE; i += WORKGROUP) { out[start + i] = (x[start + i] - mean) * factor * gain[i] + bias[i]; }`,
} as const;

/** `x` [rows, width], `gain` [size] (and `bias` [size]) -> `out` [rows, width] */
export function normKernel({ op, width, size, epsilon }: NormSpec, traits: DeviceTraits): Kernel {
  const workgroup = rowWorkgroup(size, traits);
  const bindings: KernelBinding[] = [
    { name: 'x', kind: 'read' },
    { name: 'gain', kind: 'read' },
    ...(op === 'layerNorm' ? [{ name: 'bias', kind: 'read' } as const] : []),
    { name: 'out', kind: 'write' },
    { name: 'sizes', kind: 'uniform' },
  ];
  const floats = 'array<f32>';
  return {
    label: `${op} ${width} in groups of ${size}`,
    entryPoint: 'main',
    bindings,
    workgroups: ({ rows }) => grid((rows * width) / size, traits),
    code: `${SIZES_WGSL}
${declareBindings(bindings, { x: floats, gain: floats, bias: floats, out: floats, sizes: 'Sizes' })}
const WORKGROUP = ${workgroup}u;
const SIZE = ${size}u;
const EPSILON = ${wgslFloat(epsilon)};
${reduceWgsl(workgroup)}
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let group = workgroup.x + workgroup.y * groups.x;
  if (group >= sizes.rows * ${width / size}u) { return; }
  let start = group * SIZE;${BODIES[op]}
}
`,
  };
}
