/** From weights to tiles: bytes of a model's planes are laid over the places where its picture has them. */
import type { FileRun } from '../pxi/layout.ts';
import { splitPlane } from '../pxi/planes.ts';
import type { StoredTensor } from '../pxi/stored-model.ts';
import { linesBefore, type MapModel } from './map-weights.ts';
import type { TileDraft } from './tile-draft.ts';

/** Puts a row's blocks, plane by plane, to where the picture has them. */
export class PlaneWriter {
  readonly #model: MapModel;
  readonly #tops: readonly number[];
  readonly #draft: TileDraft;

  constructor(model: MapModel, draft: TileDraft) {
    this.#model = model;
    this.#tops = linesBefore(model.region);
    this.#draft = draft;
  }

  write({ type, parts, dimensions }: StoredTensor, row: number, firstBlock: number, blocks: Uint8Array): void {
    const part = parts.find(({ rowStart, rowEnd }) => row >= rowStart && row < rowEnd);
    const rowBlocks = (dimensions[0] ?? 1) / type.blockElements;
    for (const [index, field] of type.fields.entries()) {
      const run = part?.planes[index];
      if (!part || !run) continue;
      const plane = new Uint8Array((blocks.length / type.blockBytes) * field.bytes);
      splitPlane(type, field.name, blocks, plane);
      this.writeBytes(run, ((row - part.rowStart) * rowBlocks + firstBlock) * field.bytes, plane);
    }
  }

  /** Bytes of a plane from `start` on, line after line of the picture. */
  writeBytes({ file, offset: runOffset }: FileRun, start: number, bytes: Uint8Array): void {
    const offset = runOffset + start;
    const { region, set } = this.#model;
    const lineBytes = set.model.width * 4;
    for (let at = 0; at < bytes.length; ) {
      const line = Math.floor((offset + at) / lineBytes);
      const inLine = (offset + at) % lineBytes;
      const count = Math.min(bytes.length - at, lineBytes - inLine);
      const y = region.y + this.#tops[file]! + line;
      this.#draft.addBytes(region.x + (inLine >> 2), y, inLine & 3, bytes.subarray(at, at + count));
      at += count;
    }
  }
}
