/** A LoRA adapter that changes nothing yet: A random, B zero (arXiv 2106.09685, section 4.1). */
import { PixelError } from '../core/errors.ts';
import { metadataString } from '../gguf/head.ts';
import type { Program } from '../program/program.ts';
import { adapterMetadata, adapterTensorNames } from '../pxi/adapter.ts';
import { type MemoryTensor, memoryWeights } from '../pxi/memory-weights.ts';
import type { WeightHead, WeightSource } from '../pxi/weight-source.ts';
import { gaussians } from './gaussians.ts';

export interface NewAdapterOptions {
  readonly rank: number;
  /** B A x is multiplied by alpha / rank. */
  readonly alpha: number;
  /** Parts of the names of the weights to adapt. Default: every matrix of the layers. */
  readonly targets?: readonly string[] | undefined;
  readonly seed: number;
  readonly name: string;
  /** Identity of the model it is for. */
  readonly base: { readonly name: string; readonly sha256: string };
}

/** The same seed gives the same adapter. Throws `bad-argument` when no weight fits the targets. */
export function newAdapter(
  head: WeightHead,
  program: Pick<Program, 'ops'>,
  { rank, alpha, targets = ['blk.'], seed, name, base }: NewAdapterOptions,
): WeightSource {
  const products = new Set(program.ops.flatMap(({ op, weights }) => (op === 'matmul' ? weights.slice(0, 1) : [])));
  const tensors = new Map<string, MemoryTensor>();
  for (const weight of products) {
    const [columns = 0, rows = 0] = head.tensors.get(weight)?.dimensions ?? [];
    if (!targets.some((target) => weight.includes(target))) continue;
    const { a, b } = adapterTensorNames(weight);
    const values = gaussians(seed, tensors.size, rank * columns, 1 / Math.sqrt(columns));
    tensors.set(a, { dimensions: [columns, rank], values });
    tensors.set(b, { dimensions: [rank, rows], values: new Float32Array(rows * rank) });
  }
  if (tensors.size === 0) {
    const names = [...products].slice(0, 8).join(', ');
    throw new PixelError(
      'bad-argument',
      `No weight has ${targets.join(' or ')} in its name. Some that could be adapted: ${names}.`,
    );
  }
  const architecture = metadataString(head.metadata, 'general.architecture') ?? '';
  return memoryWeights(name, adapterMetadata(architecture, { name, alpha, base }), tensors);
}
