/**
 * An executor whose device may be lost and made anew: drivers are updated, laptops sleep, a kernel of another program hangs. What it stands for is
 * replaced by what loading the model again gives; the KV cache is empty then, and whoever filled it fills it again.
 */
import type { Batch, Executor, StepOptions, StepResult } from '../backends/types.ts';
import { PixelError } from '../core/errors.ts';

export class RebuildingExecutor implements Executor {
  readonly #load: (loss: PixelError) => Promise<Executor>;
  #current: Executor;
  /** Set while there is no device: from the beginning of `rebuild` until it succeeds. */
  #loss: PixelError | undefined;
  #isDisposed = false;

  /** `load` gives an executor of the same Program with the same pages. */
  constructor(first: Executor, load: (loss: PixelError) => Promise<Executor>) {
    this.#current = first;
    this.#load = load;
  }

  get device(): Executor['device'] {
    return this.#current.device;
  }

  get program(): Executor['program'] {
    return this.#current.program;
  }

  get pageTokens(): number {
    return this.#current.pageTokens;
  }

  get pageCount(): number {
    return this.#current.pageCount;
  }

  get loss(): PixelError | undefined {
    return this.#loss ?? this.#current.loss;
  }

  get dispatchesPerToken(): number | undefined {
    return this.#current.dispatchesPerToken;
  }

  get ahead(): Executor['ahead'] {
    return this.#current.ahead;
  }

  get readPage(): Executor['readPage'] {
    return this.#current.readPage?.bind(this.#current);
  }

  get writePage(): Executor['writePage'] {
    return this.#current.writePage?.bind(this.#current);
  }

  async step(batch: Batch, options?: StepOptions): Promise<StepResult> {
    this.#check();
    return await this.#current.step(batch, options);
  }

  async copyPage(from: number, to: number, tokens: number): Promise<void> {
    this.#check();
    await this.#current.copyPage(from, to, tokens);
  }

  async rebuild(): Promise<void> {
    const { loss } = this;
    if (!loss || this.#isDisposed) return;
    this.#loss = loss;
    // Its memory is needed for the next.
    await this.#current.dispose();
    const next = await this.#load(loss);
    if (this.#isDisposed) {
      await next.dispose();
      throw new PixelError('disposed', 'The model was disposed of.');
    }
    this.#current = next;
    this.#loss = undefined;
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true;
    await this.#current.dispose();
  }

  #check(): void {
    if (this.#loss && !this.#isDisposed) throw this.#loss;
  }
}
