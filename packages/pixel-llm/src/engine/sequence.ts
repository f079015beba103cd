/**
 * A sequence: tokens whose keys and values lie in the KV cache, as a session sees it. The store owns the executor's pages and
 * takes them back from idle sequences, least recently used first, when a busy one needs them; an idle sequence that lost its
 * pages is empty and is simply processed again.
 */
import type { Executor, SampledToken, SamplingSettings, StepResult } from '../backends/types.ts';
import { PixelError, throwIfAborted } from '../core/errors.ts';
import { PagePool, PageTable } from './page-table.ts';
import { type SequenceStep, StepQueue } from './step-queue.ts';
import { StepsAhead } from './steps-ahead.ts';

/** Tokens a step takes at most: few where a step is slow, so that an abort is heard soon; many where kernels want rows. */
const BATCH_TOKENS = { reference: 32, cpu: 128, gpu: 512 } as const;

/** All sequences on one executor. */
export class SequenceStore {
  /** Tokens of one sequence that a step takes at most. */
  readonly chunkTokens: number;
  /** Places on the device for tokens that nobody has read yet. */
  readonly #slots: number[];
  readonly #stepsAhead: number;
  readonly #queue: StepQueue;
  readonly #pool: PagePool;
  readonly #sequences = new Set<Sequence>();
  #clock = 0;

  constructor(executor: Executor, { chunkTokens = BATCH_TOKENS[executor.device] }: { chunkTokens?: number } = {}) {
    this.chunkTokens = chunkTokens;
    this.#queue = new StepQueue(executor, BATCH_TOKENS[executor.device]);
    this.#stepsAhead = executor.ahead?.steps ?? 0;
    this.#slots = Array.from({ length: executor.ahead?.slots ?? 0 }, (_, slot) => slot);
    this.#pool = new PagePool(executor.pageCount, executor.pageTokens, () => this.#reclaim());
  }

  get freePages(): number {
    return this.#pool.freePages;
  }

  create(): Sequence {
    const table = new PageTable(this.#pool, (from, to, tokens) => this.#queue.copyPage(from, to, tokens));
    return this.#add(new Sequence(this.#queue, table, this.#hooks));
  }

  /** Refuses what waits with `disposed` and disposes of the executor. Harmless twice. */
  async dispose(): Promise<void> {
    await this.#queue.close();
    this.#sequences.clear();
  }

  readonly #hooks: SequenceHooks = {
    takeSlot: () => {
      const slot = this.#slots.pop();
      return slot === undefined ? undefined : { slot, steps: this.#stepsAhead };
    },
    returnSlot: (slot) => void this.#slots.push(slot),
    tick: () => ++this.#clock,
    closest: (tokens) => this.#closest(tokens),
    revive: (life) => this.#revive(life),
    forked: (sequence) => void this.#add(sequence),
    disposed: (sequence) => void this.#sequences.delete(sequence),
  };

  #add(sequence: Sequence): Sequence {
    this.#sequences.add(sequence);
    return sequence;
  }

  #closest(tokens: readonly number[]): { sequence: Sequence; common: number } | undefined {
    let best: { sequence: Sequence; common: number } | undefined;
    for (const sequence of this.#sequences) {
      if (sequence.isLost) continue;
      const common = commonPrefix(sequence.tokens, tokens);
      if (common > (best?.common ?? 0)) best = { sequence, common };
    }
    return best;
  }

  async #revive(life: number): Promise<boolean> {
    const revived = await this.#queue.revive(life);
    // Busy ones find out by themselves, with their next step.
    if (revived) for (const sequence of this.#sequences) if (!sequence.claimed) sequence.forgetLost();
    return revived;
  }

  #reclaim(): boolean {
    let oldest: Sequence | undefined;
    for (const sequence of this.#sequences) {
      const idle = !sequence.claimed && sequence.tokens.length > 0;
      if (idle && (!oldest || sequence.lastUsed < oldest.lastUsed)) oldest = sequence;
    }
    oldest?.truncate(0);
    return oldest !== undefined;
  }
}

