/**
 * The executor of the device `cpu`: checks each batch, lets its team compute, and samples from the logits it gets back, as the
 * reference does.
 */
import { PixelError, throwIfAborted } from '../../core/errors.ts';
import type { OpOf, Program } from '../../program/program.ts';
import { checkBatch } from '../check-batch.ts';
import { checkIds } from '../check-ids.ts';
import type { Batch, Executor, SampledToken, StepOptions, StepResult } from '../types.ts';
import type { LogitSampler } from './logit-sampler.ts';
import type { Team } from './team.ts';

interface ExecutorParts {
  readonly program: Program;
  readonly team: Team;
  readonly sampler: LogitSampler;
  readonly pages: { readonly pageCount: number; readonly pageTokens: number };
}

export class CpuExecutor implements Executor {
  readonly device = 'cpu';
  readonly program: Program;
  readonly pageTokens: number;
  readonly pageCount: number;
  readonly #team: Team;
  readonly #sampler: LogitSampler;
  readonly #sample: OpOf<'sample'> | undefined;
  #isDisposed = false;
  /** Steps run one after another, in the order of the calls. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor({ program, team, sampler, pages }: ExecutorParts) {
    const { pageCount, pageTokens } = pages;
    this.program = program;
    this.pageCount = pageCount;
    this.pageTokens = pageTokens;
    this.#team = team;
    this.#sampler = sampler;
    this.#sample = program.ops.find((op) => op.op === 'sample');
  }

  get loss(): PixelError | undefined {
    return this.#team.loss;
  }

  step(batch: Batch, options: StepOptions = {}): Promise<StepResult> {
    return this.#inTurn(() => this.#run(batch, options));
  }

  copyPage(from: number, to: number, tokens: number): Promise<void> {
    return this.#inTurn(async () => {
      const isPage = (page: number): boolean => Number.isInteger(page) && page >= 0 && page < this.pageCount;
      const fits = Number.isInteger(tokens) && tokens >= 0 && tokens <= this.pageTokens;
      if (!isPage(from) || !isPage(to) || !fits) {
        throw new PixelError('bad-argument', `There is no copying ${tokens} positions of page ${from} to page ${to}.`);
      }
      await this.#team.copyPage(from, to);
    });
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true;
    await this.#queue.catch(() => undefined);
    await this.#team.dispose();
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#queue.then(() => {
      if (this.#isDisposed) throw new PixelError('disposed', 'The model was used after it was disposed of.');
      return work();
    });
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  async #run(batch: Batch, { signal, readBack = [] }: StepOptions): Promise<StepResult> {
    throwIfAborted(signal);
    checkBatch(this.program, this, batch);
    checkIds(this.program, batch);
    const unknown = readBack.find((name) => !this.program.values.some((value) => value.name === name));
    if (unknown !== undefined) {
      throw new PixelError('bad-argument', `The Program has no value "${unknown}" to read back.`);
    }
    const [logits, sampledName] = [this.#sample?.in[0], this.#sample?.out];
    const wanted = readBack.filter((name) => name !== sampledName);
    if (logits !== undefined && batch.sampling && !wanted.includes(logits)) wanted.push(logits);
    const computed = await this.#team.run(batch, wanted, signal);
    const sampled = this.#sampleFrom(logits === undefined ? undefined : computed.get(logits), batch);
    const values = new Map<string, Float32Array | Int32Array>();
    for (const name of readBack) {
      const ids = batch.sampling ? sampled.map(({ token }) => token) : Array.from(batch.outputEntries, () => -1);
      values.set(name, name === sampledName ? Int32Array.from(ids) : computed.get(name)!.slice());
    }
    return { sampled, values };
  }

  #sampleFrom(logits: Float32Array | Int32Array | undefined, { sampling }: Batch): SampledToken[] {
    if (!sampling || !(logits instanceof Float32Array)) return [];
    const width = logits.length / sampling.length;
    return sampling.map((settings, row) =>
      this.#sampler.sample(logits.subarray(row * width, (row + 1) * width), settings),
    );
  }
}
