/**
 * What a kernel is: WGSL text, its bindings, and how many workgroups it takes. Each file of this folder exports a pure function from a spec
 * (shapes, types, what the device can do) to a Kernel; the executor makes the pipeline, binds buffers by name and dispatches.
 *
 * Conventions, which all kernels keep:
 * - Everything is in bind group 0, `@binding(i)` being the place in `bindings`. `read` is `var<storage, read>`, `write` is
 *   `var<storage, read_write>`, `uniform` is `var<uniform>`.
 * - What a spec fixes (widths, types, rows of a matrix) is written into the text as constants. What changes from step to step comes through the
 *   uniform `sizes` (SIZES_WGSL), so that pipelines and bind groups are made once.
 * - Values are f32 or i32, rows one after another without gaps. Buffers end on a multiple of 16 bytes, padded with zeros, so that
 *   they can be read as `array<vec4<u32>>` or `array<vec4<f32>>` whatever they hold.
 * - A weight is bound plane by plane, under the planes' names in gguf/tensor-types.ts (`matrix.qs`, `matrix.d`), bytes unchanged: field
 *   after field, block after block, row after row. A weight above the device's limit for one binding is split by rows; each part is
 *   a matrix of its own that starts at the beginning of its buffers.
 */

export interface KernelBinding {
  readonly name: string;
  readonly kind: 'read' | 'write' | 'uniform';
}

/** What is known only when a step is run. */
export interface KernelSizes {
  /** Rows of the op's values: the entries of the batch, or its outputs. */
  readonly rows: number;
  /** The largest number of positions that an entry of the batch may attend to. */
  readonly context: number;
  /** Runs of entries of one sequence (entry-runs.ts), for kernels that take them. */
  readonly runs?: number;
}

/** What a pipeline is made of. */
export interface KernelText {
  /** For people, errors and snapshots: the op and what of the spec matters, e.g. `matmul Q4_0 896 x 4864`. */
  readonly label: string;
  readonly code: string;
  readonly entryPoint: string;
  readonly bindings: readonly KernelBinding[];
}

export interface Kernel extends KernelText {
  /** Workgroups of a dispatch; any count may be 0, and then nothing is dispatched. */
  workgroups(sizes: KernelSizes): readonly [x: number, y: number, z: number];
}

/** What kernels may use on a device. */
export interface DeviceTraits {
  /** `enable f16;` */
  readonly f16: boolean;
  /** `enable subgroups;`, and the sizes that a subgroup may have; undefined without. */
  readonly subgroups: { readonly least: number; readonly most: number } | undefined;
  /** `dot4I8Packed` and its like are instructions. */
  readonly packedDot: boolean;
  /** Invocations of a workgroup, in all and along x. */
  readonly maxInvocations: number;
  /** Bytes of `var<workgroup>`. */
  readonly maxSharedBytes: number;
  /** Workgroups along each dimension of a dispatch. */
  readonly maxWorkgroups: number;
  /** Storage buffers a kernel may bind. */
  readonly maxStorageBuffers: number;
  /** Bytes of one storage binding. */
  readonly maxBindingBytes: number;
}

/** The uniform of every kernel whose work depends on the batch; its binding is called `sizes`. */
export const SIZES_WGSL = 'struct Sizes { rows: u32, context: u32, spare0: u32, spare1: u32 }';

/**
 * A grid of at least `count` workgroups, over x first and y when x does not reach; in the kernel, the workgroup's number is
 * `workgroup.x + workgroup.y * groups.x` (of `workgroup_id` and `num_workgroups`), and those beyond the end have nothing to do.
 */
export function grid(count: number, { maxWorkgroups }: DeviceTraits): [x: number, y: number, z: number] {
  if (count <= maxWorkgroups) return [count, 1, 1];
  const rows = Math.ceil(count / maxWorkgroups);
  return [Math.ceil(count / rows), rows, 1];
}

/** Declarations of the bindings, in order: `types` gives each its WGSL type. */
export function declareBindings(bindings: readonly KernelBinding[], types: Readonly<Record<string, string>>): string {
  const spaces = { read: 'storage, read', write: 'storage, read_write', uniform: 'uniform' };
  return bindings
    .map(({ name, kind }, i) => {
      return `@group(0) @binding(${i}) var<${spaces[kind]}> ${variableOf(name)}: ${types[name]};`;
    })
    .join('\n');
}

/** A binding's name as an identifier: `matrix.qs` is `matrix_qs`. */
function variableOf(name: string): string {
  return name.replaceAll('.', '_');
}
