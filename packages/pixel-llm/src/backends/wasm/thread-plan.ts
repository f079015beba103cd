/**
 * How several threads walk one Program: which columns of each value, rows of each matrix and heads of each cache a thread owns, and
 * where they have to exchange what they have. The same on every thread, from the Program and their number alone.
 *
 * A matrix is cut by rows, so its product is cut by columns; what works value by value or head by head goes on with its own columns, and
 * an exchange makes a value whole where an op needs it so. What is whole is computed by every thread for itself.
 */
import type { AttentionAttributes, Op, OpOf, Program } from '../../program/program.ts';

/** Thread t has items cuts[t] to cuts[t + 1] - 1. */
export type Cuts = readonly number[];

export type PlanStep =
  /** Runs an op: on the columns a thread has of its inputs, or (not `inPart`) on whole inputs. */
  | { readonly kind: 'op'; readonly op: Op; readonly inPart: boolean }
  /** Makes a value whole that is cut by columns. */
  | { readonly kind: 'exchange-columns'; readonly value: string }
  /** Makes an embedding whole, of which each thread has the tokens whose rows are in its share of the table. */
  | { readonly kind: 'exchange-tokens'; readonly value: string; readonly ids: string; readonly table: string };

interface HeadCuts {
  readonly heads: Cuts;
  /** First and last + 1 of the key/value heads that a thread's query heads read; neighbours may both hold one. */
  readonly kvHeads: readonly (readonly [start: number, end: number])[];
}

export interface ThreadPlan {
  readonly threads: number;
  readonly steps: readonly PlanStep[];
  /** Values cut by columns when they are written. The others are whole. */
  readonly columnCuts: ReadonlyMap<string, Cuts>;
  /** Rows of the matrices of products and embeddings. */
  readonly rowCuts: ReadonlyMap<string, Cuts>;
  /** By state. */
  readonly headCuts: ReadonlyMap<string, HeadCuts>;
}

export function planThreads(program: Program, threads: number): ThreadPlan {
  return new Planner(program, threads).plan();
}

/** Rows are packed four together and multiplied eight at a time. */
const ROW_UNIT = 8;

class Planner {
  readonly #program: Program;
  readonly #threads: number;
  readonly #widths: ReadonlyMap<string, number>;
  readonly #producers: ReadonlyMap<string, Op>;
  readonly #steps: PlanStep[] = [];
  readonly #columnCuts = new Map<string, Cuts>();
  readonly #rowCuts = new Map<string, Cuts>();
  readonly #headCuts = new Map<string, HeadCuts>();
  readonly #whole = new Set<string>();

  constructor(program: Program, threads: number) {
    this.#program = program;
    this.#threads = threads;
    this.#widths = new Map(program.values.map(({ name, shape }) => [name, Number(shape.at(-1))]));
    this.#producers = new Map(program.ops.map((op) => [op.out, op]));
  }

