/**
 * The f32 matrix product of training: C [m, n] (+)= A [m, k] x B [k, n], each operand with strides of its own, so that transposed products
 * need no transposed copies. Blocks of A and B are packed into panels that fit the caches (Goto and van de Geijn, "Anatomy of
 * High-Performance Matrix Multiplication", 2008); the innermost loop keeps a tile of 4 x 8 results in registers.
 */
import { multiplyAdd } from './dot';

/** Of a packed block of A: 64 KiB. */
const BLOCK_M: i32 = 64;
const BLOCK_K: i32 = 256;
/** Columns of a packed block of B: 512 KiB. */
const BLOCK_N: i32 = 512;

const TILE_M: i32 = 4;
const TILE_N: i32 = 8;

/** Bytes of scratch that `gemm` needs. */
export function gemmScratchBytes(): usize {
  return 4 * <usize>(BLOCK_M * BLOCK_K + BLOCK_K * BLOCK_N + TILE_M * TILE_N);
}

/** Strides in bytes; the columns of C stand together. */
export function gemm(
  m: i32,
  n: i32,
  k: i32,
  a: usize,
  aRow: usize,
  aColumn: usize,
  b: usize,
  bRow: usize,
  bColumn: usize,
  c: usize,
  cRow: usize,
  accumulate: i32,
  scratch: usize,
): void {
  const packedA = scratch;
  const packedB = packedA + 4 * <usize>(BLOCK_M * BLOCK_K);
  const edge = packedB + 4 * <usize>(BLOCK_K * BLOCK_N);
  for (let j: i32 = 0; j < n; j += BLOCK_N) {
    const columns = min(BLOCK_N, n - j);
    for (let p: i32 = 0; p < k; p += BLOCK_K) {
      const depth = min(BLOCK_K, k - p);
      packPanels(TILE_N, b + bRow * <usize>p + bColumn * <usize>j, bColumn, bRow, columns, depth, packedB);
      for (let i: i32 = 0; i < m; i += BLOCK_M) {
        const rows = min(BLOCK_M, m - i);
        packPanels(TILE_M, a + aRow * <usize>i + aColumn * <usize>p, aRow, aColumn, rows, depth, packedA);
        const corner = c + cRow * <usize>i + 4 * <usize>j;
        block(rows, columns, depth, packedA, packedB, corner, cRow, accumulate | p, edge);
      }
    }
  }
}

/** All tiles of a block. `adds`: not 0 when results are added to what is there. */
function block(
  rows: i32,
  columns: i32,
  depth: i32,
  packedA: usize,
  packedB: usize,
  c: usize,
  cRow: usize,
  adds: i32,
  edge: usize,
): void {
  for (let j: i32 = 0; j < columns; j += TILE_N) {
    const panelB = packedB + 4 * <usize>(j * depth);
    for (let i: i32 = 0; i < rows; i += TILE_M) {
      const panelA = packedA + 4 * <usize>(i * depth);
      const to = c + cRow * <usize>i + 4 * <usize>j;
      if (i + TILE_M <= rows && j + TILE_N <= columns) {
        tile(depth, panelA, panelB, to, cRow, adds);
        continue;
      }
      // At the edge: a whole tile beside, of which only what exists is taken.
      const height = min(TILE_M, rows - i);
      const width = min(TILE_N, columns - j);
      tile(depth, panelA, panelB, edge, 4 * TILE_N, 0);
      for (let y: i32 = 0; y < height; y++) {
        for (let x: i32 = 0; x < width; x++) {
          const value = load<f32>(edge + 4 * <usize>(y * TILE_N + x));
          const at = to + cRow * <usize>y + 4 * <usize>x;
          store<f32>(at, adds ? load<f32>(at) + value : value);
        }
      }
    }
  }
}

