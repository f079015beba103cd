/**
 * One tensor of two models, weight by weight: how many differ, by how much, and where most. Both are read in pieces of rows; a
 * piece whose stored bytes are the same is never computed, which is most of a model that learned a little.
 */
import { PixelError, throwIfAborted } from '../../core/errors.ts';
import type { WorkOptions } from '../../core/progress.ts';
import { canDequantize, dequantize } from '../../gguf/dequantize.ts';
import { columnsOf, type TensorInfo } from '../../gguf/head.ts';
import { isKnownType, type TensorType } from '../../gguf/tensor-types.ts';
import { joinPlane } from '../planes.ts';
import { findTensor, readPlanes } from '../read-blocks.ts';
import { readRows } from '../read-rows.ts';
import { storedRows } from '../stored-rows.ts';
import type { RowRange, WeightSource } from '../weight-source.ts';
import { weightCount } from './inspect-mix.ts';

/** Weights of each model read at once: 4 MB as f32. */
const PIECE_WEIGHTS = 1 << 20;

/** A weight that changed, and how. */
export interface WeightChange {
  readonly tensor: string;
  readonly row: number;
  readonly column: number;
  readonly before: number;
  readonly after: number;
  /** |after - before|. */
  readonly size: number;
}

/** How much of a tensor, a layer or a model changed. */
export interface ChangeSummary {
  readonly weights: number;
  /** Weights whose float32 value differs. NaN is equal to NaN, and 0 to -0. */
  readonly changed: number;
  /** Those of them that have no size, from or to what is not finite: they count for no mean, and are never the largest. */
  readonly notFinite: number;
  /** Mean of |after - before| over all weights, changed or not. */
  readonly meanChange: number;
  /** The first of the largest ones; missing when nothing changed by a finite size. */
  readonly largestChange?: WeightChange;
}

/** Rows of which at least one byte changed. */
export interface ChangedRows {
  readonly tensor: string;
  /** Of the tensor, the first of these rows. */
  readonly row: number;
  readonly columns: number;
  /** [rows, columns] each. Valid during the call only. */
  readonly before: Float32Array;
  readonly after: Float32Array;
}

export interface CompareTensorOptions {
  signal?: WorkOptions['signal'];
  /** Called with the share of the tensor read since the last call. */
  onRead?: ((share: number) => void) | undefined;
  onChanges?: ((rows: ChangedRows) => void) | undefined;
}

/** The signed change of a weight: 0 when it is the same, NaN when it has no size. */
export function changeOf(before: number, after: number): number {
  if (before === after || (Number.isNaN(before) && Number.isNaN(after))) return 0;
  const change = after - before;
  return Number.isFinite(change) ? change : Number.NaN;
}

/**
 * Compares the tensor of that name, which has one shape in both models.
 * Throws `unsupported-type` when it differs and is of a type that cannot be computed with, `aborted`, and what the sources throw.
 */
export async function compareTensor(
  a: WeightSource,
  b: WeightSource,
  name: string,
  { signal, onRead, onChanges }: CompareTensorOptions = {},
): Promise<ChangeSummary> {
  const tensor = findTensor(a, name);
  const { rows } = storedRows(tensor);
  const columns = isKnownType(tensor.type) ? columnsOf(tensor) : 1;
  const tally = new ChangeTally(name, weightCount(tensor));
  const piece = Math.max(1, Math.floor(PIECE_WEIGHTS / Math.max(columns, 1)));
  for (let row = 0; row < rows; row += piece) {
    throwIfAborted(signal);
    const range = { start: row, end: Math.min(rows, row + piece) };
    const values = await differingRows(a, b, name, range, signal);
    if (values) {
      const changed = { tensor: name, row, columns, ...values };
      tally.add(changed);
      onChanges?.(changed);
    }
    onRead?.((range.end - row) / rows);
  }
  return tally.summary();
}

