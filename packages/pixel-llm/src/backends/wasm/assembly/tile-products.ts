/**
 * Products of block-quantized weights with several tokens, two exports a type: for machines with a relaxed dot product that is exact
 * and quick, and for those where pairs are better (panels.ts says what that means). Without relaxed SIMD both are the same.
 */
import { MINIMUM, PLAIN, SUPER16, SUPER32 } from './blocks';
import { DIRECT, PAIRS, WORDS } from './panels';
import { tiles } from './tiles';

const FIRST: i32 = ASC_FEATURE_RELAXED_SIMD ? DIRECT : WORDS;
const SECOND: i32 = ASC_FEATURE_RELAXED_SIMD ? PAIRS : WORDS;

// weights [rows, 32 x blocks], packed; q, meta: quantized activations [tokens]; out [tokens, outStride bytes a row] f32; bias [rows,
// padded to 4] f32 or 0; scratch: tileScratch.

export function tilesQ4_0(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, scratch: usize): void {
  tiles(FIRST, 4, PLAIN, 3, weights, rows, blocks, q, meta, tokens, out, outStride, bias, scratch);
}
export function tilesQ4_0Pairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, scratch: usize): void {
  tiles(SECOND, 4, PLAIN, 3, weights, rows, blocks, q, meta, tokens, out, outStride, bias, scratch);
}
export function tilesQ4_1(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, scratch: usize): void {
  tiles(FIRST, 4, MINIMUM, 0, weights, rows, blocks, q, meta, tokens, out, outStride, bias, scratch);
}
export function tilesQ4_1Pairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, scratch: usize): void {
  tiles(SECOND, 4, MINIMUM, 0, weights, rows, blocks, q, meta, tokens, out, outStride, bias, scratch);
}
export function tilesQ5_0(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, scratch: usize): void {
  tiles(FIRST, 5, PLAIN, 4, weights, rows, blocks, q, meta, tokens, out, outStride, bias, scratch);
}
export function tilesQ5_0Pairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, scratch: usize): void {
  tiles(SECOND, 5, PLAIN, 4, weights, rows, blocks, q, meta, tokens, out, outStride, bias, scratch);
}
export function tilesQ5_1(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, scratch: usize): void {
  tiles(FIRST, 5, MINIMUM, 0, weights, rows, blocks, q, meta, tokens, out, outStride, bias, scratch);
}
export function tilesQ5_1Pairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, scratch: usize): void {
  tiles(SECOND, 5, MINIMUM, 0, weights, rows, blocks, q, meta, tokens, out, outStride, bias, scratch);
}
export function tilesQ8_0(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, scratch: usize): void {
  tiles(FIRST, 8, PLAIN, 7, weights, rows, blocks, q, meta, tokens, out, outStride, bias, scratch);
}
export function tilesQ8_0Pairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, scratch: usize): void {
  tiles(WORDS, 8, PLAIN, 7, weights, rows, blocks, q, meta, tokens, out, outStride, bias, scratch);
}
export function tilesQ3_K(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, scratch: usize): void {
  tiles(FIRST, 4, SUPER16, 2, weights, rows, blocks, q, meta, tokens, out, outStride, bias, scratch);
}
export function tilesQ3_KPairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, scratch: usize): void {
  tiles(SECOND, 4, SUPER16, 2, weights, rows, blocks, q, meta, tokens, out, outStride, bias, scratch);
}
export function tilesQ4_K(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, scratch: usize): void {
  tiles(FIRST, 4, SUPER32, 0, weights, rows, blocks, q, meta, tokens, out, outStride, bias, scratch);
}
export function tilesQ4_KPairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, scratch: usize): void {
  tiles(SECOND, 4, SUPER32, 0, weights, rows, blocks, q, meta, tokens, out, outStride, bias, scratch);
}
export function tilesQ5_K(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, scratch: usize): void {
  tiles(FIRST, 5, SUPER32, 0, weights, rows, blocks, q, meta, tokens, out, outStride, bias, scratch);
}
export function tilesQ5_KPairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, scratch: usize): void {
  tiles(SECOND, 5, SUPER32, 0, weights, rows, blocks, q, meta, tokens, out, outStride, bias, scratch);
}
export function tilesQ6_K(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, scratch: usize): void {
  tiles(FIRST, 6, SUPER16, 5, weights, rows, blocks, q, meta, tokens, out, outStride, bias, scratch);
}
export function tilesQ6_KPairs(weights: usize, rows: i32, blocks: i32, q: usize, meta: usize, tokens: i32, out: usize, outStride: usize, bias: usize, scratch: usize): void {
  tiles(SECOND, 6, SUPER16, 5, weights, rows, blocks, q, meta, tokens, out, outStride, bias, scratch);
}