/** 4 x 8 results over the whole depth of a block. Added to C at the end, so that an edge tile rounds as a whole one does. */
@inline
function tile(depth: i32, a: usize, b: usize, c: usize, cRow: usize, adds: i32): void {
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0);
  let c31 = f32x4.splat(0);
  for (let p: i32 = 0; p < depth; p++) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const a0 = v128.load32_splat(a);
    c00 = multiplyAdd(a0, b0, c00);
    c01 = multiplyAdd(a0, b1, c01);
    const a1 = v128.load32_splat(a, 4);
    c10 = multiplyAdd(a1, b0, c10);
    c11 = multiplyAdd(a1, b1, c11);
    const a2 = v128.load32_splat(a, 8);
    c20 = multiplyAdd(a2, b0, c20);
    c21 = multiplyAdd(a2, b1, c21);
    const a3 = v128.load32_splat(a, 12);
    c30 = multiplyAdd(a3, b0, c30);
    c31 = multiplyAdd(a3, b1, c31);
    a += 16;
    b += 32;
  }
  put(c, c00, c01, adds);
  put(c + cRow, c10, c11, adds);
  put(c + 2 * cRow, c20, c21, adds);
  put(c + 3 * cRow, c30, c31, adds);
}

@inline
function put(c: usize, left: v128, right: v128, adds: i32): void {
  v128.store(c, adds ? f32x4.add(v128.load(c), left) : left);
  v128.store(c + 16, adds ? f32x4.add(v128.load(c, 16), right) : right);
}

/**
 * Packs `count` lines of `depth` values into panels of `width` lines: for each depth, the values of a panel's lines together; missing lines
 * are zeros. `along`: the stride from line to line; `down`: from one depth to the next.
 */
@inline
function packPanels(width: i32, from: usize, along: usize, down: usize, count: i32, depth: i32, to: usize): void {
  for (let line: i32 = 0; line < count; line += width) {
    const source = from + along * <usize>line;
    if (line + width > count) packEdge(width, source, along, down, count - line, depth, to);
    else if (along === 4) packTogether(width, source, down, depth, to);
    else if (down === 4) packTransposed(width, source, along, depth, to);
    else packEdge(width, source, along, down, width, depth, to);
    to += 4 * <usize>(width * depth);
  }
}

/** Lines stand side by side: whole vectors are copied. */
@inline
function packTogether(width: i32, from: usize, down: usize, depth: i32, to: usize): void {
  for (let p: i32 = 0; p < depth; p++) {
    v128.store(to, v128.load(from));
    if (width === 8) v128.store(to, v128.load(from, 16), 16);
    from += down;
    to += 4 * <usize>width;
  }
}

/** Each line's values stand together: squares of 4 x 4 are turned. */
@inline
function packTransposed(width: i32, from: usize, along: usize, depth: i32, to: usize): void {
  let p: i32 = 0;
  for (; p + 4 <= depth; p += 4) {
    turn(from + 4 * <usize>p, along, to, 4 * <usize>width);
    if (width === 8) turn(from + 4 * along + 4 * <usize>p, along, to + 16, 4 * <usize>width);
    to += 16 * <usize>width;
  }
  for (; p < depth; p++) {
    for (let line: i32 = 0; line < width; line++) {
      store<f32>(to + 4 * <usize>line, load<f32>(from + along * <usize>line + 4 * <usize>p));
    }
    to += 4 * <usize>width;
  }
}

@inline
function turn(from: usize, along: usize, to: usize, stride: usize): void {
  const a = v128.load(from);
  const b = v128.load(from + along);
  const c = v128.load(from + 2 * along);
  const d = v128.load(from + 3 * along);
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const abHigh = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cdHigh = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i64>(ab, cd, 0, 2));
  v128.store(to + stride, v128.shuffle<i64>(ab, cd, 1, 3));
  v128.store(to + 2 * stride, v128.shuffle<i64>(abHigh, cdHigh, 0, 2));
  v128.store(to + 3 * stride, v128.shuffle<i64>(abHigh, cdHigh, 1, 3));
}

function packEdge(width: i32, from: usize, along: usize, down: usize, count: i32, depth: i32, to: usize): void {
  for (let p: i32 = 0; p < depth; p++) {
    for (let line: i32 = 0; line < width; line++) {
      store<f32>(to + 4 * <usize>line, line < count ? load<f32>(from + along * <usize>line) : 0);
    }
    from += down;
    to += 4 * <usize>width;
  }
}
