/** The content of a model in pictures: planes joined into the blocks of the GGUF file they came from. */
import type { ReadOptions } from '../../core/byte-source.ts';
import { PixelError } from '../../core/errors.ts';
import type { PictureSet } from '../picture-set.ts';
import { joinPlane } from '../planes.ts';
import type { StoredBytes, StoredTensor } from '../stored-model.ts';
import { storedRows } from '../stored-rows.ts';
import type { ModelContent } from './model-content.ts';

/** The set belongs to the content from here on. */
export function createPictureContent(set: PictureSet): ModelContent {
  const { model, head } = set;
  const stored = new Map(model.tensors.map((tensor) => [tensor.name, tensor]));
  const scratch = new Scratch();
  const gaps = new Map(model.gaps.map((gap) => [gap.position, gap]));
  return {
    name: set.name,
    kind: model.kind,
    headBytes: head.headBytes,
    metadata: head.metadata,
    byteLength: model.byteLength,
    tensors: model.tensors,
    gaps: model.gaps,
    async readBlocks(tensor, firstBlock, target, options) {
      const found = stored.get(tensor.name);
      if (!found) throw new PixelError('unknown-tensor', `${set.name} has no tensor "${tensor.name}".`);
      await readBlocks(set, scratch, found, firstBlock, target, options);
    },
    async readGap(gap, start, target, options) {
      const found = gaps.get(gap.position);
      if (found) await readBytes(set, found, start, target, options);
    },
    dispose: () => set.dispose(),
  };
}

/** Fills `target` with a tensor's ggml blocks from `firstBlock` on, whichever files they lie in. */
async function readBlocks(
  set: PictureSet,
  scratch: Scratch,
  tensor: StoredTensor,
  firstBlock: number,
  target: Uint8Array,
  options: ReadOptions | undefined,
): Promise<void> {
  const { type } = tensor;
  const { rowBlocks } = storedRows(tensor);
  const end = firstBlock + target.length / type.blockBytes;
  for (const part of tensor.parts) {
    const partStart = part.rowStart * rowBlocks;
    const from = Math.max(firstBlock, partStart);
    const count = Math.min(end, part.rowEnd * rowBlocks) - from;
    if (count <= 0) continue;
    const start = (from - firstBlock) * type.blockBytes;
    const blocks = target.subarray(start, start + count * type.blockBytes);
    for (const [index, field] of type.fields.entries()) {
      const run = part.planes[index]!;
      const skipped = (from - partStart) * field.bytes;
      if (field.bytes === type.blockBytes) {
        await set.readRun(run, skipped, blocks, options);
        continue;
      }
      const plane = scratch.take(count * field.bytes);
      await set.readRun(run, skipped, plane, options);
      joinPlane(type, field.name, plane, blocks);
      scratch.give(plane);
    }
  }
}

async function readBytes(
  set: PictureSet,
  { runs }: StoredBytes,
  start: number,
  target: Uint8Array,
  options: ReadOptions | undefined,
): Promise<void> {
  let runStart = 0;
  for (const run of runs) {
    const from = Math.max(start, runStart);
    const to = Math.min(start + target.length, runStart + run.byteLength);
    if (from < to) await set.readRun(run, from - runStart, target.subarray(from - start, to - start), options);
    runStart += run.byteLength;
  }
}

/** Memory for planes on their way: reads overlap, so there are as many as reads at a time. */
class Scratch {
  readonly #free: ArrayBuffer[] = [];

  take(length: number): Uint8Array<ArrayBuffer> {
    const buffer = this.#free.pop();
    return buffer && buffer.byteLength >= length ? new Uint8Array(buffer, 0, length) : new Uint8Array(length);
  }

  give({ buffer }: Uint8Array<ArrayBuffer>): void {
    this.#free.push(buffer);
  }
}
