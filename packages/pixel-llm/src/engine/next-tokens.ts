/**
 * Where a generation's tokens come from: one a step, or several when a guess of what follows turns out right. A guess goes through
 * the model in one step with the token before it, and each of its tokens is sampled at its own position with its own settings. What
 * is sampled is a function of the logits, the seed and the position, and a token's logits do not depend on what else is in the step; so as
 * long as guess and sample agree, the samples are those that single steps give, at every temperature. The first that differs is still
 * right (all before it were), and the rest is thrown away.
 */
import type { SampledToken } from '../backends/types.ts';
import { isPixelError } from '../core/errors.ts';
import { PromptLookup } from './prompt-lookup.ts';
import type { Sampler } from './sampling-options.ts';
import type { Sequence } from './sequence.ts';
import type { StepsAhead } from './steps-ahead.ts';

interface NextTokensParts {
  readonly sequence: Sequence;
  readonly sampler: Sampler;
  /** The prompt, all of which the sequence holds. */
  readonly prompt: readonly number[];
  /** Tokens to guess at most. */
  readonly guesses: number;
  /** Positions that the sequence may take. */
  readonly contextLength: number;
  readonly signal: AbortSignal | undefined;
  /** Whether a token's settings depend on the tokens before it, or its sampling on the caller: then nothing runs ahead. */
  readonly isStepwise: boolean;
}

export class NextTokens {
  readonly #parts: NextTokensParts;
  readonly #tokens: number[];
  readonly #lookup: PromptLookup | undefined;
  readonly #ahead: StepsAhead | undefined;
  /** Sampled, and not asked for yet. */
  #ready: SampledToken[] = [];
  /** Tokens guessed, and how many of them were right. */
  drafted = 0;
  accepted = 0;

  constructor(parts: NextTokensParts) {
    this.#parts = parts;
    this.#tokens = [...parts.prompt];
    this.#lookup = parts.guesses > 0 ? new PromptLookup(parts.prompt, parts.guesses) : undefined;
    this.#ahead = parts.guesses > 0 || parts.isStepwise ? undefined : parts.sequence.runAhead(parts.signal);
  }

  /** The token after `token`, which the text ends with now. `wanted` more at most will be asked for. Throws as Sequence.append. */
  async after(token: number, wanted: number): Promise<SampledToken | undefined> {
    const ready = this.#ready.shift();
    if (ready) return ready;
    this.#take(token);
    const { sequence, sampler, contextLength, signal } = this.#parts;
    if (this.#ahead) {
      const most = Math.min(wanted, contextLength - sequence.tokens.length);
      return this.#ahead.after(token, (position) => sampler.settingsAt(position), most);
    }
    const room = Math.min(wanted - 1, contextLength - this.#tokens.length);
    const guess = this.#lookup?.guess(Math.max(0, room)) ?? [];
    const right = guess.length > 0 ? await this.#tryGuess(token, guess) : [];
    const [first, ...rest] = right;
    if (!first) return sequence.append([token], { sampling: sampler.settingsAfter(this.#tokens), signal });
    for (const { token: accepted } of right.slice(0, -1)) this.#take(accepted);
    this.#ready = rest;
    return first;
  }

  /** At the end of the text, whatever ended it. */
  async end(): Promise<void> {
    await this.#ahead?.end();
  }

  #take(token: number): void {
    this.#tokens.push(token);
    this.#lookup?.push(token);
  }

  /** The samples after `token` and after each right token of the guess; none when the step failed, which may be the guess's fault. */
  async #tryGuess(token: number, guess: readonly number[]): Promise<SampledToken[]> {
    const { sequence, sampler, signal } = this.#parts;
    const text = [...this.#tokens, ...guess];
    const sampling = [...guess, 0].map((_, index) => sampler.settingsAfter(text.slice(0, this.#tokens.length + index)));
    try {
      const before = sequence.tokens.length;
      const sampled = await sequence.appendSampled([token, ...guess], { sampling, signal });
      const wrong = guess.findIndex((guessed, index) => sampled[index]?.token !== guessed);
      const accepted = wrong < 0 ? guess.length : wrong;
      sequence.truncate(before + 1 + accepted);
      this.drafted += guess.length;
      this.accepted += accepted;
      this.#lookup?.learn({ drafted: guess.length, accepted });
      return sampled.slice(0, accepted + 1);
    } catch (error) {
      if (isPixelError(error, 'not-finite') || isPixelError(error, 'out-of-memory')) return [];
      throw error;
    }
  }
}
