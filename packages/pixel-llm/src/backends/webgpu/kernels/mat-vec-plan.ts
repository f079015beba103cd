/** What a product with few tokens is asked for, and how its work is laid out: mat-vec.ts makes the kernel of it. */
import type { DeviceTraits } from './kernel.ts';
import { type WeightFormat, weightFormat } from './weight-formats.ts';
import { type WorkgroupSums, workgroupSums } from './workgroup-sums.ts';

interface ProductMatrix {
  /** Its planes are bound as `NAME.PLANE`. */
  readonly name: string;
  readonly type: string;
  readonly rows: number;
}

export interface MatVecSpec {
  /** Those of one type can as well be stacked into one, plane by plane, when they are uploaded: fewer bindings. */
  readonly matrices: readonly ProductMatrix[];
  readonly columns: number;
  /** `q8`: what quantizeActivationsKernel makes of them, `x` and `x_scales`; for types of integers, columns in 32s, and without `norm`. Default: `f32`. */
  readonly activations?: 'f32' | 'q8';
  /** The most rows of `x`: sizes.rows may be fewer. */
  readonly tokens: 1 | 2 | 4 | 8;
  /** `bias` [rows], added. */
  readonly bias?: boolean;
  /** `residual` [tokens, rows], added. */
  readonly residual?: boolean;
  /** x is rmsNorm'ed over all columns first, with `gain` [columns]. */
  readonly norm?: { readonly epsilon: number };
  /** The one matrix holds gates and, below them, as many ups: out = act(gate) x up, half as wide as the matrix is high. */
  readonly gate?: 'gatedSilu' | 'gatedGelu';
  /** Where these rows stand in a row of `out`, `bias` and `residual`, and how long that is: for a matrix that is bound part by part. */
  readonly out?: { readonly first: number; readonly width: number };
}

/** Rows of a workgroup. */
export const ROWS = 4;
/** Invocations that should be under way in all: enough to hide memory's latency on a large GPU. */
const INVOCATIONS = 65_536;
const MOST_LANES = 128;

export interface Part {
  readonly name: string;
  readonly format: WeightFormat;
  /** Rows of the matrix; with `gate`, of each half. */
  readonly rows: number;
  /** Where its rows begin in `out`, and its workgroups among all. */
  readonly firstRow: number;
  readonly firstGroup: number;
  readonly groups: number;
}

export interface Plan {
  readonly parts: readonly Part[];
  readonly lanes: number;
  readonly isStaged: boolean;
  /** Floats one by one: columns are no multiple of four. */
  readonly isSingle: boolean;
  readonly tileQuads: number;
  /** Two tiles, filled in turn: one barrier a run. */
  readonly tiles: 1 | 2;
  /** Variables that are summed over the workgroup: row by row for each token, then squares of each token. */
  readonly values: readonly string[];
  readonly sums: WorkgroupSums;
  readonly outRows: number;
  /** Rows of `out` of one workgroup. */
  readonly groupRows: number;
}

export function planOf(
  { matrices, columns, tokens, norm, gate, out, activations }: MatVecSpec,
  traits: DeviceTraits,
): Plan {
  const groupRows = gate ? ROWS / 2 : ROWS;
  const parts: Part[] = [];
  for (const { name, type, rows } of matrices) {
    const last = parts.at(-1);
    const ownRows = gate ? rows / 2 : rows;
    parts.push({
      name,
      format: weightFormat(type, columns),
      rows: ownRows,
      firstRow: last ? last.firstRow + last.rows : (out?.first ?? 0),
      firstGroup: last ? last.firstGroup + last.groups : 0,
      groups: Math.ceil(ownRows / groupRows),
    });
  }
  const isSingle = columns % 4 !== 0;
  const isStaged = activations !== 'q8' && parts.some(({ format }) => format.run > 8);
  const groups = parts.reduce((total, part) => total + part.groups, 0);
  const chunks = Math.max(...parts.map(({ format }) => columns / format.chunk));
  const most = Math.min(MOST_LANES, traits.maxInvocations, 256 / tokens);
  const lanes = Math.min(most, Math.max(32, Math.min(powerOfTwo(chunks), powerOfTwo(INVOCATIONS / groups))));
  const counted = Array.from({ length: tokens }, (_, t) => t);
  const values = [
    ...counted.flatMap((t) => Array.from({ length: ROWS }, (_, row) => `sum${row}_${t}`)),
    ...(norm ? counted.map((t) => `squares${t}`) : []),
  ];
  const sums = workgroupSums(values.length, lanes, 'lane', traits);
  const tile = lanes * 4 * tokens;
  const tiles = sums.sharedBytes + 2 * 16 * tile + 64 * parts.length <= traits.maxSharedBytes ? 2 : 1;
  return {
    ...{ parts, lanes, isStaged, isSingle, tiles, tileQuads: tiles * tile, values, sums, groupRows },
    outRows: out?.width ?? parts.reduce((total, part) => total + part.rows, 0),
  };
}

function powerOfTwo(least: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, least)));
}