interface SequenceHooks {
  /** A place on the device, and how many steps it may run ahead; undefined where it does not, or too many do already. */
  takeSlot(): { slot: number; steps: number } | undefined;
  returnSlot(slot: number): void;
  tick(): number;
  /** The sequence whose cache begins with most of these tokens. */
  closest(tokens: readonly number[]): { sequence: Sequence; common: number } | undefined;
  /** As StepQueue.revive. */
  revive(life: number): Promise<boolean>;
  forked(sequence: Sequence): void;
  disposed(sequence: Sequence): void;
}

interface RunOptions {
  /** Sample the token after the last one. */
  sampling?: SamplingSettings | undefined;
  signal?: AbortSignal | undefined;
}

export class Sequence {
  readonly #queue: StepQueue;
  readonly #table: PageTable;
  readonly #hooks: SequenceHooks;
  readonly #tokens: number[];
  /** The device's life that the cache's content belongs to. */
  #life: number;
  #claimed = false;
  #disposed = false;
  #lastUsed: number;

  constructor(queue: StepQueue, table: PageTable, hooks: SequenceHooks, tokens: readonly number[] = []) {
    this.#queue = queue;
    this.#table = table;
    this.#hooks = hooks;
    this.#tokens = [...tokens];
    this.#life = queue.life;
    this.#lastUsed = hooks.tick();
  }

  /** Positions a page of the cache holds. */
  get pageTokens(): number {
    return this.#table.pageTokens;
  }

  /** The tokens whose keys and values are in the cache. */
  get tokens(): readonly number[] {
    return this.#tokens;
  }

  get claimed(): boolean {
    return this.#claimed;
  }

  /** Higher is later. */
  get lastUsed(): number {
    return this.#lastUsed;
  }

  /** Whether its device was lost since the cache was filled. */
  get isLost(): boolean {
    return this.#life !== this.#queue.life;
  }

  /** Empties a cache whose content is lost. */
  forgetLost(): void {
    if (this.isLost) this.truncate(0);
  }

