/**
 * Products of a matrix of any weight type with many rows of activations: prompts. Bound by arithmetic, so it works in tiles (register-tile.ts):
 * one half of a workgroup decodes the weights of a row each, the other reads the activations of a token each.
 */
import { PixelError } from '../../../core/errors.ts';
import { type DeviceTraits, declareBindings, type Kernel, type KernelBinding, SIZES_WGSL } from './kernel.ts';
import { bring, DEPTH, storeTile, TILE, TILE_DECLARATIONS, TILE_WORKGROUP, tileProducts } from './register-tile.ts';
import { WEIGHT_FUNCTIONS_WGSL, type WeightFormat, weightFormat } from './weight-formats.ts';

export interface TiledProductSpec {
  /** Its planes are bound as `matrix.PLANE`. */
  readonly type: string;
  readonly rows: number;
  readonly columns: number;
  /** `f16`: two to a word, the first in the lower half; columns a multiple of 4. */
  readonly x?: 'f32' | 'f16';
  /** `bias` [rows], added. */
  readonly bias?: boolean;
  /** `residual` of the shape of `out`, added. */
  readonly residual?: boolean;
  /** Where these rows stand in a row of `out`, `bias` and `residual`, and how long that is. */
  readonly out?: { readonly first: number; readonly width: number };
}

/** `x` [sizes.rows, columns] -> `out` [sizes.rows, rows]. Throws `unsupported-type`, `bad-argument`. */
export function tiledProductKernel(spec: TiledProductSpec, traits: DeviceTraits): Kernel {
  const { type, rows, columns, x = 'f32', bias, residual, out = { first: 0, width: rows } } = spec;
  if (x === 'f16' && columns % 4 !== 0) {
    throw new PixelError('bad-argument', `Rows of ${columns} halves are not packed two to a word in fours.`);
  }
  const format = weightFormat(type, columns);
  const { bindings, types } = bindingsOf(spec, format);
  const tiles = Math.ceil(rows / TILE);
  return {
    label: `tiled product ${type} ${rows} x ${columns}${x === 'f16' ? ', f16' : ''}${bias ? ', bias' : ''}${residual ? ', residual' : ''}`,
    entryPoint: 'main',
    bindings,
    workgroups: ({ rows: tokens }) => fold(tiles, Math.ceil(tokens / TILE), traits),
    code: `${SIZES_WGSL}
${declareBindings(bindings, types)}
${WEIGHT_FUNCTIONS_WGSL}
${format.wgsl('matrix')}
${TILE_DECLARATIONS}
${xFunction(spec)}
@compute @workgroup_size(${TILE_WORKGROUP})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let tile_row = workgroup.x * ${TILE}u;
  let tile_token = (workgroup.y + workgroup.z * ${traits.maxWorkgroups}u) * ${TILE}u;
  if (tile_token >= sizes.rows) { return; }
  ${format.setup('matrix', 'lane')}
  let own = lane % ${TILE}u;
  let row = min(tile_row + own, ${rows - 1}u);
  let token = min(tile_token + own, sizes.rows - 1u);
  ${tileProducts({
    units: `${Math.ceil(columns / DEPTH)}u`,
    row: decodeUnit(format, columns),
    token: `for (var j = 0u; j < 4u; j++) {
        let value = x_quad(token, 4u * unit + j);
        ${bring('tile_x', 'value')}
      }`,
  })}
  ${storeTile('tile_token', 'tile_row')}
}
fn store(token: u32, row: u32, low: vec4<f32>, high: vec4<f32>) {
  if (token >= sizes.rows) { return; }
  for (var i = 0u; i < 8u; i++) {
    if (row + i < ${rows}u) {
      let at = ${out.first}u + row + i;
      var value = select(high[i & 3u], low[i & 3u], i < 4u);
      ${bias ? 'value += bias[at];' : ''}
      ${residual ? `value += residual[token * ${out.width}u + at];` : ''}
      out[token * ${out.width}u + at] = value;
    }
  }
}
`,
  };
}

