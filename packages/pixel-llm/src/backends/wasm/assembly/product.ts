/** A product with block-quantized weights: with one token by matvec.ts, with several by tiles.ts. */
import { matvec } from './matvec';
import { tiles } from './tiles';

@inline
export function product(
  bits: i32,
  scaling: i32,
  shift: i32,
  way: i32,
  weights: usize,
  rows: i32,
  blocks: i32,
  q: usize,
  meta: usize,
  tokens: i32,
  out: usize,
  outStride: usize,
  bias: usize,
  panels: usize,
): void {
  if (tokens === 1) matvec(bits, scaling, shift, way, weights, rows, blocks, q, meta, out, bias);
  else tiles(bits, scaling, shift, way, weights, rows, blocks, q, meta, tokens, out, outStride, bias, panels);
}
