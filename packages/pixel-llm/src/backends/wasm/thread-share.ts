/**
 * One thread's share of a Program in memory of its own: rows of matrices, heads of caches, values; and the walk over the Program's
 * steps. Single-threaded, the share is everything.
 */
import { PixelError } from '../../core/errors.ts';
import type { Op, Program } from '../../program/program.ts';
import type { Batch } from '../types.ts';
import type { KernelModule } from './kernel-module.ts';
import { type CachePages, KvCache, type OwnHeads } from './kv-cache.ts';
import type { Planes } from './load-shares.ts';
import { type OpContext, prepareOp } from './op-runners.ts';
import { PackedMatrix } from './packed-matrix.ts';
import { RopeTables } from './rope-tables.ts';
import type { Cuts, PlanStep, ThreadPlan } from './thread-plan.ts';
import { type PlacedValue, rowCount, ValueArena } from './value-arena.ts';
import { placeWeights } from './weight-placement.ts';

/** How threads make values whole. Single-threaded there is none. */
export interface Exchange {
  /** local: this thread's columns; whole: where all go, [rows, cuts' last]. */
  columns(module: KernelModule, rows: number, cuts: Cuts, local: PlacedValue, whole: PlacedValue): void;
  /** Rows of `value` whose thread `owner` says. */
  tokens(module: KernelModule, rows: number, owner: (row: number) => number, value: PlacedValue): void;
}

export interface ThreadShareParts {
  readonly module: KernelModule;
  readonly program: Program;
  readonly plan: ThreadPlan;
  readonly thread: number;
  readonly pages: CachePages;
  readonly exchange?: Exchange;
}

type Run = (batch: Batch) => void;

