/**
 * A GGUF model, one file or a set, as a WeightSource: rows' blocks are read in bounded pieces and the plane is split out.
 */
import type { ReadOptions } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import type { GgufModel, PlacedTensor } from '../gguf/split.ts';
import { planeField, splitPlane } from './planes.ts';
import { checkRows } from './read-blocks.ts';
import { storedRows } from './stored-rows.ts';
import type { RowRange, WeightHead, WeightSource } from './weight-source.ts';

/** Bytes of blocks read at once, at least one block. */
const PIECE_BYTES = 1 << 20;

/** The model belongs to the WeightSource from here on: disposing of it closes the files. */
export function createGgufWeights(model: GgufModel): WeightSource {
  return new GgufWeights(model);
}

interface Piece {
  readonly tensor: PlacedTensor;
  /** First byte, within the tensor's data. */
  readonly start: number;
  readonly bytes: Uint8Array;
}

class GgufWeights implements WeightSource {
  readonly name: string;
  readonly head: WeightHead;
  readonly #model: GgufModel;
  /** The latest piece read: the next plane of the same rows comes out of it. Never written again, so readers may overlap. */
  #latest: Piece | undefined;

  constructor(model: GgufModel) {
    this.name = model.name;
    this.head = model;
    this.#model = model;
  }

  async readPlane(
    tensorName: string,
    plane: string,
    rows: RowRange,
    target: Uint8Array,
    options?: ReadOptions,
  ): Promise<void> {
    const tensor = this.#model.tensors.get(tensorName);
    if (!tensor) throw new PixelError('unknown-tensor', `${this.name} has no tensor "${tensorName}".`);
    const { type } = tensor;
    const field = planeField(type, plane);
    const { rowBlocks } = storedRows(tensor);
    const count = checkRows(this.name, tensor, rows) * rowBlocks;
    const firstBlock = rows.start * rowBlocks;
    if (target.length !== count * field.bytes) {
      const message = `${this.name}: plane "${plane}" of these rows of "${tensorName}" has ${count * field.bytes} bytes, not ${target.length}.`;
      throw new PixelError('bad-argument', message);
    }
    if (type.fields.length === 1) {
      await this.#read(tensor, firstBlock * type.blockBytes, target, options);
      return;
    }
    const pieceBlocks = Math.max(1, Math.floor(PIECE_BYTES / type.blockBytes));
    for (let done = 0; done < count; done += pieceBlocks) {
      const blocks = Math.min(pieceBlocks, count - done);
      const bytes = await this.#piece(tensor, firstBlock + done, blocks, options);
      splitPlane(type, plane, bytes, target.subarray(done * field.bytes, (done + blocks) * field.bytes));
    }
  }

  async dispose(): Promise<void> {
    this.#latest = undefined;
    await this.#model.dispose();
  }

  async #piece(
    tensor: PlacedTensor,
    firstBlock: number,
    blocks: number,
    options: ReadOptions | undefined,
  ): Promise<Uint8Array> {
    const start = firstBlock * tensor.type.blockBytes;
    const length = blocks * tensor.type.blockBytes;
    const latest = this.#latest;
    if (latest?.tensor === tensor && latest.start <= start && start + length <= latest.start + latest.bytes.length) {
      return latest.bytes.subarray(start - latest.start, start - latest.start + length);
    }
    const bytes = new Uint8Array(length);
    await this.#read(tensor, start, bytes, options);
    this.#latest = { tensor, start, bytes };
    return bytes;
  }

  async #read(tensor: PlacedTensor, start: number, target: Uint8Array, options?: ReadOptions): Promise<void> {
    const part = this.#model.parts[tensor.part]!;
    await part.source.read(tensor.offset + start, [target], options);
  }
}