/** Tiles of rows along x; of tokens along y, and along z when there are very many. */
function fold(rowTiles: number, tokenTiles: number, { maxWorkgroups }: DeviceTraits): [number, number, number] {
  return [rowTiles, Math.min(tokenTiles, maxWorkgroups), Math.ceil(tokenTiles / maxWorkgroups)];
}

function bindingsOf(
  { columns, x = 'f32', bias, residual }: TiledProductSpec,
  { planes }: WeightFormat,
): { bindings: KernelBinding[]; types: Record<string, string> } {
  const numbers = columns % 4 === 0 ? 'array<vec4<f32>>' : 'array<f32>';
  const types = {
    x: x === 'f16' ? 'array<vec2<u32>>' : numbers,
    ...Object.fromEntries(Object.entries(planes).map(([plane, type]) => [`matrix.${plane}`, type])),
    ...(bias ? { bias: 'array<f32>' } : {}),
    ...(residual ? { residual: 'array<f32>' } : {}),
  };
  const read = Object.keys(types).map((name) => ({ name, kind: 'read' }) as const);
  const bindings: KernelBinding[] = [...read, { name: 'out', kind: 'write' }, { name: 'sizes', kind: 'uniform' }];
  return { bindings, types: { ...types, out: 'array<f32>', sizes: 'Sizes' } };
}

/** Columns 4 q to 4 q + 3 of a token; zeros beyond the last. */
function xFunction({ columns, x = 'f32' }: TiledProductSpec): string {
  const head = 'fn x_quad(token: u32, q: u32) -> vec4<f32> {';
  if (columns % 4 !== 0) {
    const one = (i: number): string => `x_at(token, 4u * q + ${i}u)`;
    return `fn x_at(token: u32, column: u32) -> f32 {
  if (column >= ${columns}u) { return 0.0; }
  return x[token * ${columns}u + column];
}
${head} return vec4(${[0, 1, 2, 3].map(one).join(', ')}); }`;
  }
  const read = x === 'f16' ? 'vec4(unpack2x16float(pair.x), unpack2x16float(pair.y))' : 'pair';
  return `${head}
  if (q >= ${columns / 4}u) { return vec4(0.0); }
  let pair = x[token * ${columns / 4}u + q];
  return ${read};
}`;
}

/** The invocation's row: 16 weights from column 16 unit on, into the tile. */
function decodeUnit(format: WeightFormat, columns: number): string {
  const { run, chunk, isScaled, hasOffset } = format;
  const chunks = columns / chunk;
  if (run >= DEPTH) {
    const place = format.place('unit');
    const quad = 'matrix_quad(k, g, r, j)';
    return `let r = ${place.run};
      let g = row * ${chunks}u + ${place.chunk};
      let k = matrix_load(g);
      let f = matrix_factor(k, g, r);
      for (var j = 0u; j < 4u; j++) {
        let value = ${isScaled ? `f.x * ${quad}${hasOffset ? ' + f.y' : ''}` : quad};
        ${bring('tile_w', 'value')}
      }`;
  }
  if (run === 1) {
    const one = (i: number): string => `value.${'xyzw'[i]} = matrix_quad(matrix_load(g + ${i}u), 0u, 0u, 0u).x;`;
    return `for (var j = 0u; j < 4u; j++) {
        let column = ${DEPTH}u * unit + 4u * j;
        let g = row * ${columns}u + column;
        var value = vec4(0.0);
        ${[0, 1, 2, 3].map((i) => `if (column + ${i}u < ${columns}u) { ${one(i)} }`).join('\n        ')}
        ${bring('tile_w', 'value')}
      }`;
  }
  const quads = chunk / 4;
  return `for (var j = 0u; j < 4u; j++) {
        let c = ${DEPTH / chunk}u * unit + j / ${quads}u;
        let g = row * ${chunks}u + min(c, ${chunks - 1}u);
        let value = select(vec4(0.0), matrix_quad(matrix_load(g), g, 0u, j % ${quads}u), c < ${chunks}u);
        ${bring('tile_w', 'value')}
      }`;
}
