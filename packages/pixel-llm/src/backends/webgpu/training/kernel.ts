/**
 * Kernels of training: one text an op, whatever the shapes. A training runs each op in a few shapes, and compiles nothing for them; all sizes come
 * through the uniform `dims`, of which every dispatch has its own.
 */
import { declareBindings, type KernelBinding, type KernelText } from '../kernels/kernel.ts';
import { reduceWgsl } from '../kernels/reduce.ts';

/** Sizes of a dispatch; what each means, a kernel says. */
export interface Dims {
  readonly counts: readonly number[];
  readonly floats?: readonly number[];
}

export const DIMS_BYTES = 48;
const DIMS_WGSL =
  'struct Dims { a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32, x: f32, y: f32, z: f32, w: f32 }';
const COUNTS = 8;

/** Invocations of a workgroup. */
export const WORKGROUP = 64;

/** Writes what the uniform holds. */
export function writeDims({ counts, floats = [] }: Dims, target: DataView, offset: number): void {
  for (const [i, count] of counts.entries()) target.setUint32(offset + 4 * i, count, true);
  for (const [i, value] of floats.entries()) target.setFloat32(offset + 4 * (COUNTS + i), value, true);
}

interface KernelSpec {
  readonly label: string;
  /** WGSL types by name. */
  readonly read: Readonly<Record<string, string>>;
  readonly write: Readonly<Record<string, string>>;
  readonly enable?: string;
  readonly declarations?: string;
  readonly workgroup?: number;
  /** `workgroup`, `groups` and `local` are known. */
  readonly body: string;
}

export function trainingKernel(spec: KernelSpec): KernelText {
  const { label, read, write, enable = '', declarations = '', workgroup = WORKGROUP, body } = spec;
  const bindings: KernelBinding[] = [
    ...Object.keys(read).map((name) => ({ name, kind: 'read' }) as const),
    ...Object.keys(write).map((name) => ({ name, kind: 'write' }) as const),
    { name: 'dims', kind: 'uniform' },
  ];
  return {
    label: `training ${label}`,
    entryPoint: 'main',
    bindings,
    code: `${enable}${DIMS_WGSL}
${declareBindings(bindings, { ...read, ...write, dims: 'Dims' })}
${declarations}
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let group = workgroup.x + workgroup.y * groups.x;
${body}
}
`,
  };
}

export const FLOATS = 'array<f32>';
export const INTEGERS = 'array<i32>';

/** An invocation a value, `dims.a` of them: `i` is its number. */
export function eachValue(spec: Omit<KernelSpec, 'workgroup'>): KernelText {
  return trainingKernel({
    ...spec,
    body: `  let i = group * ${WORKGROUP}u + local;
  if (i >= dims.a) { return; }
  ${spec.body}`,
  });
}

/** A workgroup a row, `dims.a` of them, `dims.b` values each: `start` is the row's first. Sums and maxima over the workgroup can be asked for. */
export function eachRow(spec: Omit<KernelSpec, 'workgroup'>): KernelText {
  return trainingKernel({
    ...spec,
    declarations: `${reduceWgsl(WORKGROUP)}\n${spec.declarations ?? ''}`,
    body: `  if (group >= dims.a) { return; }
  let start = group * dims.b;
  ${spec.body}`,
  });
}

/** A loop of the workgroup over the row's values. */
export function overRow(statement: string): string {
  return `for (var i = local; i < dims.b; i += ${WORKGROUP}u) { ${statement} }`;
}
