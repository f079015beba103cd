/** How a model's weights are stored, summed over tensors: what `inspect` lists and the legend of a drawing says. */
import type { TensorInfo } from '../../gguf/head.ts';
import { isKnownType } from '../../gguf/tensor-types.ts';

export interface TypeShare {
  readonly type: string;
  readonly tensors: number;
  readonly weights: number;
  readonly bytes: number;
}

/** Weights of a tensor. Of a type nobody here knows, the dimensions prove nothing: its bytes are counted. */
export function weightCount(tensor: TensorInfo): number {
  if (!isKnownType(tensor.type)) return tensor.byteLength;
  return tensor.dimensions.reduce((product, size) => product * size, 1);
}

/** Weights by type, the most frequent first. */
export function typeMix(tensors: Iterable<TensorInfo>): TypeShare[] {
  const shares = new Map<string, { type: string; tensors: number; weights: number; bytes: number }>();
  for (const tensor of tensors) {
    const { name: type } = tensor.type;
    const share = shares.get(type) ?? { type, tensors: 0, weights: 0, bytes: 0 };
    share.tensors++;
    share.weights += weightCount(tensor);
    share.bytes += tensor.byteLength;
    shares.set(type, share);
  }
  return [...shares.values()].sort((a, b) => b.weights - a.weights);
}

/** "Q4_K 88.1 %, Q6_K 11.8 %, F32 0.1 %" of the weights. */
export function formatTypeMix(mix: readonly TypeShare[]): string {
  const total = mix.reduce((sum, { weights }) => sum + weights, 0);
  return mix.map(({ type, weights }) => `${type} ${formatShare(weights / Math.max(total, 1))}`).join(', ');
}

/** "656 k", "1.24 G": three digits, as parameter counts are written. */
export function formatCount(count: number): string {
  for (const [unit, size] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const) {
    if (count >= size) return `${(count / size).toPrecision(count >= size * 1000 ? 4 : 3)} ${unit}`;
  }
  return String(count);
}

/** "12.3 %" of a share from 0 to 1. */
export function formatShare(share: number): string {
  if (share === 1) return '100 %';
  if (share > 0.9995) return '> 99.9 %';
  return share < 0.0005 ? '< 0.1 %' : `${(share * 100).toFixed(1)} %`;
}

/** Three digits of a size that may be small: 0.0123, 1.23e-5. */
export function formatChange(size: number): string {
  return size !== 0 && size < 0.001 ? size.toExponential(2) : size.toPrecision(3);
}
