/**
 * The executor of the device `gpu`: checks each batch, cuts it into passes, and reads back tokens, or the values that were asked for. Steps are
 * submitted in the order of the calls; reading their results runs beside that, so that a step may be called before the last one's are there.
 */
import { PixelError, throwIfAborted } from '../../core/errors.ts';
import type { OpOf, Program } from '../../program/program.ts';
import { checkBatch } from '../check-batch.ts';
import { checkIds } from '../check-ids.ts';
import { sampleRow } from '../reference/sample.ts';
import type { Batch, Executor, SampledToken, StepOptions, StepResult } from '../types.ts';
import { CARRIED_SLOTS, type GpuModel, type PassResult } from './gpu-model.ts';
import { CANDIDATES } from './kernels/sample.ts';
import { splitBatch } from './split-batch.ts';

type Values = Map<string, Float32Array | Int32Array>;

export class GpuExecutor implements Executor {
  readonly device = 'gpu';
  /** Three steps under way hide the way of a token to the reader and back. */
  readonly ahead: { readonly steps: number; readonly slots: number } = { steps: 3, slots: CARRIED_SLOTS };
  readonly program: Program;
  readonly pageTokens: number;
  readonly pageCount: number;
  readonly #model: GpuModel;
  readonly #sample: OpOf<'sample'> | undefined;
  #isDisposed = false;
  /** Settles when the step before is submitted. */
  #queue: Promise<unknown> = Promise.resolve();
  /** Results that are being read. */
  readonly #reading = new Set<Promise<unknown>>();

  constructor(program: Program, model: GpuModel, { pageCount, pageTokens }: { pageCount: number; pageTokens: number }) {
    this.program = program;
    this.pageCount = pageCount;
    this.pageTokens = pageTokens;
    this.#model = model;
    this.#sample = program.ops.find((op) => op.op === 'sample');
  }

  get loss(): PixelError | undefined {
    return this.#model.device.loss;
  }

  get dispatchesPerToken(): number {
    return this.#model.countDispatches();
  }

  async step(batch: Batch, options: StepOptions = {}): Promise<StepResult> {
    // A function, as a promise of the results would be awaited within the turn, which ends when the step is submitted.
    const read = await this.#inTurn(() => this.#submit(batch, options));
    const reading = read();
    this.#reading.add(reading);
    try {
      return await reading;
    } catch (error) {
      throw await this.#model.device.explain(error);
    } finally {
      this.#reading.delete(reading);
    }
  }

