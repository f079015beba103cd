/**
 * The content of a model in GGUF: of one file, exactly as it is; of a set of files, as the one file that it makes when merged.
 */
import { type ByteSource, type ReadOptions, readBytes } from '../../core/byte-source.ts';
import type { GgufModel } from '../../gguf/split.ts';
import type { ContentGap, ContentTensor, ModelContent } from './model-content.ts';
import { rewriteContent } from './rewritten-content.ts';

const SCAN_BYTES = 1 << 20;

/** The model belongs to the content from here on. Throws what reading throws. */
export async function openGgufContent(model: GgufModel, options?: ReadOptions): Promise<ModelContent> {
  const [part, second] = model.parts;
  if (!part || second) return mergedContent(model);
  const { source, head } = part;
  const gaps = await findGaps(source, head.headBytes.length, head.tensors, options);
  return {
    name: model.name,
    headBytes: head.headBytes,
    metadata: head.metadata,
    byteLength: source.size,
    tensors: head.tensors,
    gaps,
    readBlocks: (tensor, firstBlock, target, readOptions) =>
      source.read(tensor.offset + firstBlock * tensor.type.blockBytes, [target], readOptions),
    readGap: (gap, start, target, readOptions) => source.read(gap.position + start, [target], readOptions),
    dispose: () => model.dispose(),
  };
}

/** One file out of several: their tensors one after the other. */
function mergedContent(model: GgufModel): ModelContent {
  const tensors = [...model.tensors.values()].map((tensor) => ({
    tensor,
    read: (firstBlock: number, target: Uint8Array, options?: ReadOptions) =>
      model.parts[tensor.part]!.source.read(tensor.offset + firstBlock * tensor.type.blockBytes, [target], options),
  }));
  return rewriteContent(model.name, model.metadata, tensors, () => model.dispose());
}

/** The stretches between and after tensors that are not all zero, without the zeros around them. */
async function findGaps(
  source: ByteSource,
  dataStart: number,
  tensors: readonly ContentTensor[],
  options: ReadOptions | undefined,
): Promise<ContentGap[]> {
  const gaps: ContentGap[] = [];
  let end = dataStart;
  const inOrder = tensors.filter(({ byteLength }) => byteLength > 0).toSorted((a, b) => a.offset - b.offset);
  for (const { offset, byteLength } of [...inOrder, { offset: source.size, byteLength: 0 }]) {
    const gap = await findGap(source, end, offset, options);
    if (gap) gaps.push(gap);
    end = offset + byteLength;
  }
  return gaps;
}

async function findGap(
  source: ByteSource,
  start: number,
  end: number,
  options: ReadOptions | undefined,
): Promise<ContentGap | undefined> {
  let first = -1;
  let last = -1;
  for (let at = start; at < end; at += SCAN_BYTES) {
    const bytes = await readBytes(source, at, Math.min(SCAN_BYTES, end - at), options);
    const lastHere = bytes.findLastIndex((byte) => byte !== 0);
    if (lastHere < 0) continue;
    if (first < 0) first = at + bytes.findIndex((byte) => byte !== 0);
    last = at + lastHere;
  }
  return first < 0 ? undefined : { position: first, byteLength: last + 1 - first };
}
