/**
 * Decoding ahead of the reader: on a device that keeps its samples for itself, the next steps are begun before the token of the last one
 * is here. What was begun and is not wanted, after a stop or an abort, is waited for and forgotten; its places in the cache are written again.
 */
import type { SampledToken, SamplingSettings } from '../backends/types.ts';
import { PixelError, throwIfAborted } from '../core/errors.ts';
import type { PageTable } from './page-table.ts';
import type { StepQueue } from './step-queue.ts';

interface StepsAheadOptions {
  /** Where the device keeps the sequence's token. */
  readonly slot: number;
  /** Which life of the device the sequence's pages belong to. */
  readonly life: number;
  /** Steps under way at most. */
  readonly steps: number;
  readonly signal: AbortSignal | undefined;
  release(): void;
}

export class StepsAhead {
  readonly #queue: StepQueue;
  readonly #table: PageTable;
  /** The sequence's tokens, which grow as results arrive. */
  readonly #tokens: number[];
  readonly #options: StepsAheadOptions;
  #underWay: Promise<SampledToken>[] = [];

  constructor(queue: StepQueue, table: PageTable, tokens: number[], options: StepsAheadOptions) {
    this.#queue = queue;
    this.#table = table;
    this.#tokens = tokens;
    this.#options = options;
  }

  /**
   * The token after `token`, which is the last one this gave, or the first of all. `settingsAt` gives the sampling of the token
   * at a position; `wanted` more tokens at most will be asked for. Throws as Sequence.append.
   */
  async after(
    token: number,
    settingsAt: (position: number) => SamplingSettings,
    wanted: number,
  ): Promise<SampledToken> {
    throwIfAborted(this.#options.signal);
    while (this.#underWay.length < Math.min(this.#options.steps, wanted)) {
      const position = this.#table.length + this.#underWay.length;
      try {
        await this.#table.reserve(this.#underWay.length + 1);
      } catch (error) {
        // Without room to run ahead, one step at a time is enough.
        if (this.#underWay.length > 0) break;
        throw error;
      }
      this.#begin(this.#underWay.length === 0 ? token : -1 - this.#options.slot, position, settingsAt(position + 1));
    }
    const next = this.#underWay.shift();
    if (!next) throw new PixelError('bad-argument', 'No token more is wanted.');
    const sampled = await next;
    this.#table.advance(1);
    this.#tokens.push(token);
    return sampled;
  }

  /** Waits for what is under way, and gives its pages and its place on the device back. */
  async end(): Promise<void> {
    await Promise.allSettled(this.#underWay.splice(0));
    this.#table.truncate(this.#table.length);
    this.#options.release();
  }

  #begin(token: number, start: number, sampling: SamplingSettings): void {
    const { slot, life, signal } = this.#options;
    const pages = [...this.#table.pages];
    const step = { tokens: [token], start, pages, outputs: [0], sampling: [sampling], slot, life, signal };
    const running = this.#queue.run(step).then(({ sampled: [sampled] }) => {
      if (!sampled) throw new PixelError('bad-program', 'The Program samples no token.');
      return sampled;
    });
    // Awaited later, or never: a failure is reported by whoever asks for the token.
    running.catch(() => undefined);
    this.#underWay.push(running);
  }
}
