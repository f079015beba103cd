/** Embedding: the rows of the given ids, decoded from the planes of any type. A chunk of weights an invocation. */
import { type DeviceTraits, declareBindings, grid, type Kernel, type KernelBinding, SIZES_WGSL } from './kernel.ts';
import { WEIGHT_FUNCTIONS_WGSL, weightFormat } from './weight-formats.ts';

export interface EmbedSpec {
  readonly type: string;
  readonly width: number;
  /** Which rows of the whole table are bound here; ids of other rows are left to other parts. */
  readonly firstRow: number;
  readonly rows: number;
}

const WORKGROUP = 64;

/**
 * `ids` i32 [T], `carried` i32, `table.PLANE` [rows, width] -> `out` [T, width]. An id below zero stands for a token that the device
 * sampled itself: -1 - i is the one in `carried[i]`. Throws `unsupported-type`.
 */
export function embedKernel({ type, width, firstRow, rows }: EmbedSpec, traits: DeviceTraits): Kernel {
  const format = weightFormat(type, width);
  const chunks = width / format.chunk;
  const isSingle = format.run === 1;
  const types: Record<string, string> = {
    ...{ ids: 'array<i32>', carried: 'array<i32>' },
    ...Object.fromEntries(Object.entries(format.planes).map(([plane, planeType]) => [`table.${plane}`, planeType])),
  };
  const bindings: KernelBinding[] = [
    ...Object.keys(types).map((name) => ({ name, kind: 'read' }) as const),
    { name: 'out', kind: 'write' },
    { name: 'sizes', kind: 'uniform' },
  ];
  const out = isSingle ? 'array<f32>' : 'array<vec4<f32>>';
  const quad = 'table_quad(k, g, r, j)';
  return {
    label: `embed ${type} ${width}`,
    entryPoint: 'main',
    bindings,
    workgroups: (sizes) => grid(Math.ceil((sizes.rows * chunks) / WORKGROUP), traits),
    code: `${SIZES_WGSL}
${declareBindings(bindings, { ...types, out, sizes: 'Sizes' })}
${WEIGHT_FUNCTIONS_WGSL}
${format.wgsl('table')}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  ${format.setup('table', 'lane')}
  let i = (workgroup.x + workgroup.y * groups.x) * ${WORKGROUP}u + lane;
  if (i >= sizes.rows * ${chunks}u) { return; }
  let entry = i / ${chunks}u;
  let c = i % ${chunks}u;
  let id = ids[entry];
  var token = u32(max(id, 0));
  if (id < 0) { token = u32(carried[-1 - id]); }
  if (token < ${firstRow}u || token >= ${firstRow + rows}u) { return; }
  let g = (token - ${firstRow}u) * ${chunks}u + c;
  let k = table_load(g);
  for (var r = 0u; r < ${format.runs}u; r++) {
    ${format.isScaled ? 'let f = table_factor(k, g, r);' : ''}
    let start = entry * ${width}u + ${format.column('c', 'r')};
    for (var j = 0u; j < ${Math.max(1, format.run / 4)}u; j++) {
      let value = ${format.isScaled ? `f.x * ${quad}${format.hasOffset ? ' + f.y' : ''}` : quad};
      ${isSingle ? 'out[start] = value.x;' : 'out[(start >> 2u) + j] = value;'}
    }
  }
}
`,
  };
}
