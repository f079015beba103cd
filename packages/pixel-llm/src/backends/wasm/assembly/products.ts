/** Products of block-quantized weights with one token, and single rows of them: three exports a type. */
import { groupBytes, MINIMUM, PLAIN, SUPER16, SUPER32 } from './blocks';
import { DIRECT, PAIRS } from './dot';
import { matvec } from './matvec';
import { panelRow, unpackGroup } from './panels';

/** Without relaxed SIMD both ways are the same. */
const SECOND: i32 = ASC_FEATURE_RELAXED_SIMD ? PAIRS : DIRECT;

@inline
function row(bits: i32, scaling: i32, shift: i32, weights: usize, index: i32, blocks: i32, out: usize, panel: usize): void {
  const group = weights + groupBytes(bits, scaling, blocks) * <usize>(index >> 2);
  unpackGroup(DIRECT, bits, scaling, shift, group, blocks, 0, blocks, panel);
  panelRow(panel, index & 3, blocks, scaling, shift, out);
}

// product*: weights [rows, 32 x blocks], packed; q, meta: quantized activations of one token; out [rows] f32; bias [rows, padded to 4]
// f32 or 0. row*: row `index` as f32; panel: scratch.

export function productQ4_0(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, out: usize, bias: usize): void {
  matvec(4, PLAIN, 3, DIRECT, weights, rows, blocks, q, meta, out, bias);
}
export function productQ4_0Pairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, out: usize, bias: usize): void {
  matvec(4, PLAIN, 3, SECOND, weights, rows, blocks, q, meta, out, bias);
}
export function rowQ4_0(weights: usize, index: i32, blocks: i32, out: usize, panel: usize): void {
  row(4, PLAIN, 3, weights, index, blocks, out, panel);
}
export function productQ4_1(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, out: usize, bias: usize): void {
  matvec(4, MINIMUM, 0, DIRECT, weights, rows, blocks, q, meta, out, bias);
}
export function productQ4_1Pairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, out: usize, bias: usize): void {
  matvec(4, MINIMUM, 0, SECOND, weights, rows, blocks, q, meta, out, bias);
}
export function rowQ4_1(weights: usize, index: i32, blocks: i32, out: usize, panel: usize): void {
  row(4, MINIMUM, 0, weights, index, blocks, out, panel);
}
export function productQ5_0(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, out: usize, bias: usize): void {
  matvec(5, PLAIN, 4, DIRECT, weights, rows, blocks, q, meta, out, bias);
}
export function productQ5_0Pairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, out: usize, bias: usize): void {
  matvec(5, PLAIN, 4, SECOND, weights, rows, blocks, q, meta, out, bias);
}
export function rowQ5_0(weights: usize, index: i32, blocks: i32, out: usize, panel: usize): void {
  row(5, PLAIN, 4, weights, index, blocks, out, panel);
}
export function productQ5_1(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, out: usize, bias: usize): void {
  matvec(5, MINIMUM, 0, DIRECT, weights, rows, blocks, q, meta, out, bias);
}
export function productQ5_1Pairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, out: usize, bias: usize): void {
  matvec(5, MINIMUM, 0, SECOND, weights, rows, blocks, q, meta, out, bias);
}
export function rowQ5_1(weights: usize, index: i32, blocks: i32, out: usize, panel: usize): void {
  row(5, MINIMUM, 0, weights, index, blocks, out, panel);
}
export function productQ8_0(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, out: usize, bias: usize): void {
  matvec(8, PLAIN, 7, DIRECT, weights, rows, blocks, q, meta, out, bias);
}
export function productQ8_0Pairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, out: usize, bias: usize): void {
  matvec(8, PLAIN, 7, SECOND, weights, rows, blocks, q, meta, out, bias);
}
export function rowQ8_0(weights: usize, index: i32, blocks: i32, out: usize, panel: usize): void {
  row(8, PLAIN, 7, weights, index, blocks, out, panel);
}
export function productQ3_K(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, out: usize, bias: usize): void {
  matvec(4, SUPER16, 2, DIRECT, weights, rows, blocks, q, meta, out, bias);
}
export function productQ3_KPairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, out: usize, bias: usize): void {
  matvec(4, SUPER16, 2, SECOND, weights, rows, blocks, q, meta, out, bias);
}
export function rowQ3_K(weights: usize, index: i32, blocks: i32, out: usize, panel: usize): void {
  row(4, SUPER16, 2, weights, index, blocks, out, panel);
}
export function productQ4_K(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, out: usize, bias: usize): void {
  matvec(4, SUPER32, 0, DIRECT, weights, rows, blocks, q, meta, out, bias);
}
export function productQ4_KPairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, out: usize, bias: usize): void {
  matvec(4, SUPER32, 0, SECOND, weights, rows, blocks, q, meta, out, bias);
}
export function rowQ4_K(weights: usize, index: i32, blocks: i32, out: usize, panel: usize): void {
  row(4, SUPER32, 0, weights, index, blocks, out, panel);
}
export function productQ5_K(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, out: usize, bias: usize): void {
  matvec(5, SUPER32, 0, DIRECT, weights, rows, blocks, q, meta, out, bias);
}
export function productQ5_KPairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, out: usize, bias: usize): void {
  matvec(5, SUPER32, 0, SECOND, weights, rows, blocks, q, meta, out, bias);
}
export function rowQ5_K(weights: usize, index: i32, blocks: i32, out: usize, panel: usize): void {
  row(5, SUPER32, 0, weights, index, blocks, out, panel);
}
export function productQ6_K(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, out: usize, bias: usize): void {
  matvec(6, SUPER16, 5, DIRECT, weights, rows, blocks, q, meta, out, bias);
}
export function productQ6_KPairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, out: usize, bias: usize): void {
  matvec(6, SUPER16, 5, SECOND, weights, rows, blocks, q, meta, out, bias);
}
export function rowQ6_K(weights: usize, index: i32, blocks: i32, out: usize, panel: usize): void {
  row(6, SUPER16, 5, weights, index, blocks, out, panel);
}