  copyPage(from: number, to: number, tokens: number): Promise<void> {
    return this.#inTurn(async () => {
      this.#checkPage(from, tokens);
      this.#checkPage(to, tokens);
      this.#model.cache.copyPage(from, to, tokens);
    });
  }

  readPage(page: number, tokens: number): Promise<Float32Array> {
    return this.#inTurn(async () => {
      this.#checkPage(page, tokens);
      return await this.#model.cache.readPage(page, tokens);
    });
  }

  writePage(page: number, values: Float32Array): Promise<void> {
    return this.#inTurn(async () => {
      const { positionValues } = this.#model.cache;
      this.#checkPage(page, positionValues === 0 ? 0 : values.length / positionValues);
      this.#model.cache.writePage(page, values);
    });
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true;
    await this.#queue.catch(() => undefined);
    await Promise.allSettled(this.#reading);
    this.#model.dispose();
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#queue.then(async () => {
      this.#throwIfDisposed();
      try {
        return await work();
      } catch (error) {
        throw await this.#model.device.explain(error);
      }
    });
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  async #submit(batch: Batch, { signal, readBack = [] }: StepOptions): Promise<() => Promise<StepResult>> {
    throwIfAborted(signal);
    this.#check(batch, readBack);
    const asked = readBack.filter((name) => !this.program.inputs.includes(name) && name !== this.#sample?.out);
    const logits = this.#logitsToRead(batch);
    const wanted = logits === undefined || asked.includes(logits) ? asked : [...asked, logits];
    const parts = splitBatch(this.program, batch, this.#model.capacity);
    const passes: PassResult[] = [];
    let last: (() => Promise<PassResult>) | undefined;
    for (const part of parts) {
      // Of several passes, each is read before the next: their results would lie in memory all at once.
      if (last) passes.push(await last());
      throwIfAborted(signal);
      this.#throwIfDisposed();
      last = await this.#model.submit(part.batch, wanted);
    }
    return async () => {
      if (last) passes.push(await last());
      const values = this.#joinValues(passes, wanted);
      const sampled = sampledTokens(passes);
      if (this.#sample)
        sampleWholeVocabulary(sampled, batch, values.get(this.#sample.in[0]!) ?? batch.inputs[this.#sample.in[0]!]);
      return { sampled, values: this.#named(values, batch, readBack, sampled) };
    };
  }

  /** The logits, if a row wants to choose among the whole vocabulary: that is done here. */
  #logitsToRead({ sampling }: Batch): string | undefined {
    const [logits = ''] = this.#sample?.in ?? [];
    if (!sampling?.some(({ wholeVocabulary }) => wholeVocabulary)) return undefined;
    return this.program.inputs.includes(logits) ? undefined : logits;
  }

  #check(batch: Batch, readBack: readonly string[]): void {
    checkBatch(this.program, this, batch);
    checkIds(this.program, batch, { carried: CARRIED_SLOTS });
    const unknown = readBack.find((name) => !this.program.values.some((value) => value.name === name));
    if (unknown !== undefined) {
      throw new PixelError('bad-argument', `The Program has no value "${unknown}" to read back.`);
    }
  }

  /** The passes' rows, one below the other. */
  #joinValues(passes: readonly PassResult[], wanted: readonly string[]): Values {
    const values: Values = new Map();
    for (const name of wanted) {
      const pieces = passes.map((pass) => new Float32Array(pass.values.get(name) ?? new ArrayBuffer(0)));
      const joined = new Float32Array(pieces.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const piece of pieces) {
        joined.set(piece, at);
        at += piece.length;
      }
      const isInteger = this.program.values.find((value) => value.name === name)?.type === 'i32';
      values.set(name, isInteger ? new Int32Array(joined.buffer) : joined);
    }
    return values;
  }

  #named(values: Values, batch: Batch, readBack: readonly string[], sampled: readonly SampledToken[]): Values {
    const named: Values = new Map();
    for (const name of readBack) {
      const given = name === 'positions' ? batch.positions : batch.inputs[name];
      if (name === this.#sample?.out) {
        // Without settings nobody wants a token: -1 stands for none.
        const ids = batch.sampling ? sampled.map(({ token }) => token) : Array.from(batch.outputEntries, () => -1);
        named.set(name, Int32Array.from(ids));
      } else named.set(name, this.program.inputs.includes(name) ? given!.slice() : values.get(name)!);
    }
    return named;
  }

  #checkPage(page: number, tokens: number): void {
    const isPage = Number.isInteger(page) && page >= 0 && page < this.pageCount;
    if (isPage && Number.isInteger(tokens) && tokens >= 0 && tokens <= this.pageTokens) return;
    throw new PixelError('bad-argument', `There are no ${tokens} positions of KV page ${page}.`);
  }

  #throwIfDisposed(): void {
    if (this.#isDisposed) throw new PixelError('disposed', 'The model was used after it was disposed of.');
  }
}

/** What the sample kernel left. Throws `not-finite`. */
function sampledTokens(passes: readonly PassResult[]): SampledToken[] {
  return passes.flatMap(({ results, tops }) => {
    const words = new Int32Array(results);
    const floats = new Float32Array(results);
    const likeliest = new Int32Array(tops);
    const logProbabilities = new Float32Array(tops);
    return Array.from({ length: words.length / 4 }, (_, row): SampledToken => {
      const [token = 0, , status = 0, count = 0] = words.subarray(4 * row);
      if (status !== 0) throw notFinite(status);
      const start = 2 * CANDIDATES * row;
      const top = Array.from({ length: count }, (_, i) => {
        return [likeliest[start + 2 * i]!, logProbabilities[start + 2 * i + 1]!] as const;
      });
      return { token, logprob: floats[4 * row + 1]!, top };
    });
  });
}

function notFinite(status: number): PixelError {
  return new PixelError(
    'not-finite',
    status === 1
      ? 'The model computed logits that are not numbers: its weights are unusable.'
      : 'No token is left to choose from: the bias forbids them all.',
  );
}

/** Replaces the samples of rows that choose among the whole vocabulary, which the GPU does not do. */
function sampleWholeVocabulary(
  sampled: SampledToken[],
  { sampling = [] }: Batch,
  logits: Float32Array | Int32Array | undefined,
): void {
  const width = (logits?.length ?? 0) / sampling.length;
  for (const [row, settings] of sampling.entries()) {
    if (!settings.wholeVocabulary || !(logits instanceof Float32Array)) continue;
    sampled[row] = sampleRow(logits.subarray(row * width, (row + 1) * width), settings);
  }
}
