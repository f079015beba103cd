/**
 * The matrix product as such: every row of one matrix with every row of another, in f32 or in f16 packed two to a word (so that it works
 * where kernels have no 16-bit floats; sums are f32 either way). Sizes are known when it runs: one pipeline for all shapes.
 */
import { type DeviceTraits, declareBindings, grid, type Kernel, type KernelBinding } from './kernel.ts';
import { bring, DEPTH, storeTile, TILE, TILE_DECLARATIONS, TILE_WORKGROUP, tileProducts } from './register-tile.ts';

export interface MatrixShape {
  /** Rows of `a`, and of `out`. */
  readonly rows: number;
  /** Rows of `b`: columns of `out`. */
  readonly columns: number;
  /** Columns of both. */
  readonly inner: number;
}

/**
 * `a` [rows, inner], `b` [columns, inner] -> `out` [rows, columns] f32: a times b transposed. Rows of `a` and `b` are padded with zeros to a
 * multiple of four numbers; `shape` is a uniform of u32: rows, columns, inner, 0.
 */
export function matrixProductKernel(type: 'f32' | 'f16', shape: MatrixShape, traits: DeviceTraits): Kernel {
  const bindings: KernelBinding[] = [
    { name: 'a', kind: 'read' },
    { name: 'b', kind: 'read' },
    { name: 'out', kind: 'write' },
    { name: 'shape', kind: 'uniform' },
  ];
  const numbers = type === 'f16' ? 'array<vec2<u32>>' : 'array<vec4<f32>>';
  const quad = type === 'f16' ? 'vec4(unpack2x16float(four.x), unpack2x16float(four.y))' : 'four';
  const read = (name: string, row: string, rows: string): string => `
      let row = min(${row} + own, shape.${rows} - 1u) * inner_quads;
      for (var j = 0u; j < 4u; j++) {
        let four = ${name}[row + min(4u * unit + j, inner_quads - 1u)];
        let value = select(vec4(0.0), ${quad}, 4u * unit + j < inner_quads);
        ${bring(name === 'b' ? 'tile_w' : 'tile_x', 'value')}
      }`;
  return {
    label: `matrix product ${type}`,
    entryPoint: 'main',
    bindings,
    workgroups: () => grid(Math.ceil(shape.rows / TILE) * Math.ceil(shape.columns / TILE), traits),
    code: `struct Shape { rows: u32, columns: u32, inner: u32, spare: u32 }
${declareBindings(bindings, { a: numbers, b: numbers, out: 'array<f32>', shape: 'Shape' })}
${TILE_DECLARATIONS}
@compute @workgroup_size(${TILE_WORKGROUP})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let tiles = (shape.columns + ${TILE - 1}u) / ${TILE}u;
  let tile = workgroup.x + workgroup.y * groups.x;
  let first_column = (tile % tiles) * ${TILE}u;
  let first_row = (tile / tiles) * ${TILE}u;
  if (first_row >= shape.rows) { return; }
  let inner_quads = (shape.inner + 3u) / 4u;
  let own = lane % ${TILE}u;
  ${tileProducts({
    units: `(shape.inner + ${DEPTH - 1}u) / ${DEPTH}u`,
    row: read('b', 'first_column', 'columns'),
    token: read('a', 'first_row', 'rows'),
  })}
  ${storeTile('first_row', 'first_column')}
}
fn store(row: u32, column: u32, low: vec4<f32>, high: vec4<f32>) {
  if (row >= shape.rows) { return; }
  for (var i = 0u; i < 8u; i++) {
    if (column + i < shape.columns) { out[row * shape.columns + column + i] = select(high[i & 3u], low[i & 3u], i < 4u); }
  }
}
`,
  };
}
