/** What a person sees of a change from afar: of each square cell of weights the largest change, with its sign. */
import type { RowRange } from '../weight-source.ts';
import { type ChangedRows, changeOf } from './compare-tensor.ts';

/** Changes above this share of all cells that changed have the full colour: one far off would leave all others dark. */
const FULL_PERCENTILE = 0.99;
/** Cells looked at for the percentile: of more, every second, third, ... */
const MOST_SAMPLES = 1 << 22;

/** Rows of a tensor, in cells of `cell` weights a side. */
export class ChangeMap {
  readonly width: number;
  readonly height: number;
  /** after - before of the weight of each cell that changed most, [height, width]; 0 where none did, NaN where one is not finite. */
  readonly changes: Float32Array;
  readonly #rows: RowRange;
  readonly #cell: number;

  constructor(rows: RowRange, columns: number, cell: number) {
    this.width = Math.ceil(columns / cell);
    this.height = Math.ceil((rows.end - rows.start) / cell);
    this.changes = new Float32Array(this.width * this.height);
    this.#rows = rows;
    this.#cell = cell;
  }

  /** Takes the rows that lie within its own. */
  add({ row, columns, before, after }: ChangedRows): void {
    const first = Math.max(row, this.#rows.start);
    const end = Math.min(row + before.length / Math.max(columns, 1), this.#rows.end);
    for (let at = first; at < end; at++) {
      const line = Math.floor((at - this.#rows.start) / this.#cell) * this.width;
      const start = (at - row) * columns;
      for (let column = 0; column < columns; column++) {
        const change = changeOf(before[start + column]!, after[start + column]!);
        if (change !== 0) this.#keep(line + Math.floor(column / this.#cell), change);
      }
    }
  }

  /** Cells in which at least one weight changed. */
  countChanged(): number {
    let count = 0;
    for (const change of this.changes) if (change !== 0) count++;
    return count;
  }

  #keep(at: number, change: number): void {
    // Nothing is larger than NaN, which therefore stays.
    if (Number.isNaN(change) || Math.abs(change) > Math.abs(this.changes[at]!)) this.changes[at] = change;
  }
}

/** The size of change that has the full colour: the 99th percentile of the cells that changed; 0 when none did. */
export function changeScale(maps: readonly ChangeMap[]): number {
  let count = 0;
  for (const { changes } of maps) for (const change of changes) if (hasSize(change)) count++;
  const stride = Math.max(1, Math.ceil(count / MOST_SAMPLES));
  const sizes = new Float32Array(Math.ceil(count / stride));
  let met = 0;
  for (const { changes } of maps) {
    for (const change of changes) {
      if (!hasSize(change)) continue;
      if (met % stride === 0) sizes[met / stride] = Math.abs(change);
      met++;
    }
  }
  sizes.sort();
  return sizes[Math.min(sizes.length - 1, Math.floor(sizes.length * FULL_PERCENTILE))] ?? 0;
}

function hasSize(change: number): boolean {
  return change !== 0 && Number.isFinite(change);
}
