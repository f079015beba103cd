/**
 * The executor that is the specification: it walks the Program's list, op by op, over f32 values, with sums in f64. Slow, and simple
 * enough to be believed; every other backend is compared with it.
 */
import { PixelError, throwIfAborted } from '../../core/errors.ts';
import type { Dimension, Op, Program } from '../../program/program.ts';
import { checkBatch, lengthOf } from '../check-batch.ts';
import type { Batch, Executor, SampledToken, StepOptions, StepResult } from '../types.ts';
import { KvPages } from './kv-pages.ts';
import type { OpCall, OpTable } from './op-table.ts';

/** Ops are run without a pause for this long; then timers and abort signals get their turn. */
const PAUSE_AFTER_MS = 30;

export interface ReferenceExecutorParts {
  readonly program: Program;
  /** Each weight of the Program, flat. */
  readonly weights: ReadonlyMap<string, Float32Array>;
  readonly pageCount: number;
  readonly pageTokens: number;
  readonly ops: OpTable;
}

type Values = Map<string, Float32Array | Int32Array>;

export class ReferenceExecutor implements Executor {
  readonly device = 'reference';
  readonly program: Program;
  readonly pageTokens: number;
  readonly pageCount: number;
  readonly #ops: OpTable;
  readonly #weights: Map<string, Float32Array>;
  readonly #caches: Map<string, KvPages>;
  readonly #shapes: ReadonlyMap<string, readonly Dimension[]>;
  /** For each op, the values that no later op reads. */
  readonly #lastUses: readonly (readonly string[])[];
  #disposed = false;
  /** Steps run one after another, in the order of the calls. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor({ program, weights, pageCount, pageTokens, ops }: ReferenceExecutorParts) {
    this.program = program;
    this.pageTokens = pageTokens;
    this.pageCount = pageCount;
    this.#ops = ops;
    this.#weights = new Map(weights);
    this.#caches = new Map(
      program.state.map(({ name, kvHeads, headDim }) => [name, new KvPages(pageCount, pageTokens, kvHeads * headDim)]),
    );
    this.#shapes = new Map(program.values.map(({ name, shape }) => [name, shape]));
    this.#lastUses = lastUses(program);
  }

  step(batch: Batch, options: StepOptions = {}): Promise<StepResult> {
    return this.#inTurn(() => this.#run(batch, options));
  }

  copyPage(from: number, to: number, tokens: number): Promise<void> {
    return this.#inTurn(async () => {
      this.#checkPage(from, tokens);
      this.#checkPage(to, tokens);
      for (const cache of this.#caches.values()) cache.copyPage(from, to, tokens);
    });
  }

  readPage(page: number, tokens: number): Promise<Float32Array> {
    return this.#inTurn(async () => {
      this.#checkPage(page, tokens);
      const caches = [...this.#caches.values()];
      const values = new Float32Array(caches.reduce((sum, { width }) => sum + 2 * tokens * width, 0));
      let at = 0;
      for (const cache of caches) {
        for (const part of cache.page(page, tokens)) {
          values.set(part, at);
          at += part.length;
        }
      }
      return values;
    });
  }

  writePage(page: number, values: Float32Array): Promise<void> {
    return this.#inTurn(async () => {
      const caches = [...this.#caches.values()];
      const tokens = values.length / caches.reduce((sum, { width }) => sum + 2 * width, 0);
      this.#checkPage(page, tokens);
      let at = 0;
      for (const cache of caches) {
        for (const part of cache.page(page, tokens)) {
          part.set(values.subarray(at, at + part.length));
          at += part.length;
        }
      }
    });
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#queue.catch(() => undefined);
    this.#weights.clear();
    this.#caches.clear();
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#queue.then(() => {
      this.#throwIfDisposed();
      return work();
    });
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  async #run(batch: Batch, { signal, readBack = [] }: StepOptions): Promise<StepResult> {
    throwIfAborted(signal);
    checkBatch(this.program, this, batch);
    const unknown = readBack.find((name) => !this.#shapes.has(name));
    if (unknown !== undefined)
      throw new PixelError('bad-argument', `The Program has no value "${unknown}" to read back.`);
    const values: Values = new Map(Object.entries({ ...batch.inputs, positions: batch.positions }));
    const wanted = new Map<string, Float32Array | Int32Array>();
    for (const name of readBack) if (this.program.inputs.includes(name)) wanted.set(name, named(values, name).slice());
    const sampled: SampledToken[] = [];
    let pausedAt = performance.now();
    for (const [index, op] of this.program.ops.entries()) {
      const result = this.#compute(op, values, batch, sampled);
      values.set(op.out, result);
      if (readBack.includes(op.out)) wanted.set(op.out, result);
      for (const name of this.#lastUses[index] ?? []) values.delete(name);
      if (performance.now() - pausedAt < PAUSE_AFTER_MS) continue;
      await new Promise((resolve) => setTimeout(resolve));
      throwIfAborted(signal);
      this.#throwIfDisposed();
      pausedAt = performance.now();
    }
    return { sampled, values: wanted };
  }

  #compute(op: Op, values: Values, batch: Batch, sampled: SampledToken[]): Float32Array | Int32Array {
    const inputs = op.in.map((name) => named(values, name));
    const call: OpCall<Op['attributes']> = {
      attributes: op.attributes,
      floats: inputs.filter((input) => input instanceof Float32Array),
      integers: inputs.filter((input) => input instanceof Int32Array),
      weights: op.weights.map((name) => named(this.#weights, name)),
      inputWidth: this.#widthOf(op.in[0] ?? '', batch),
      outputWidth: this.#widthOf(op.out, batch),
      batch,
      cacheOf: (state) => named(this.#caches, state),
      sampled,
    };
    // The table's entry and the op have the same name; TypeScript cannot follow a union through a lookup.
    return (this.#ops[op.op] as (call: OpCall<Op['attributes']>) => Float32Array | Int32Array)(call);
  }

  #widthOf(value: string, batch: Batch): number {
    return lengthOf(this.#shapes.get(value)?.at(-1) ?? 0, batch);
  }

  #checkPage(page: number, tokens: number): void {
    const isPage = Number.isInteger(page) && page >= 0 && page < this.pageCount;
    if (isPage && Number.isInteger(tokens) && tokens >= 0 && tokens <= this.pageTokens) return;
    throw new PixelError('bad-argument', `There are no ${tokens} positions of KV page ${page}.`);
  }

  #throwIfDisposed(): void {
    if (this.#disposed) throw new PixelError('disposed', 'The model was used after it was disposed of.');
  }
}

function lastUses({ ops }: Program): string[][] {
  const lastUse = new Map<string, number>();
  ops.forEach((op, index) => {
    for (const name of [...op.in, op.out]) lastUse.set(name, index);
  });
  const uses: string[][] = ops.map(() => []);
  for (const [name, index] of lastUse) uses[index]?.push(name);
  return uses;
}

function named<Item>(map: ReadonlyMap<string, Item>, name: string): Item {
  const item = map.get(name);
  if (item === undefined)
    throw new PixelError('bad-program', `The Program reads "${name}", which nothing has written.`);
  return item;
}
