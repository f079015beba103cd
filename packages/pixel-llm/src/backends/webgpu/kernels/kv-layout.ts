/**
 * How keys and values lie in the cache, and how a kernel finds them: what the kernels that append to it and attend over it share.
 *
 * A layer has two buffers, `keys` and `values`, alike: for each place, kvHeads x headStride elements, a head's headDim first and zeros up
 * to headStride (a multiple of 8). f32 elements are words; f16 elements are two to a word, the first in the lower half, as pack2x16float does it, so that
 * a device without 16-bit floats keeps them, too. Either way a head begins on 16 bytes, for `array<vec4<u32>>` or `array<vec4<f32>>`.
 *
 * `entries: array<vec4<u32>>` [tokens] tells of each entry of the batch: x its position, y where its sequence's page list begins in
 * `pages: array<u32>`, z the place of its own keys and values, w its sequence. Position p of its sequence is at the place
 * `pages[entry.y + p / PAGE_TOKENS] * PAGE_TOKENS + p % PAGE_TOKENS`.
 */

export interface KvLayout {
  readonly type: 'f16' | 'f32';
  readonly kvHeads: number;
  readonly headDim: number;
  /** Positions a page holds. */
  readonly pageTokens: number;
}

/** Elements from one head to the next. */
export function headStride({ headDim }: Pick<KvLayout, 'headDim'>): number {
  return Math.ceil(headDim / 8) * 8;
}

/** 32-bit words that the keys of one position take; its values take as many. */
export function placeWords(layout: KvLayout): number {
  return (layout.kvHeads * headStride(layout)) / (layout.type === 'f16' ? 2 : 1);
}
