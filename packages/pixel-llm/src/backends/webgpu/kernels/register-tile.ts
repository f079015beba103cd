/**
 * The heart of products with many rows on both sides: tiles of both in workgroup memory, 64 rows x 64 tokens, 16 columns at a time; each of 128
 * invocations adds up 8 rows x 4 tokens in registers, with three reads for 32 multiply-adds. One half of the workgroup brings the rows,
 * the other the tokens, one each; how they are read is the kernel's own.
 */

/** Rows, and tokens, of a tile. */
export const TILE = 64;
/** Columns at a time. */
export const DEPTH = 16;
export const TILE_WORKGROUP: number = 2 * TILE;

const QUADS = TILE / 4;
const EACH_TOKEN = [0, 1, 2, 3];

export const TILE_DECLARATIONS: string = `var<workgroup> tile_w: array<vec4<f32>, ${DEPTH * QUADS}>;
var<workgroup> tile_x: array<vec4<f32>, ${DEPTH * QUADS}>;`;

export interface TileText {
  /** How many times 16 columns: an expression. */
  readonly units: string;
  /** Statements that bring the row or token `own` (0 to 63) of the tile, columns 16 `unit` on, by `bring`. */
  readonly row: string;
  readonly token: string;
}

/** Values of columns 4 j to 4 j + 3, to their place in the tile of rows (`tile_w`) or tokens (`tile_x`). */
export function bring(tile: 'tile_w' | 'tile_x', value: string): string {
  return EACH_TOKEN.map(
    (i) => `${tile}[(4u * j + ${i}u) * ${QUADS}u + own / 4u][own % 4u] = ${value}.${'xyzw'[i]};`,
  ).join(' ');
}

/** Statements of `main`, whose `lane` is the invocation's number: the sums, to be stored by `storeTile`. */
export function tileProducts({ units, row, token }: TileText): string {
  return `${EACH_TOKEN.map((t) => `var low${t} = vec4(0.0); var high${t} = vec4(0.0);`).join('\n  ')}
  let part_row = lane / 16u;
  let part_token = lane % 16u;
  for (var unit = 0u; unit < ${units}; unit++) {
    if (lane < ${TILE}u) {
      ${row}
    } else {
      ${token}
    }
    workgroupBarrier();
    for (var k = 0u; k < ${DEPTH}u; k++) {
      let w0 = tile_w[k * ${QUADS}u + 2u * part_row];
      let w1 = tile_w[k * ${QUADS}u + 2u * part_row + 1u];
      let by = tile_x[k * ${QUADS}u + part_token];
      ${EACH_TOKEN.map((t) => `low${t} += w0 * by.${'xyzw'[t]}; high${t} += w1 * by.${'xyzw'[t]};`).join('\n      ')}
    }
    workgroupBarrier();
  }`;
}

/** Calls `store(token, row, low, high)` for the invocation's four tokens: eight rows from `row` on. */
export function storeTile(firstToken: string, firstRow: string): string {
  return EACH_TOKEN.map(
    (t) => `store(${firstToken} + 4u * part_token + ${t}u, ${firstRow} + 8u * part_row, low${t}, high${t});`,
  ).join('\n  ');
}
