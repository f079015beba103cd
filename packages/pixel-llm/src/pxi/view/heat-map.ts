/**
 * What a person sees of a tensor from afar: for each square cell of weights, how large they are (mean |w|) and which way they
 * lean (balance of signs). Computed from streamed rows in bounded memory, of a GGUF or a picture alike.
 */
import { PixelError } from '../../core/errors.ts';
import type { WorkOptions } from '../../core/progress.ts';
import { columnsOf } from '../../gguf/head.ts';
import { findTensor } from '../read-blocks.ts';
import { readRows } from '../read-rows.ts';
import type { RowRange, WeightSource } from '../weight-source.ts';

/** Weights a side of the cells that map viewers start from; drawings choose the cell that makes a pixel. */
const BASE_CELL = 32;
/** Weights read at once: 4 MB as f32. */
const PIECE_WEIGHTS = 1 << 20;
/** Cells of one map: what a drawing may allocate, some 1 GB. */
const MOST_CELLS = 1 << 27;
/** The cells drawn darkest and brightest. Means of many weights lie close together: measured from zero they would all be bright. */
const DARK_PERCENTILE = 0.01;
const BRIGHT_PERCENTILE = 0.99;

export interface HeatMap {
  /** In cells; the last row and column of cells may stand for fewer weights. */
  readonly width: number;
  readonly height: number;
  /** Mean |w| of each cell, [height, width]. NaN where a weight is not finite. */
  readonly mean: Float32Array;
  /** (sum of w) / (sum of |w|) of each cell: -1 all negative, 0 balanced (or all zero), 1 all positive. */
  readonly balance: Float32Array;
}

export interface HeatMapOptions {
  /** Weights a side of a cell. */
  cell?: number | undefined;
  /** Only these rows of the tensor. */
  rows?: RowRange | undefined;
  signal?: WorkOptions['signal'];
  /** Called with the number of rows read since the last call. */
  onRows?: ((rows: number) => void) | undefined;
}

/** Throws `unknown-tensor`, `unsupported-type`, `bad-argument`, `aborted`, and what the source throws. */
export async function heatMapOf(
  source: WeightSource,
  tensorName: string,
  { cell = BASE_CELL, rows, signal, onRows }: HeatMapOptions = {},
): Promise<HeatMap> {
  const tensor = findTensor(source, tensorName);
  const { start, end } = rows ?? { start: 0, end: tensor.dimensions.slice(1).reduce((a, b) => a * b, 1) };
  const columns = columnsOf(tensor);
  const grid = new CellGrid(columns, end - start, cell, tensorName);
  const piece = Math.max(1, Math.floor(PIECE_WEIGHTS / Math.max(columns, 1)));
  for (let row = start; row < end; row += piece) {
    const until = Math.min(end, row + piece);
    const values = await readRows(source, tensorName, { start: row, end: until }, { signal });
    for (let at = 0; at < until - row; at++) grid.addRow(values.subarray(at * columns, (at + 1) * columns));
    onRows?.(until - row);
  }
  return grid.result();
}

/** Brightness of a cell from its mean |w|: 0 at the 1st percentile of all cells of these maps or below, 1 at the 99th or above. */
export function brightnessScale(maps: readonly HeatMap[]): (mean: number) => number {
  const length = maps.reduce((sum, map) => sum + map.mean.length, 0);
  const all = new Float32Array(length);
  let count = 0;
  for (const { mean } of maps) for (const value of mean) if (!Number.isNaN(value)) all[count++] = value;
  const sorted = all.subarray(0, count).sort();
  const at = (share: number) => sorted[Math.min(count - 1, Math.floor(count * share))] ?? 0;
  const [dark, bright] = [at(DARK_PERCENTILE), at(BRIGHT_PERCENTILE)];
  // All alike: ones are bright, zeros dark.
  if (bright <= dark) return (mean) => (Number.isNaN(mean) ? mean : mean > 0 ? 1 : 0);
  return (mean) => Math.min(1, Math.max(0, (mean - dark) / (bright - dark)));
}

/** Sums of the cells of the row of cells being filled, and the cells done. */
class CellGrid {
  readonly #cell: number;
  readonly #rows: number;
  readonly #columns: number;
  readonly #width: number;
  readonly #sums: Float64Array;
  readonly #magnitudes: Float64Array;
  readonly #mean: Float32Array;
  readonly #balance: Float32Array;
  #row = 0;

  constructor(columns: number, rows: number, cell: number, name: string) {
    this.#cell = cell;
    this.#rows = rows;
    this.#columns = columns;
    this.#width = Math.ceil(columns / cell);
    const cells = this.#width * Math.ceil(rows / cell);
    if (!(cells <= MOST_CELLS)) {
      throw new PixelError('bad-argument', `A heat map of "${name}" would have ${cells} cells; choose larger cells.`);
    }
    this.#sums = new Float64Array(this.#width);
    this.#magnitudes = new Float64Array(this.#width);
    this.#mean = new Float32Array(cells);
    this.#balance = new Float32Array(cells);
  }

  addRow(values: Float32Array): void {
    const cell = this.#cell;
    for (let index = 0, start = 0; index < this.#width; index++, start += cell) {
      const end = Math.min(start + cell, this.#columns);
      let sum = 0;
      let magnitude = 0;
      for (let i = start; i < end; i++) {
        const value = values[i]!;
        sum += value;
        magnitude += Math.abs(value);
      }
      this.#sums[index]! += sum;
      this.#magnitudes[index]! += magnitude;
    }
    this.#row++;
    if (this.#row % cell === 0 || this.#row === this.#rows) this.#finishCells();
  }

  result(): HeatMap {
    return {
      width: this.#width,
      height: Math.ceil(this.#rows / this.#cell),
      mean: this.#mean,
      balance: this.#balance,
    };
  }

  #finishCells(): void {
    const cellRow = Math.ceil(this.#row / this.#cell) - 1;
    const cellRows = this.#row - cellRow * this.#cell;
    for (let index = 0; index < this.#width; index++) {
      const cellColumns = Math.min(this.#cell, this.#columns - index * this.#cell);
      const magnitude = this.#magnitudes[index]!;
      const at = cellRow * this.#width + index;
      this.#mean[at] = Number.isFinite(magnitude) ? magnitude / (cellRows * cellColumns) : Number.NaN;
      this.#balance[at] = magnitude > 0 ? this.#sums[index]! / magnitude : 0;
    }
    this.#sums.fill(0);
    this.#magnitudes.fill(0);
  }
}
