/**
 * The dot product of two vectors: the first kernel, the proof that pixels compute. One workgroup strides over both, four numbers at a time,
 * then adds up its invocations' sums. Larger products are matrix products, so nothing faster is needed.
 */
import { type DeviceTraits, declareBindings, type Kernel, type KernelBinding, SIZES_WGSL } from './kernel.ts';
import { workgroupSums } from './workgroup-sums.ts';

const LANES = 256;

/** `a`, `b` [sizes.rows] f32, zeros up to a multiple of four -> `out` [1] */
export function dotProductKernel(traits: DeviceTraits): Kernel {
  const lanes = Math.min(LANES, traits.maxInvocations);
  const sums = workgroupSums(1, lanes, 'lane', traits);
  const bindings: KernelBinding[] = [
    { name: 'a', kind: 'read' },
    { name: 'b', kind: 'read' },
    { name: 'out', kind: 'write' },
    { name: 'sizes', kind: 'uniform' },
  ];
  const types = { a: 'array<vec4<f32>>', b: 'array<vec4<f32>>', out: 'array<f32>', sizes: 'Sizes' };
  return {
    label: 'dot product',
    entryPoint: 'main',
    bindings,
    workgroups: () => [1, 1, 1],
    code: `${sums.enable}${SIZES_WGSL}
${declareBindings(bindings, types)}
${sums.declarations}
@compute @workgroup_size(${lanes})
fn main(@builtin(local_invocation_index) lane: u32${sums.parameters}) {
  var sum = vec4(0.0);
  for (var i = lane; 4u * i < sizes.rows; i += ${lanes}u) { sum += a[i] * b[i]; }
  let own = dot(sum, vec4(1.0));
  ${sums.bring(['own'])}
  if (lane == 0u) { out[0] = ${sums.total('0u')}; }
}
`,
  };
}
