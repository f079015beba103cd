/** Kernels that measure a device: one that only reads, and one that can only wait for the one before it. */
import { type DeviceTraits, declareBindings, grid, type Kernel, type KernelBinding } from './kernel.ts';

/** Workgroups of the reading kernel, each over every so manieth piece. */
export const READ_GROUPS = 1024;

/**
 * Reads `quads` x 16 bytes once, and writes four bytes a workgroup. `texture`: from a texture of such a width and height, layer after layer,
 * instead of a buffer.
 */
export function readKernel(quads: number, traits: DeviceTraits, texture?: { readonly size: number }): Kernel {
  const bindings: KernelBinding[] = [
    { name: 'data', kind: 'read' },
    { name: 'out', kind: 'write' },
  ];
  const size = texture?.size ?? 0;
  const load = texture
    ? `textureLoad(data, vec2(i % ${size}u, (i / ${size}u) % ${size}u), i / ${size ** 2}u, 0)`
    : 'data[i]';
  const [from, to] = texture ? ['var', 'texture_2d_array<u32>'] : ['var<storage, read>', 'array<vec4<u32>>'];
  return {
    label: `read ${quads} x 16 bytes`,
    entryPoint: 'main',
    bindings,
    workgroups: () => grid(READ_GROUPS, traits),
    code: `@group(0) @binding(0) ${from} data: ${to};
@group(0) @binding(1) var<storage, read_write> out: array<atomic<u32>>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  var bits = vec4(0u);
  for (var i = workgroup.x * 256u + lane; i < ${quads}u; i += ${READ_GROUPS * 256}u) { bits ^= ${load}; }
  atomicXor(&out[workgroup.x], bits.x ^ bits.y ^ bits.z ^ bits.w);
}
`,
  };
}

/** Adds one to a number that the dispatch before it wrote. */
export function countKernel(): Kernel {
  const bindings: KernelBinding[] = [{ name: 'out', kind: 'write' }];
  return {
    label: 'count',
    entryPoint: 'main',
    bindings,
    workgroups: () => [1, 1, 1],
    code: `${declareBindings(bindings, { out: 'array<u32>' })}
@compute @workgroup_size(1)
fn main() { out[0] += 1u; }
`,
  };
}
