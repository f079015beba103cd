/**
 * Products with block-quantized weights, one export a type: one token streams the weights, several share unpacked panels. These sum
 * in quads (dot.ts); pair-products.ts has them in pairs.
 */
import { groupBytes, MINIMUM, PLAIN, SUPER16, SUPER32 } from './blocks';
import { PAIRS, QUADS } from './dot';
import { product } from './product';
import { panelRow, unpackGroup } from './tiles';

@inline
function row(bits: i32, scaling: i32, shift: i32, weights: usize, index: i32, blocks: i32, out: usize, panel: usize): void {
  unpackGroup(bits, scaling, PAIRS, weights + groupBytes(bits, scaling, blocks) * <usize>(index >> 2), blocks, panel);
  panelRow(panel, index & 3, blocks, scaling, shift, out);
}

// product*: weights [rows, 32 x blocks], packed; q, meta: quantized activations [tokens]; out [tokens, outStride bytes a row] f32;
// bias [rows, padded to 4] f32 or 0; panels: scratch. row*: row `index` as f32.

export function productQ4_0(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, panels: usize): void {
  product(4, PLAIN, 3, QUADS, weights, rows, blocks, q, meta, tokens, out, outStride, bias, panels);
}
export function rowQ4_0(weights: usize, index: i32, blocks: i32, out: usize, panel: usize): void {
  row(4, PLAIN, 3, weights, index, blocks, out, panel);
}
export function productQ4_1(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, panels: usize): void {
  product(4, MINIMUM, 0, QUADS, weights, rows, blocks, q, meta, tokens, out, outStride, bias, panels);
}
export function rowQ4_1(weights: usize, index: i32, blocks: i32, out: usize, panel: usize): void {
  row(4, MINIMUM, 0, weights, index, blocks, out, panel);
}
export function productQ5_0(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, panels: usize): void {
  product(5, PLAIN, 4, QUADS, weights, rows, blocks, q, meta, tokens, out, outStride, bias, panels);
}
export function rowQ5_0(weights: usize, index: i32, blocks: i32, out: usize, panel: usize): void {
  row(5, PLAIN, 4, weights, index, blocks, out, panel);
}
export function productQ5_1(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, panels: usize): void {
  product(5, MINIMUM, 0, QUADS, weights, rows, blocks, q, meta, tokens, out, outStride, bias, panels);
}
export function rowQ5_1(weights: usize, index: i32, blocks: i32, out: usize, panel: usize): void {
  row(5, MINIMUM, 0, weights, index, blocks, out, panel);
}
export function productQ8_0(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, panels: usize): void {
  product(8, PLAIN, 7, QUADS, weights, rows, blocks, q, meta, tokens, out, outStride, bias, panels);
}
export function rowQ8_0(weights: usize, index: i32, blocks: i32, out: usize, panel: usize): void {
  row(8, PLAIN, 7, weights, index, blocks, out, panel);
}
export function productQ3_K(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, panels: usize): void {
  product(4, SUPER16, 2, QUADS, weights, rows, blocks, q, meta, tokens, out, outStride, bias, panels);
}
export function rowQ3_K(weights: usize, index: i32, blocks: i32, out: usize, panel: usize): void {
  row(4, SUPER16, 2, weights, index, blocks, out, panel);
}
export function productQ4_K(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, panels: usize): void {
  product(4, SUPER32, 0, QUADS, weights, rows, blocks, q, meta, tokens, out, outStride, bias, panels);
}
export function rowQ4_K(weights: usize, index: i32, blocks: i32, out: usize, panel: usize): void {
  row(4, SUPER32, 0, weights, index, blocks, out, panel);
}
export function productQ5_K(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, panels: usize): void {
  product(5, SUPER32, 0, QUADS, weights, rows, blocks, q, meta, tokens, out, outStride, bias, panels);
}
export function rowQ5_K(weights: usize, index: i32, blocks: i32, out: usize, panel: usize): void {
  row(5, SUPER32, 0, weights, index, blocks, out, panel);
}
export function productQ6_K(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, panels: usize): void {
  product(6, SUPER16, 5, QUADS, weights, rows, blocks, q, meta, tokens, out, outStride, bias, panels);
}
export function rowQ6_K(weights: usize, index: i32, blocks: i32, out: usize, panel: usize): void {
  row(6, SUPER16, 5, weights, index, blocks, out, panel);
}
