/** Embedding from an f32 table: the rows of the given ids. One value an invocation. */
import { type DeviceTraits, declareBindings, grid, type Kernel, type KernelBinding, SIZES_WGSL } from './kernel.ts';

export interface EmbedSpec {
  readonly width: number;
  /** Which rows of the whole table are bound here; ids of other rows are left to other parts. */
  readonly firstRow: number;
  readonly rows: number;
}

const WORKGROUP = 64;

/**
 * An id below zero stands for a token that the device sampled itself: -1 - i is the one in `carried[i]`.
 */
const TOKEN_WGSL = `fn tokenOf(entry: u32) -> u32 {
  let id = ids[entry];
  if (id < 0) { return u32(carried[-1 - id]); }
  return u32(id);
}`;

/** `ids` i32 [T], `carried` i32, `table.v` f32 [rows, width] -> `out` [T, width] */
export function plainEmbedKernel({ width, firstRow, rows }: EmbedSpec, traits: DeviceTraits): Kernel {
  const bindings: KernelBinding[] = [
    { name: 'ids', kind: 'read' },
    { name: 'carried', kind: 'read' },
    { name: 'table.v', kind: 'read' },
    { name: 'out', kind: 'write' },
    { name: 'sizes', kind: 'uniform' },
  ];
  const types = { ids: 'array<i32>', carried: 'array<i32>', 'table.v': 'array<f32>', out: 'array<f32>' };
  return {
    label: `embed f32 ${width}`,
    entryPoint: 'main',
    bindings,
    workgroups: (sizes) => grid(Math.ceil((sizes.rows * width) / WORKGROUP), traits),
    code: `${SIZES_WGSL}
${declareBindings(bindings, { ...types, sizes: 'Sizes' })}
const WIDTH = ${width}u;
${TOKEN_WGSL}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = (workgroup.x + workgroup.y * groups.x) * ${WORKGROUP}u + local;
  if (i >= sizes.rows * WIDTH) { return; }
  let token = tokenOf(i / WIDTH);
  if (token < ${firstRow}u || token >= ${firstRow + rows}u) { return; }
  out[i] = table_v[(token - ${firstRow}u) * WIDTH + i % WIDTH];
}
`,
  };
}
