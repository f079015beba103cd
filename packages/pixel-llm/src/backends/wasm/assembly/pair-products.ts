/** The products of products.ts for machines that sum products in pairs (PAIRS in dot.ts). Only the relaxed build has them. */
import { MINIMUM, PLAIN, SUPER16, SUPER32 } from './blocks';
import { PAIRS } from './dot';
import { product } from './product';

export function productQ4_0Pairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, panels: usize): void {
  product(4, PLAIN, 3, PAIRS, weights, rows, blocks, q, meta, tokens, out, outStride, bias, panels);
}
export function productQ4_1Pairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, panels: usize): void {
  product(4, MINIMUM, 0, PAIRS, weights, rows, blocks, q, meta, tokens, out, outStride, bias, panels);
}
export function productQ5_0Pairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, panels: usize): void {
  product(5, PLAIN, 4, PAIRS, weights, rows, blocks, q, meta, tokens, out, outStride, bias, panels);
}
export function productQ5_1Pairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, panels: usize): void {
  product(5, MINIMUM, 0, PAIRS, weights, rows, blocks, q, meta, tokens, out, outStride, bias, panels);
}
export function productQ8_0Pairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, panels: usize): void {
  product(8, PLAIN, 7, PAIRS, weights, rows, blocks, q, meta, tokens, out, outStride, bias, panels);
}
export function productQ3_KPairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, panels: usize): void {
  product(4, SUPER16, 2, PAIRS, weights, rows, blocks, q, meta, tokens, out, outStride, bias, panels);
}
export function productQ4_KPairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, panels: usize): void {
  product(4, SUPER32, 0, PAIRS, weights, rows, blocks, q, meta, tokens, out, outStride, bias, panels);
}
export function productQ5_KPairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, panels: usize): void {
  product(5, SUPER32, 0, PAIRS, weights, rows, blocks, q, meta, tokens, out, outStride, bias, panels);
}
export function productQ6_KPairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, panels: usize): void {
  product(6, SUPER16, 5, PAIRS, weights, rows, blocks, q, meta, tokens, out, outStride, bias, panels);
}