/** What parts add up to. */
export function sumChanges(parts: readonly ChangeSummary[]): ChangeSummary {
  const total = (of: (part: ChangeSummary) => number) => parts.reduce((sum, part) => sum + of(part), 0);
  const weights = total((part) => part.weights);
  let largest: WeightChange | undefined;
  for (const { largestChange: own } of parts) if (own && own.size > (largest?.size ?? 0)) largest = own;
  return {
    weights,
    changed: total(({ changed }) => changed),
    notFinite: total(({ notFinite }) => notFinite),
    meanChange: total((part) => part.meanChange * part.weights) / Math.max(weights, 1),
    ...(largest && { largestChange: largest }),
  };
}

/** Both models' rows as float32, or undefined where they are stored alike. */
async function differingRows(
  a: WeightSource,
  b: WeightSource,
  name: string,
  rows: RowRange,
  signal: WorkOptions['signal'],
): Promise<{ before: Float32Array; after: Float32Array } | undefined> {
  const [tensor, other] = [findTensor(a, name), findTensor(b, name)];
  if (tensor.type.id !== other.type.id) {
    for (const { type } of [tensor, other]) checkComparable(name, type);
    return { before: await readRows(a, name, rows, { signal }), after: await readRows(b, name, rows, { signal }) };
  }
  // One after the other: a source may be disposed as soon as the first of them fails.
  const before = await readPlanes(a, name, rows, { signal });
  const after = await readPlanes(b, name, rows, { signal });
  if (before.every((plane, index) => areSameBytes(plane, after[index]!))) return undefined;
  checkComparable(name, tensor.type);
  return { before: valuesOf(tensor, before), after: valuesOf(tensor, after) };
}

function checkComparable(name: string, type: TensorType): void {
  if (canDequantize(type)) return;
  const message = `The tensor "${name}" differs, but weights of the type ${type.name} cannot be computed with.`;
  throw new PixelError('unsupported-type', message);
}

/** Of fresh arrays of one length: four bytes at a time. */
function areSameBytes(one: Uint8Array<ArrayBuffer>, other: Uint8Array<ArrayBuffer>): boolean {
  const words = one.length >>> 2;
  const [left, right] = [new Uint32Array(one.buffer, 0, words), new Uint32Array(other.buffer, 0, words)];
  for (let at = 0; at < words; at++) if (left[at] !== right[at]) return false;
  for (let at = words * 4; at < one.length; at++) if (one[at] !== other[at]) return false;
  return true;
}

function valuesOf({ type }: TensorInfo, planes: readonly Uint8Array<ArrayBuffer>[]): Float32Array {
  const count = planes[0]!.length / type.fields[0]!.bytes;
  const blocks = new Uint8Array(count * type.blockBytes);
  type.fields.forEach((field, index) => {
    joinPlane(type, field.name, planes[index]!, blocks);
  });
  const values = new Float32Array(count * type.blockElements);
  dequantize(type, blocks, values);
  return values;
}

class ChangeTally {
  readonly #tensor: string;
  readonly #weights: number;
  #changed = 0;
  #notFinite = 0;
  #sum = 0;
  #largest: WeightChange | undefined;

  constructor(tensor: string, weights: number) {
    this.#tensor = tensor;
    this.#weights = weights;
  }

  add({ row, columns, before, after }: ChangedRows): void {
    let [largest, largestAt] = [this.#largest?.size ?? 0, -1];
    for (let at = 0; at < before.length; at++) {
      const change = changeOf(before[at]!, after[at]!);
      if (change === 0) continue;
      this.#changed++;
      const size = Math.abs(change);
      if (Number.isNaN(size)) {
        this.#notFinite++;
        continue;
      }
      this.#sum += size;
      if (size > largest) [largest, largestAt] = [size, at];
    }
    if (largestAt < 0) return;
    this.#largest = {
      tensor: this.#tensor,
      row: row + Math.floor(largestAt / columns),
      column: largestAt % columns,
      before: before[largestAt]!,
      after: after[largestAt]!,
      size: largest,
    };
  }

  summary(): ChangeSummary {
    return {
      weights: this.#weights,
      changed: this.#changed,
      notFinite: this.#notFinite,
      meanChange: this.#sum / Math.max(this.#weights, 1),
      ...(this.#largest && { largestChange: this.#largest }),
    };
  }
}
