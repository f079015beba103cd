/** The plain matrix product over f32 weights: one invocation a row and token. For weights that no faster kernel takes. */
import { type DeviceTraits, declareBindings, grid, type Kernel, type KernelBinding, SIZES_WGSL } from './kernel.ts';

export interface PlainMatmulSpec {
  readonly rows: number;
  readonly columns: number;
  /** The first of these rows in the whole matrix, and so of its bias. */
  readonly firstRow: number;
  /** Where the rows of this part of the matrix stand in a row of the result, and how long that is. */
  readonly outColumn: number;
  readonly outWidth: number;
  readonly bias: boolean;
}

const WORKGROUP = 64;

/** `x` [T, columns], `matrix.v` f32 [rows, columns], `bias` [outWidth]? -> `out` [T, outWidth], columns outColumn .. outColumn + rows */
export function plainMatmulKernel(spec: PlainMatmulSpec, traits: DeviceTraits): Kernel {
  const { rows, columns, firstRow, outColumn, outWidth, bias } = spec;
  const bindings: KernelBinding[] = [
    { name: 'x', kind: 'read' },
    { name: 'matrix.v', kind: 'read' },
    ...(bias ? [{ name: 'bias', kind: 'read' } as const] : []),
    { name: 'out', kind: 'write' },
    { name: 'sizes', kind: 'uniform' },
  ];
  const floats = 'array<f32>';
  return {
    label: `matmul f32 ${rows} x ${columns}`,
    entryPoint: 'main',
    bindings,
    workgroups: (sizes) => grid(Math.ceil((sizes.rows * rows) / WORKGROUP), traits),
    code: `${SIZES_WGSL}
${declareBindings(bindings, { x: floats, 'matrix.v': floats, bias: floats, out: floats, sizes: 'Sizes' })}
const ROWS = ${rows}u;
const COLUMNS = ${columns}u;
const FIRST_ROW = ${firstRow}u;
const OUT_WIDTH = ${outWidth}u;
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = (workgroup.x + workgroup.y * groups.x) * ${WORKGROUP}u + local;
  if (i >= sizes.rows * ROWS) { return; }
  let token = i / ROWS;
  let row = i % ROWS;
  var sum = ${bias ? 'bias[FIRST_ROW + row]' : '0.0'};
  for (var c = 0u; c < COLUMNS; c++) { sum += x[token * COLUMNS + c] * matrix_v[row * COLUMNS + c]; }
  out[token * OUT_WIDTH + ${outColumn}u + row] = sum;
}
`,
  };
}