export class ThreadShare {
  readonly #parts: ThreadShareParts;
  readonly #matrices = new Map<string, PackedMatrix>();
  readonly #vectors = new Map<string, number>();
  readonly #caches = new Map<string, { cache: KvCache; own: OwnHeads }>();
  readonly #arena: ValueArena;
  readonly #ropeTables: RopeTables;
  readonly #runs: readonly Run[];
  #scratch = { address: 0, bytes: 0 };
  #quantized: { of: PlacedValue | undefined; q: number; meta: number; blocks: number } = {
    of: undefined,
    q: 0,
    meta: 0,
    blocks: 0,
  };

  /** Takes the memory for weights and caches. Throws `out-of-memory`. */
  constructor(parts: ThreadShareParts) {
    const { module, program, plan, thread, pages } = parts;
    this.#parts = parts;
    for (const { weight, format } of placeWeights(program)) {
      const { name, shape } = weight;
      if (format) this.#matrices.set(name, new PackedMatrix(module, format, this.#ownRows(name), shape[1] ?? 1));
      else this.#vectors.set(name, module.take(4 * shape.reduce((product, size) => product * size, 1) + 64));
    }
    for (const op of program.ops) {
      if (op.op !== 'attention') continue;
      const cuts = plan.headCuts.get(op.attributes.state)!;
      const own: OwnHeads = {
        heads: [cuts.heads[thread]!, cuts.heads[thread + 1]!],
        kvHeads: cuts.kvHeads[thread]!,
      };
      this.#caches.set(op.attributes.state, { cache: new KvCache(module, op.attributes, own, pages), own });
    }
    this.#arena = new ValueArena(module, program, plan, thread);
    this.#ropeTables = new RopeTables(module);
    this.#runs = plan.steps.map((step) => this.#prepare(step));
  }

  /** Packs rows of a matrix; firstRow, a multiple of four, counts from the thread's own first. Gives the planes back. Throws `not-finite`. */
  pack(name: string, firstRow: number, count: number, planes: Planes): Planes {
    const matrix = this.#matrices.get(name)!;
    try {
      matrix.pack(firstRow, count, planes, this.#takeScratch(matrix.scratchBytes));
      return planes;
    } catch (cause) {
      if (!(cause instanceof PixelError)) throw cause;
      throw new PixelError(cause.code, `The tensor "${name}" cannot be used. ${cause.message}`, { cause });
    }
  }

  setVectors(vectors: ReadonlyMap<string, Float32Array>): void {
    for (const [name, values] of vectors) this.#parts.module.f32.set(values, this.#vectors.get(name)! / 4);
  }

  get steps(): number {
    return this.#runs.length;
  }

  /** Makes room for a batch and copies its inputs. Throws `out-of-memory`. */
  begin(batch: Batch): void {
    const { module, program } = this.#parts;
    this.#arena.reserve({ tokens: batch.positions.length, outputs: batch.outputEntries.length });
    this.#ropeTables.beginStep();
    this.#quantized.of = undefined;
    for (const name of program.inputs) {
      const given = name === 'positions' ? batch.positions : batch.inputs[name]!;
      const { address } = this.#arena.place(name);
      if (given instanceof Int32Array) module.i32.set(given, address / 4);
      else module.f32.set(given, address / 4);
    }
  }

  run(step: number, batch: Batch): void {
    this.#runs[step]!(batch);
  }

  /** What the thread has of a value, while nothing has overwritten it: right after the step that writes it. */
  read(name: string): PlacedValue {
    return this.#arena.place(name);
  }

  copyPage(from: number, to: number): void {
    for (const { cache } of this.#caches.values()) cache.copyPage(from, to);
  }

  #prepare(step: PlanStep): Run {
    if (step.kind === 'op') return prepareOp(step.op, this.#contextOf(step.op, step.inPart));
    const { module, plan, exchange } = this.#parts;
    const local = this.#arena.place(step.value);
    const rows = (batch: Batch): number =>
      rowCount(local.rows, { tokens: batch.positions.length, outputs: batch.outputEntries.length });
    if (step.kind === 'exchange-columns') {
      const cuts = plan.columnCuts.get(step.value)!;
      const whole = this.#arena.place(step.value, true);
      return (batch) => exchange?.columns(module, rows(batch), cuts, local, whole);
    }
    const cuts = plan.rowCuts.get(step.table)!;
    const ids = this.#arena.place(step.ids);
    const owner = (row: number): number => {
      const id = module.i32[ids.address / 4 + row]!;
      return cuts.findIndex((_, thread) => id < cuts[thread + 1]!);
    };
    return (batch) => exchange?.tokens(module, rows(batch), owner, local);
  }

  #contextOf(op: Op, inPart: boolean): OpContext {
    const { module, plan, thread } = this.#parts;
    return {
      module,
      inPart,
      ropeTables: this.#ropeTables,
      value: (name) => this.#arena.place(name, !inPart && name !== op.out),
      matrix: (name) => this.#matrices.get(name)!,
      firstRow: (name) => plan.rowCuts.get(name)![thread]!,
      vector: (name) => this.#vectors.get(name)!,
      cache: (state) => this.#caches.get(state)!,
      scratch: (bytes) => this.#takeScratch(bytes),
      quantized: (value, blocks) => this.#takeQuantized(value, blocks),
    };
  }

  #ownRows(name: string): number {
    const { plan, thread } = this.#parts;
    const cuts = plan.rowCuts.get(name)!;
    return cuts[thread + 1]! - cuts[thread]!;
  }

  #takeScratch(bytes: number): number {
    if (bytes > this.#scratch.bytes) {
      const enough = Math.max(bytes, 2 * this.#scratch.bytes);
      this.#scratch = { address: this.#parts.module.retake(this.#scratch.address, enough), bytes: enough };
    }
    return this.#scratch.address;
  }

  #takeQuantized(value: PlacedValue, blocks: number): { q: number; meta: number; isDone: boolean } {
    const kept = this.#quantized;
    const isDone = kept.of === value;
    kept.of = value;
    if (blocks > kept.blocks) {
      kept.blocks = Math.max(blocks, 2 * kept.blocks);
      kept.q = this.#parts.module.take(kept.blocks * (64 + META_BYTES));
      kept.meta = kept.q + kept.blocks * 64;
    }
    return { q: kept.q, meta: kept.meta, isDone };
  }
}

/** What is noted of each block of 32 activations (assembly/quantize.ts). */
const META_BYTES = 20;
