/**
 * The content of a model under a new GGUF head: when several files become one, or tensors change their type. The new file is
 * plain: version 3, tensors one after the other, nothing but zeros between them.
 */
import type { ReadOptions } from '../../core/byte-source.ts';
import type { Metadata, TensorInfo } from '../../gguf/head.ts';
import { isKnownType } from '../../gguf/tensor-types.ts';
import { encodeGgufHead } from '../../gguf/writer.ts';
import type { ModelContent } from './model-content.ts';

/** A tensor of the new file, and where its blocks come from (as ModelContent.readBlocks). */
export interface RewrittenTensor {
  readonly tensor: TensorInfo;
  read(firstBlock: number, target: Uint8Array, options?: ReadOptions): Promise<void>;
}

/** Throws `bad-argument` when the tensors do not make a GGUF file. */
export function rewriteContent(
  name: string,
  metadata: Metadata,
  tensors: readonly RewrittenTensor[],
  dispose: () => Promise<void>,
): ModelContent {
  const alignment = encodeGgufHead({ metadata, tensors: [] }).alignment;
  const head = encodeGgufHead({ metadata, tensors: tensors.map(({ tensor }) => alignedTensor(tensor, alignment)) });
  const sources = new Map(tensors.map((source) => [source.tensor.name, source]));
  return {
    name,
    headBytes: head.bytes,
    metadata,
    byteLength: head.fileBytes,
    tensors: head.tensors,
    gaps: [],
    async readBlocks(tensor, firstBlock, target, options) {
      const source = sources.get(tensor.name);
      const start = firstBlock * tensor.type.blockBytes;
      const there = Math.max(0, Math.min(target.length, (source?.tensor.byteLength ?? 0) - start));
      if (there > 0) await source?.read(firstBlock, target.subarray(0, there), options);
      target.fill(0, there);
    },
    readGap: async () => {},
    dispose,
  };
}

/** A tensor of an unknown type reaches up to the next one, so in the new file its padding belongs to it: other bytes, another hash. */
function alignedTensor(tensor: TensorInfo, alignment: number): TensorInfo {
  const byteLength = Math.ceil(tensor.byteLength / alignment) * alignment;
  if (isKnownType(tensor.type) || byteLength === tensor.byteLength) return tensor;
  return { name: tensor.name, type: tensor.type, dimensions: tensor.dimensions, byteLength };
}