  plan(): ThreadPlan {
    for (const op of this.#program.ops) if (op.op === 'attention') this.#cutHeads(op);
    for (const op of this.#program.ops) this.#cutRows(op);
    for (const op of this.#program.ops) {
      const inPart = this.#worksInPart(op);
      if (!inPart && op.op !== 'sample') this.#makeWhole(op.in);
      this.#steps.push({ kind: 'op', op, inPart });
      if (this.#threads > 1) this.#place(op, inPart);
    }
    return {
      threads: this.#threads,
      steps: this.#steps,
      columnCuts: this.#columnCuts,
      rowCuts: this.#rowCuts,
      headCuts: this.#headCuts,
    };
  }

  /** Query heads are cut evenly; where key/value heads can be too, the products that make q, k and v are cut alike. */
  #cutHeads({ in: inputs, attributes }: OpOf<'attention'>): void {
    const { state, heads, kvHeads, headDim } = attributes;
    const group = heads / kvHeads;
    const isAligned = kvHeads % this.#threads === 0;
    const cuts = evenCuts(heads, this.#threads, isAligned ? (kvHeads / this.#threads) * group : 1);
    const covered = cuts.slice(1).map((end, thread) => {
      const start = cuts[thread]!;
      return start === end ? ([0, 0] as const) : ([Math.floor(start / group), Math.ceil(end / group)] as const);
    });
    this.#headCuts.set(state, { heads: cuts, kvHeads: covered });
    if (!isAligned) return;
    const units = [group * headDim, headDim, headDim];
    inputs.forEach((value, i) => {
      const matrix = this.#matrixBehind(value);
      if (matrix)
        this.#rowCuts.set(
          matrix,
          evenCuts(this.#widths.get(value)!, this.#threads, (units[i]! * kvHeads) / this.#threads),
        );
    });
  }

  /** The matrix whose product becomes the value, through ops that keep a head's columns together. */
  #matrixBehind(value: string): string | undefined {
    const op = this.#producers.get(value);
    if (op?.op === 'matmul') return op.weights[0];
    return op?.op === 'rope' || op?.op === 'rmsNorm' || op?.op === 'layerNorm'
      ? this.#matrixBehind(op.in[0]!)
      : undefined;
  }

  #cutRows(op: Op): void {
    if (op.op !== 'matmul' && op.op !== 'embed') return;
    const name = op.weights[0]!;
    const rows = this.#program.weights.find((weight) => weight.name === name)!.shape[0]!;
    if (!this.#rowCuts.has(name)) this.#rowCuts.set(name, evenCuts(rows, this.#threads, ROW_UNIT));
  }

  #makeWhole(values: readonly string[]): void {
    for (const value of values) {
      if (!this.#columnCuts.has(value) || this.#whole.has(value)) continue;
      this.#steps.push({ kind: 'exchange-columns', value });
      this.#whole.add(value);
    }
  }

  /** True if each thread can go on with the columns it has. */
  #worksInPart(op: Op): boolean {
    const cuts = op.in.map((value) => (this.#whole.has(value) ? undefined : this.#columnCuts.get(value)));
    const [first] = cuts;
    if (!first) return false;
    const isMultiple = (size: number): boolean => first.every((cut) => cut % size === 0);
    switch (op.op) {
      case 'silu':
      case 'gelu':
      case 'scale':
      case 'takeRows':
        return true;
      case 'add':
      case 'mul':
      case 'gatedSilu':
      case 'gatedGelu':
        return isSame(first, cuts[1]);
      case 'rmsNorm':
      case 'layerNorm':
        return op.attributes.size < this.#widths.get(op.in[0]!)! && isMultiple(op.attributes.size);
      case 'rope':
        return isMultiple(op.attributes.headDim);
      case 'attention':
        return this.#hasOwnHeads(op.attributes, cuts);
      default:
        return false;
    }
  }

  #hasOwnHeads({ state, headDim }: AttentionAttributes, [q, k, v]: readonly (Cuts | undefined)[]): boolean {
    const { heads, kvHeads } = this.#headCuts.get(state)!;
    const wanted = heads.map((head) => head * headDim);
    const wantedKv = [0, ...kvHeads.map(([, end]) => end * headDim)];
    return isSame(wanted, q) && isSame(wantedKv, k) && isSame(wantedKv, v);
  }

  /** Where the op's result lies. */
  #place(op: Op, inPart: boolean): void {
    if (op.op === 'matmul') this.#columnCuts.set(op.out, this.#rowCuts.get(op.weights[0]!)!);
    else if (op.op === 'attention') {
      const { headDim, state } = op.attributes;
      this.#columnCuts.set(
        op.out,
        this.#headCuts.get(state)!.heads.map((head) => head * headDim),
      );
    } else if (op.op === 'embed') {
      this.#steps.push({ kind: 'exchange-tokens', value: op.out, ids: op.in[0]!, table: op.weights[0]! });
    } else if (inPart) {
      this.#columnCuts.set(op.out, this.#columnCuts.get(op.in[0]!)!);
    }
  }
}

function isSame(a: Cuts, b: Cuts | undefined): boolean {
  return b !== undefined && a.length === b.length && a.every((cut, i) => cut === b[i]);
}

/** As even as whole units allow. */
function evenCuts(count: number, threads: number, unit: number): Cuts {
  const units = Math.ceil(count / unit);
  return Array.from({ length: threads + 1 }, (_, thread) =>
    Math.min(count, Math.floor((thread * units) / threads) * unit),
  );
}
