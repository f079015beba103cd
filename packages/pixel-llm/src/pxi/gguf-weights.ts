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
/** Pieces kept: as many readers as threads are usual take the planes of different rows in turns. */
const KEPT_PIECES = 4;

/** The model belongs to the WeightSource from here on: disposing of it closes the files. */
export function createGgufWeights(model: GgufModel): WeightSource {
  return new GgufWeights(model);
}

/** Blocks as they stand in the file. */
interface Piece {
  tensor: PlacedTensor | undefined;
  /** First byte, within the tensor's data. */
  start: number;
  bytes: Uint8Array<ArrayBuffer>;
  /** Who reads it or fills it: until they are done it stays as it is. */
  users: number;
}

class GgufWeights implements WeightSource {
  readonly name: string;
  readonly head: WeightHead;
  readonly #model: GgufModel;
  /** Pieces read, the latest last: the next plane of the same rows comes out of one. Memory that nobody uses is filled again. */
  #pieces: Piece[] = [];

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
      const start = (firstBlock + done) * type.blockBytes;
      const length = blocks * type.blockBytes;
      const piece = await this.#takePiece(tensor, start, length, options);
      const from = start - piece.start;
      const part = target.subarray(done * field.bytes, (done + blocks) * field.bytes);
      splitPlane(type, plane, piece.bytes.subarray(from, from + length), part);
      piece.users--;
    }
  }

  async dispose(): Promise<void> {
    this.#pieces = [];
    await this.#model.dispose();
  }

  /** A piece that holds these bytes of the tensor, in use by the caller from now on. */
  async #takePiece(
    tensor: PlacedTensor,
    start: number,
    length: number,
    options: ReadOptions | undefined,
  ): Promise<Piece> {
    const known = this.#pieces.find(
      (piece) => piece.tensor === tensor && piece.start <= start && start + length <= piece.start + piece.bytes.length,
    );
    if (known) {
      known.users++;
      return known;
    }
    const piece = this.#spare(length);
    try {
      await this.#read(tensor, start, piece.bytes, options);
    } catch (error) {
      this.#pieces = this.#pieces.filter((other) => other !== piece);
      throw error;
    }
    Object.assign(piece, { tensor, start });
    return piece;
  }

  /** Memory to be filled: the oldest that nobody uses, once enough pieces are kept. */
  #spare(length: number): Piece {
    const oldest = this.#pieces.length < KEPT_PIECES ? undefined : this.#pieces.find(({ users }) => users === 0);
    const isLarge = oldest && oldest.bytes.buffer.byteLength >= length;
    const memory = isLarge ? oldest.bytes.buffer : new ArrayBuffer(Math.max(length, PIECE_BYTES));
    const piece = { tensor: undefined, start: 0, bytes: new Uint8Array(memory, 0, length), users: 1 };
    this.#pieces = [...this.#pieces.filter((other) => other !== oldest), piece];
    return piece;
  }

  async #read(tensor: PlacedTensor, start: number, target: Uint8Array, options?: ReadOptions): Promise<void> {
    const part = this.#model.parts[tensor.part]!;
    await part.source.read(tensor.offset + start, [target], options);
  }
}
