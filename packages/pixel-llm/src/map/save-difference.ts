/** A changed model (a fine-tune, a merge) kept as an overlay of the one it was made from: only the bytes that differ, in the tiles they fall into. */
import { PixelError, throwIfAborted } from '../core/errors.ts';
import type { WorkOptions } from '../core/progress.ts';
import type { StoredTensor } from '../pxi/stored-model.ts';
import { storedRows } from '../pxi/stored-rows.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import type { InfiniteMap } from './infinite-map.ts';
import { type MapModel, openMapModel } from './map-weights.ts';
import { PlaneWriter } from './plane-writer.ts';
import { TileDraft } from './tile-draft.ts';

export interface SavedDifference {
  /** Tensors that differ, of all. */
  readonly changed: number;
  readonly tensors: number;
  /** Bytes that differ. */
  readonly bytes: number;
}

/** Bytes that are compared at a time. */
const PIECE_BYTES = 1 << 22;
/** Tiles are committed when they hold so many bytes; nobody sees the overlay before it is whole. */
const COMMIT_BYTES = 1 << 26;
/** Differing bytes closer than this are kept as one run. */
const RUN_GAP = 8;

/**
 * Saves what `changed` has otherwise than the mounted model as a new overlay.
 * Throws `other-model` when tensors, types or shapes differ, `bad-argument` for a name that is taken, and what reading and committing throw.
 */
export async function saveDifference(
  map: InfiniteMap,
  { region, overlay, changed }: { region: string; overlay: string; changed: WeightSource },
  { signal, onProgress }: WorkOptions = {},
): Promise<SavedDifference> {
  const model = await openMapModel(map, region, { signal });
  const draftName = `${overlay} (being written, ${crypto.randomUUID().slice(0, 8)})`;
  const saving = new Saving(map, model, draftName);
  try {
    refuseOthers(model, changed);
    await saving.begin(region, overlay);
    for (const [index, tensor] of model.set.model.tensors.entries()) {
      await saving.compare(tensor, changed, signal);
      onProgress?.({ phase: 'comparing', done: index + 1, total: model.set.model.tensors.length, unit: 'tensors' });
    }
    await saving.finish(overlay);
    return saving.result;
  } catch (error) {
    await saving.giveUp();
    throw error;
  } finally {
    await model.weights.dispose();
  }
}

function refuseOthers({ weights }: MapModel, changed: WeightSource): void {
  const [own, others] = [weights.head.tensors, changed.head.tensors];
  for (const { name, type, dimensions } of own.values()) {
    const other = others.get(name);
    if (other && other.type === type && other.dimensions.join() === dimensions.join()) continue;
    const is = other ? `is ${other.type.name} ${other.dimensions.join(' x ')} there` : 'is not there';
    throw new PixelError(
      'other-model',
      `${changed.name} is no changed ${weights.name}: "${name}", ${type.name} ${dimensions.join(' x ')}, ${is}.`,
    );
  }
  const more = [...others.keys()].find((name) => !own.has(name));
  if (more === undefined) return;
  throw new PixelError('other-model', `${changed.name} is no changed ${weights.name}: it has a tensor "${more}" more.`);
}

class Saving {
  readonly #map: InfiniteMap;
  readonly #model: MapModel;
  readonly #name: string;
  #draft: TileDraft;
  #isBegun = false;
  #changed = 0;
  #bytes = 0;

  constructor(map: InfiniteMap, model: MapModel, name: string) {
    this.#map = map;
    this.#model = model;
    this.#name = name;
    this.#draft = new TileDraft(map.head.tileSize);
  }

  get result(): SavedDifference {
    return { changed: this.#changed, tensors: this.#model.set.model.tensors.length, bytes: this.#bytes };
  }

  async begin(region: string, overlay: string): Promise<void> {
    if ((await this.#map.overlays()).some(({ name }) => name === overlay)) {
      throw new PixelError(
        'bad-argument',
        `${this.#map.name} has an overlay "${overlay}" already: choose another name.`,
      );
    }
    const draft = { name: this.#name, region, metadata: { made: 'difference' }, isComplete: false };
    await this.#map.commit([{ change: 'add-overlay', overlay: draft }]);
    this.#isBegun = true;
  }

  async compare(tensor: StoredTensor, changed: WeightSource, signal: AbortSignal | undefined): Promise<void> {
    const { rowBlocks } = storedRows(tensor);
    const before = this.#bytes;
    for (const part of tensor.parts) {
      for (const [index, field] of tensor.type.fields.entries()) {
        const rowBytes = rowBlocks * field.bytes;
        const step = Math.max(1, Math.floor(PIECE_BYTES / rowBytes));
        for (let row = part.rowStart; row < part.rowEnd; row += step) {
          throwIfAborted(signal);
          const rows = { start: row, end: Math.min(row + step, part.rowEnd) };
          const [own, other] = [0, 1].map(() => new Uint8Array((rows.end - rows.start) * rowBytes)) as [
            Uint8Array,
            Uint8Array,
          ];
          await this.#model.weights.readPlane(tensor.name, field.name, rows, own, { signal });
          await changed.readPlane(tensor.name, field.name, rows, other, { signal });
          const writer = new PlaneWriter(this.#model, this.#draft);
          for (const [from, to] of differingRuns(own, other)) {
            writer.writeBytes(part.planes[index]!, (row - part.rowStart) * rowBytes + from, other.subarray(from, to));
            this.#bytes += to - from;
          }
          await this.#commitIfMuch();
        }
      }
    }
    if (this.#bytes > before) this.#changed++;
  }

  async finish(overlay: string): Promise<void> {
    const tiles = this.#draft.finish();
    await this.#map.commit([
      { change: 'put-tiles', overlay: this.#name, tiles },
      { change: 'complete-overlay', name: this.#name, as: overlay },
    ]);
    this.#isBegun = false;
  }

  async giveUp(): Promise<void> {
    if (this.#isBegun) await this.#map.commit([{ change: 'drop-overlay', name: this.#name }]).catch(() => {});
  }

  async #commitIfMuch(): Promise<void> {
    const { tileSize } = this.#map.head;
    if (this.#draft.count * tileSize * tileSize * 4 < COMMIT_BYTES) return;
    const tiles = this.#draft.finish();
    this.#draft = new TileDraft(tileSize);
    await this.#map.commit([{ change: 'put-tiles', overlay: this.#name, tiles }]);
  }
}

/** [start, end) of each stretch in which the two differ. */
function* differingRuns(a: Uint8Array, b: Uint8Array): Generator<readonly [number, number]> {
  let start = -1;
  let last = -1;
  for (let at = 0; at < a.length; at++) {
    if (a[at] === b[at]) continue;
    if (start >= 0 && at - last > RUN_GAP) {
      yield [start, last + 1];
      start = at;
    } else if (start < 0) start = at;
    last = at;
  }
  if (start >= 0) yield [start, last + 1];
}