  /**
   * After a step threw `device-lost`: makes the device anew and empties the cache, so that the text can be processed again. False where
   * that cannot be done. Throws `device-lost` when it was tried and failed, `disposed`.
   */
  async revive(): Promise<boolean> {
    if (!(await this.#hooks.revive(this.#life))) return false;
    this.truncate(0);
    return true;
  }

  /** Takes the sequence for one piece of work; its pages stay until the claim is disposed of. Throws `bad-argument`, `disposed`. */
  claim(): Disposable {
    if (this.#disposed) throw disposedSession();
    if (this.#claimed) {
      throw new PixelError(
        'bad-argument',
        'This session is still generating: end that loop first, or create another session (or a fork).',
      );
    }
    this.#claimed = true;
    return {
      [Symbol.dispose]: () => {
        this.#claimed = false;
        this.#lastUsed = this.#hooks.tick();
        if (this.#disposed) this.truncate(0);
      },
    };
  }

  /**
   * Keeps what the cache holds of these tokens and forgets the rest; where another sequence holds more of them, its full pages are
   * shared, as sessions with one system prompt do. Returns how many of the tokens are in the cache now, `most` at most.
   */
  keep(tokens: readonly number[], most: number): number {
    this.forgetLost();
    const own = Math.min(commonPrefix(this.#tokens, tokens), most);
    const closest = this.#hooks.closest(tokens);
    const shared = Math.floor(Math.min(closest?.common ?? 0, most) / this.pageTokens) * this.pageTokens;
    if (closest && shared > own) {
      this.#table.adopt(closest.sequence.#table, shared);
      this.#tokens.splice(0, this.#tokens.length, ...tokens.slice(0, shared));
      return shared;
    }
    this.truncate(own);
    return own;
  }

  /** Appends tokens in one step. On any failure the sequence is as before. Returns what was sampled after the last token. */
  async append(tokens: readonly number[], { sampling, signal }: RunOptions = {}): Promise<SampledToken | undefined> {
    const result = await this.#run(tokens, {
      outputs: sampling ? [tokens.length - 1] : [],
      ...(sampling && { sampling: [sampling] }),
      signal,
    });
    return result.sampled[0];
  }

  /** The same, sampled after each token. */
  async appendSampled(
    tokens: readonly number[],
    { sampling, signal }: { sampling: readonly SamplingSettings[]; signal?: AbortSignal | undefined },
  ): Promise<readonly SampledToken[]> {
    return (await this.#run(tokens, { outputs: tokens.map((_, index) => index), sampling, signal })).sampled;
  }

  /** Appends tokens in one step and reads back a value of the Program: a row for each of them, or only for the last. */
  async appendForRows(
    tokens: readonly number[],
    { value, rows, signal }: { value: 'logits' | 'hidden'; rows: 'all' | 'last'; signal?: AbortSignal | undefined },
  ): Promise<Float32Array> {
    const outputs = rows === 'all' ? tokens.map((_, index) => index) : [tokens.length - 1];
    const result = await this.#run(tokens, { outputs, readBack: [value], signal });
    const found = result.values.get(value);
    if (!(found instanceof Float32Array)) throw new PixelError('bad-program', `The Program gives no ${value}.`);
    return found;
  }

  /** Runs ahead of the caller for a while, where the device does that: see StepsAhead. */
  runAhead(signal: AbortSignal | undefined): StepsAhead | undefined {
    const taken = this.#hooks.takeSlot();
    if (!taken) return undefined;
    return new StepsAhead(this.#queue, this.#table, this.#tokens, {
      ...{ ...taken, signal, life: this.#life },
      release: () => this.#hooks.returnSlot(taken.slot),
    });
  }

  /** Whether the device lets the cache's content out and in. */
  get keepsPages(): boolean {
    return this.#queue.keepsPages;
  }

  /** The cache of the first `length` tokens, page by page. For a claimed sequence on a device that `keepsPages`. */
  async savePages(length: number): Promise<Float32Array[]> {
    const { pages, pageTokens } = this.#table;
    const saved: Float32Array[] = [];
    for (let start = 0; start < length; start += pageTokens) {
      const page = pages[start / pageTokens] ?? -1;
      saved.push(await this.#queue.readPage(page, Math.min(pageTokens, length - start)));
    }
    return saved;
  }

  /** Fills the empty cache with what `savePages` gave for these tokens. On any failure it is empty. Throws `bad-argument`. */
  async restorePages(tokens: readonly number[], pages: readonly Float32Array[]): Promise<void> {
    try {
      await this.#table.reserve(tokens.length);
      for (const [index, values] of pages.entries())
        await this.#queue.writePage(this.#table.pages[index] ?? -1, values);
      this.#table.advance(tokens.length);
      for (const token of tokens) this.#tokens.push(token);
    } catch (error) {
      this.truncate(0);
      throw error;
    }
  }

  /** Forgets all tokens from `length` on. */
  truncate(length: number): void {
    this.#table.truncate(length);
    this.#tokens.length = length;
    if (length === 0) this.#life = this.#queue.life;
  }

  /** A second sequence with the same tokens; the cache is shared until the two part. Throws `disposed`. */
  fork(): Sequence {
    if (this.#disposed) throw disposedSession();
    const copy = new Sequence(this.#queue, this.#table.fork(), this.#hooks, this.#tokens);
    copy.#life = this.#life;
    this.#hooks.forked(copy);
    return copy;
  }

  /** Gives the pages back, at the end of the work that runs. Harmless twice. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#hooks.disposed(this);
    if (!this.#claimed) this.truncate(0);
  }

  async #run(
    tokens: readonly number[],
    step: Omit<SequenceStep, 'tokens' | 'start' | 'pages' | 'life'>,
  ): Promise<StepResult> {
    throwIfAborted(step.signal);
    if (this.#disposed) throw disposedSession();
    if (this.#tokens.length === 0) this.#life = this.#queue.life;
    try {
      await this.#table.reserve(tokens.length);
      const pages = [...this.#table.pages];
      const position = { tokens, start: this.#table.length, pages, life: this.#life };
      const result = await this.#queue.run({ ...step, ...position });
      this.#table.advance(tokens.length);
      for (const token of tokens) this.#tokens.push(token);
      return result;
    } catch (error) {
      // Pages reserved for nothing would be missing elsewhere.
      this.#table.truncate(this.#table.length);
      throw error;
    }
  }
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}

function disposedSession(): PixelError {
  return new PixelError('disposed', 'The session was disposed of.');
}
