/**
 * Changes of weights, said in weight space (tensor, rows, columns) and written into an overlay's tiles. Of quantized weights whole blocks are
 * stored anew, so that neighbours in a block may move a little too: the answer says by how much.
 */
import type { ReadOptions } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import type { WorkOptions } from '../core/progress.ts';
import { dequantize } from '../gguf/dequantize.ts';
import { columnsOf, rowsOf } from '../gguf/head.ts';
import { canQuantize, quantize } from '../gguf/quantize.ts';
import { readBlocks } from '../pxi/read-blocks.ts';
import type { StoredTensor } from '../pxi/stored-model.ts';
import type { RowRange } from '../pxi/weight-source.ts';
import type { InfiniteMap } from './infinite-map.ts';
import { type MapModel, openMapModel } from './map-weights.ts';
import { PlaneWriter } from './plane-writer.ts';
import { TileDraft } from './tile-draft.ts';
import type { ExpectedTile, MapChange, TileWrite } from './tile-store.ts';

/** What is done to each weight w: w = value, w x value, w + value. */
export type EditChange =
  | { readonly set: number }
  | { readonly scale: number }
  | { readonly add: number }
  /** [rows, columns], row after row. */
  | { readonly values: Float32Array };

export interface WeightEdit {
  readonly region: string;
  readonly overlay: string;
  readonly tensor: string;
  /** Default: all. */
  readonly rows?: RowRange | undefined;
  /** [start, end). Default: all. */
  readonly columns?: RowRange | undefined;
  readonly change: EditChange;
}

export interface EditReport {
  readonly tensor: string;
  readonly type: string;
  /** Weights asked to change. */
  readonly weights: number;
  readonly tiles: number;
  /** Largest and mean difference between what was asked for and what is stored, of the weights asked to change. */
  readonly largestError: number;
  readonly meanError: number;
  /** Other weights of the same blocks, which could not but be stored anew, and the largest change of one. */
  readonly neighbours: number;
  readonly largestNeighbourChange: number;
}

/** Weights that are read and changed at a time. */
const PIECE_WEIGHTS = 1 << 22;

/** Others may write into the same tiles meanwhile: then the edit is made again of what is there now. */
const MOST_TRIES = 100;

/**
 * Writes an edit into an overlay, which is made if it is not there: all of it or nothing, and without undoing what others write into that overlay
 * at the same time. Later overlays of a stack do not see it.
 * Throws `unknown-region`, `unknown-tensor`, `bad-argument`, `unsupported-type` (weights that nobody here can quantize), `limit-exceeded`,
 * `map-busy` (others keep changing the same tiles), and what reading and committing throw.
 */
export async function editWeights(map: InfiniteMap, edit: WeightEdit, options: WorkOptions = {}): Promise<EditReport> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const report = await tryEdit(map, edit, options);
    if (report) return report;
  }
  throw new PixelError('map-busy', `${map.name}: others keep changing the overlay "${edit.overlay}": try again.`);
}

/** Undefined, and nothing is done, when the overlay was changed meanwhile. */
async function tryEdit(map: InfiniteMap, edit: WeightEdit, options: WorkOptions): Promise<EditReport | undefined> {
  const { overlay } = edit;
  const catalog = await map.catalog(options);
  const sheet = catalog.overlays.find(({ name, isComplete }) => name === overlay && isComplete)?.sheet;
  const model = await openMapModel(map, edit.region, { overlays: sheet === undefined ? [] : [overlay], ...options });
  try {
    const { report, draft } = await draftEdit(map, model, edit, options);
    const tiles = draft.finish();
    const put: MapChange = { change: 'put-tiles', overlay, tiles };
    const isDone =
      sheet === undefined
        ? await map.commit([{ change: 'add-overlay', overlay: newOverlay(edit) }, put], { catalog: catalog.revision })
        : await map.commit([put], { tiles: { overlay, blocks: expectedBlocks(model, sheet, tiles) } });
    return isDone ? { ...report, tiles: tiles.length } : undefined;
  } finally {
    await model.weights.dispose();
  }
}

function expectedBlocks({ tiles }: MapModel, sheet: number, writes: readonly TileWrite[]): ExpectedTile[] {
  const blocks = new Map(tiles.filter((tile) => tile.sheet === sheet).map(({ x, y, block }) => [`${x},${y}`, block]));
  return writes.map(({ x, y }) => ({ x, y, block: blocks.get(`${x},${y}`) }));
}

function newOverlay({ overlay, region }: WeightEdit): Extract<MapChange, { change: 'add-overlay' }>['overlay'] {
  return { name: overlay, region, metadata: { made: 'edit' }, isComplete: true };
}

async function draftEdit(
  map: InfiniteMap,
  model: MapModel,
  edit: WeightEdit,
  { signal, onProgress }: WorkOptions,
): Promise<{ report: Omit<EditReport, 'tiles'>; draft: TileDraft }> {
  const tensor = findStored(model, edit.tensor);
  const columns = checkedRange('columns', edit.columns, columnsOf(tensor));
  const rows = checkedRange('rows', edit.rows, rowsOf(tensor));
  const draft = new TileDraft(map.head.tileSize);
  const tally = new Tally();
  const writer = new PlaneWriter(model, draft);
  const step = Math.max(1, Math.floor(PIECE_WEIGHTS / columnsOf(tensor)));
  for (let start = rows.start; start < rows.end; start += step) {
    const piece = { start, end: Math.min(start + step, rows.end) };
    await editRows(model, tensor, { rows: piece, columns, edit, first: rows.start }, { writer, tally }, { signal });
    refuseTooMuch(draft, map.head.tileSize);
    onProgress?.({ phase: 'editing', done: piece.end - rows.start, total: rows.end - rows.start, unit: 'lines' });
  }
  return { report: { tensor: tensor.name, type: tensor.type.name, ...tally.result() }, draft };
}

