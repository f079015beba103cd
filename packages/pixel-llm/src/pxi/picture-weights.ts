/** A model in pictures as a WeightSource: planes go straight from the pixels to the caller's memory. */
import type { ReadOptions } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import type { PictureSet } from './picture-set.ts';
import { planeField } from './planes.ts';
import { checkRows } from './read-blocks.ts';
import { storedRows } from './stored-rows.ts';
import type { RowRange, WeightHead, WeightSource } from './weight-source.ts';

/** The set belongs to the WeightSource from here on: disposing of it closes the files. */
export function createPictureWeights(set: PictureSet): WeightSource {
  return new PictureWeights(set);
}

class PictureWeights implements WeightSource {
  readonly name: string;
  readonly head: WeightHead;
  readonly #set: PictureSet;
  readonly #tensors: ReadonlyMap<string, PictureSet['model']['tensors'][number]>;

  constructor(set: PictureSet) {
    this.name = set.name;
    this.#set = set;
    this.#tensors = new Map(set.model.tensors.map((tensor) => [tensor.name, tensor]));
    this.head = { metadata: set.head.metadata, tensors: this.#tensors };
  }

  async readPlane(
    tensorName: string,
    plane: string,
    rows: RowRange,
    target: Uint8Array,
    options?: ReadOptions,
  ): Promise<void> {
    const tensor = this.#tensors.get(tensorName);
    if (!tensor) throw new PixelError('unknown-tensor', `${this.name} has no tensor "${tensorName}".`);
    const field = planeField(tensor.type, plane);
    const { rowBlocks } = storedRows(tensor);
    const rowBytes = rowBlocks * field.bytes;
    const byteLength = checkRows(this.name, tensor, rows) * rowBytes;
    if (target.length !== byteLength) {
      const message = `${this.name}: plane "${plane}" of these rows of "${tensorName}" has ${byteLength} bytes, not ${target.length}.`;
      throw new PixelError('bad-argument', message);
    }
    const start = rows.start * rowBytes;
    const index = tensor.type.fields.indexOf(field);
    for (const part of tensor.parts) {
      const partStart = part.rowStart * rowBytes;
      const from = Math.max(start, partStart);
      const to = Math.min(start + byteLength, part.rowEnd * rowBytes);
      const run = part.planes[index];
      if (from >= to || !run) continue;
      await this.#set.readRun(run, from - partStart, target.subarray(from - start, to - start), options);
    }
  }

  dispose(): Promise<void> {
    return this.#set.dispose();
  }
}