function findStored({ set }: MapModel, name: string): StoredTensor {
  const tensor = set.model.tensors.find((candidate) => candidate.name === name);
  if (!tensor) {
    throw new PixelError(
      'unknown-tensor',
      `${set.name} has no tensor "${name}"; \`inspect --tensors\` lists those it has.`,
    );
  }
  if (canQuantize(tensor.type)) return tensor;
  throw new PixelError(
    'unsupported-type',
    `"${name}" is stored as ${tensor.type.name}, which cannot be written here: convert the model to another type first.`,
  );
}

function checkedRange(what: string, range: RowRange | undefined, count: number): RowRange {
  const { start, end } = range ?? { start: 0, end: count };
  if (Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start < end && end <= count)
    return { start, end };
  throw new PixelError('bad-argument', `The tensor has ${what} 0:${count}, not ${start}:${end}.`);
}

function refuseTooMuch(draft: TileDraft, tileSize: number): void {
  if (draft.count * tileSize * tileSize * 4 <= LIMITS.mapRegionBytes) return;
  throw new PixelError(
    'limit-exceeded',
    `One edit may touch ${LIMITS.mapRegionBytes} bytes of tiles: change the rows in several edits.`,
  );
}

interface EditedRows {
  readonly rows: RowRange;
  readonly columns: RowRange;
  readonly edit: WeightEdit;
  /** The first row of the whole edit. */
  readonly first: number;
}

async function editRows(
  { weights }: MapModel,
  tensor: StoredTensor,
  { rows, columns, edit, first }: EditedRows,
  { writer, tally }: { writer: PlaneWriter; tally: Tally },
  options: ReadOptions,
): Promise<void> {
  const { type } = tensor;
  const perBlock = type.blockElements;
  const blocks = await readBlocks(weights, tensor.name, rows, options);
  const rowBytes = blocks.length / (rows.end - rows.start);
  const [firstBlock, endBlock] = [Math.floor(columns.start / perBlock), Math.ceil(columns.end / perBlock)];
  const width = columns.end - columns.start;
  for (let row = rows.start; row < rows.end; row++) {
    const from = (row - rows.start) * rowBytes;
    const own = blocks.subarray(from + firstBlock * type.blockBytes, from + endBlock * type.blockBytes);
    const before = new Float32Array((endBlock - firstBlock) * perBlock);
    dequantize(type, own, before);
    const wanted = before.slice();
    const [begin, end] = [columns.start - firstBlock * perBlock, columns.end - firstBlock * perBlock];
    const values = 'values' in edit.change ? edit.change.values.subarray((row - first) * width) : undefined;
    for (let i = begin; i < end; i++) wanted[i] = changed(before[i]!, edit.change, values, i - begin);
    const stored = storedBlocks(tensor, own, before, wanted);
    const after = new Float32Array(before.length);
    dequantize(type, stored, after);
    tally.add({ before, wanted, after, begin, end });
    writer.write(tensor, row, firstBlock, stored);
  }
}

function changed(weight: number, change: EditChange, values: Float32Array | undefined, index: number): number {
  if ('set' in change) return change.set;
  if ('scale' in change) return weight * change.scale;
  if ('add' in change) return weight + change.add;
  const value = values?.[index];
  if (value === undefined) throw new PixelError('bad-argument', 'There are fewer values than weights to set.');
  return value;
}

/** Blocks in which nothing is to change stay as they are, to the byte. */
function storedBlocks({ type }: StoredTensor, own: Uint8Array, before: Float32Array, wanted: Float32Array): Uint8Array {
  const stored = quantize(type, wanted);
  const perBlock = type.blockElements;
  for (let block = 0; block * perBlock < before.length; block++) {
    let isSame = true;
    for (let i = block * perBlock; i < (block + 1) * perBlock && isSame; i++) isSame = Object.is(before[i], wanted[i]);
    const bytes = own.subarray(block * type.blockBytes, (block + 1) * type.blockBytes);
    if (isSame) stored.set(bytes, block * type.blockBytes);
  }
  return stored;
}

class Tally {
  #weights = 0;
  #sum = 0;
  #largest = 0;
  #neighbours = 0;
  #largestNeighbour = 0;

  add(row: { before: Float32Array; wanted: Float32Array; after: Float32Array; begin: number; end: number }): void {
    const { before, wanted, after, begin, end } = row;
    for (let i = 0; i < before.length; i++) {
      if (i >= begin && i < end) {
        const error = Math.abs(wanted[i]! - after[i]!);
        this.#weights++;
        this.#sum += error;
        this.#largest = Math.max(this.#largest, error);
      } else {
        this.#neighbours++;
        this.#largestNeighbour = Math.max(this.#largestNeighbour, Math.abs(before[i]! - after[i]!));
      }
    }
  }

  result(): Omit<EditReport, 'tensor' | 'type' | 'tiles'> {
    return {
      weights: this.#weights,
      largestError: this.#largest,
      meanError: this.#sum / this.#weights,
      neighbours: this.#neighbours,
      largestNeighbourChange: this.#largestNeighbour,
    };
  }
}
