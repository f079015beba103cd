/**
 * One generation: the prompt goes through the model in chunks, then a token a step, each handed to the caller before the next is
 * computed. Nothing runs until it is iterated, and nothing runs on after the loop is left.
 */
import type { SampledToken } from '../backends/types.ts';
import { isPixelError, PixelError, throwIfAborted } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import type { Detokenizer } from '../tokenizer/detokenizer.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { NextTokens } from './next-tokens.ts';
import { checkWhole, createSampler, type Sampler, type SamplingOptions } from './sampling-options.ts';
import type { Sequence } from './sequence.ts';
import { createStopMatcher, type StopMatcher } from './stop-strings.ts';

/** Tokens that are guessed at once at most: a step of more is no longer as cheap as one token's. */
const MOST_GUESSES = 64;

/** How often in a row a device may be lost without a token in between. */
const MOST_LOSSES = 2;

export interface GenerateOptions extends SamplingOptions {
  /** Tokens to generate at most. Default: as many as the context holds. */
  maxTokens?: number | undefined;
  /** The text ends before the first of these. No part of it is ever given out. */
  stop?: string | readonly string[] | undefined;
  /** The model's end-of-text tokens are never chosen, so that only the other reasons end the text. Default false. */
  ignoreEndOfText?: boolean | undefined;
  /**
   * Guesses up to this many next tokens from the text so far, and checks them in one step: faster where a text repeats itself. The
   * tokens are the same with and without. Default 0: no guessing.
   */
  speculation?: { readonly tokens: number } | undefined;
  /** Stops the work: the iteration throws `aborted`, and the session can be used again. */
  signal?: AbortSignal | undefined;
  /** Called as the prompt is processed, in tokens. */
  onProgress?: OnProgress | undefined;
}

/** What one token added. There is one piece for each token, the end-of-text token included. */
export interface GeneratedPiece {
  /** Text that is now certain: '' while a character or a possible stop string is incomplete. */
  readonly text: string;
  readonly token: number;
  /** ln p of the token under the model's own distribution; when `logprobs` was asked for. */
  readonly logprob?: number;
  /** The likeliest tokens in its place, best first; when `logprobs` was asked for. */
  readonly top?: readonly (readonly [token: number, logprob: number])[];
}

/**
 * Why a text ended. `stop`: a stop string. `length`: maxTokens. `end-of-text`: the model said so. `context`: the context is full.
 * `aborted`: the signal fired, or the loop was left early.
 */
export type FinishReason = 'stop' | 'length' | 'end-of-text' | 'context' | 'aborted';

export interface GenerationResult {
  readonly finishReason: FinishReason;
  readonly text: string;
  readonly tokens: readonly number[];
  /** The stop string that was met. */
  readonly stopString?: string;
  readonly promptTokens: number;
  /** How many of the prompt's tokens the session's cache already held. */
  readonly cachedTokens: number;
  /** With `speculation`: tokens guessed, and how many of them were right. */
  readonly speculation?: { readonly drafted: number; readonly accepted: number };
  /** The seed that gives this text again. */
  readonly seed: number;
  /** Time for the prompt, up to the first token. */
  readonly promptMilliseconds: number;
  /** Time for all tokens after the first. */
  readonly generateMilliseconds: number;
}

/** What a generation works on: a session's sequence, and the model around it. */
export interface GenerationContext {
  readonly sequence: Sequence;
  readonly tokenizer: Tokenizer;
  readonly vocab: number;
  readonly contextLength: number;
  readonly chunkTokens: number;
  /** Called when the work begins. */
  onBegin?(generation: Generation): void;
}

export class Generation implements AsyncIterable<GeneratedPiece> {
  /** The prompt's tokens. */
  readonly promptTokens: readonly number[];
  /** The seed in use, chosen at random when none was given. */
  readonly seed: number;
  readonly #context: GenerationContext;
  readonly #options: GenerateOptions;
  readonly #sampler: Sampler;
  readonly #stops: StopMatcher;
  readonly #tokens: number[] = [];
  /** One, and one more for each time the device was lost. */
  readonly #next: NextTokens[] = [];
  #text = '';
  #cachedTokens = 0;
  #begun = false;
  #finishReason: FinishReason | undefined;
  /** When the work began, when the first token was there, and the last. */
  #times = { begin: 0, first: 0, last: 0 };

  constructor(context: GenerationContext, promptTokens: readonly number[], options: GenerateOptions) {
    const { stop = [], ignoreEndOfText = false, maxTokens = 0, speculation } = options;
    checkWhole('speculation.tokens', speculation?.tokens ?? 0, 0, MOST_GUESSES);
    checkWhole('maxTokens', maxTokens, 0);
    checkPrompt(promptTokens, context);
    const forbidden = ignoreEndOfText ? endOfTextTokens(context) : [];
    this.#sampler = createSampler(
      {
        ...options,
        logitBias: [...(options.logitBias ?? []), ...forbidden.map((token) => [token, -Infinity] as const)],
      },
      context.vocab,
    );
    this.#stops = createStopMatcher(typeof stop === 'string' ? [stop] : stop);
    this.#context = context;
    this.#options = options;
    this.promptTokens = promptTokens;
    this.seed = this.#sampler.seed;
  }

  /** What came out, once the text has ended (or the loop was left). */
  get result(): GenerationResult | undefined {
    if (!this.#finishReason) return undefined;
    const { begin, first, last } = this.#times;
    return {
      finishReason: this.#finishReason,
      text: this.#text,
      tokens: this.#tokens,
      ...(this.#stops.stopped !== undefined && { stopString: this.#stops.stopped }),
      promptTokens: this.promptTokens.length,
      cachedTokens: this.#cachedTokens,
      ...(this.#options.speculation && {
        speculation: {
          drafted: this.#next.reduce((sum, { drafted }) => sum + drafted, 0),
          accepted: this.#next.reduce((sum, { accepted }) => sum + accepted, 0),
        },
      }),
      seed: this.seed,
      promptMilliseconds: first - begin,
      generateMilliseconds: last - first,
    };
  }

  /** The text so far, prompt and answer. */
  get textTokens(): number[] {
    return [...this.promptTokens, ...this.#tokens];
  }

  /** The options, with the seed in use: what gives the same tokens again. */
  get settings(): GenerateOptions {
    return { ...this.#options, seed: this.seed };
  }

  /** Runs to the end without a loop. */
  async complete(): Promise<GenerationResult> {
    for await (const _ of this);
    return this.result as GenerationResult;
  }

  /** Throws `aborted`, `disposed`, `out-of-memory`, `device-lost` (when there is no other), and `bad-argument` when iterated twice or while the session is busy. */
  async *[Symbol.asyncIterator](): AsyncGenerator<GeneratedPiece, void, void> {
    if (this.#begun) throw new PixelError('bad-argument', 'A generation can be iterated once: call generate again.');
    this.#begun = true;
    using _claim = this.#context.sequence.claim();
    this.#context.onBegin?.(this);
    let failed = false;
    try {
      yield* this.#pieces();
    } catch (error) {
      failed = !isPixelError(error, 'aborted');
      throw error;
    } finally {
      // Without a reason by now, the signal fired or the caller left the loop.
      if (!failed) this.#finishReason ??= 'aborted';
    }
  }

  /** Goes on from the last token when the device was lost and could be made anew. */
  async *#pieces(): AsyncGenerator<GeneratedPiece, void, void> {
    const { sequence, tokenizer } = this.#context;
    const detokenizer = tokenizer.createDetokenizer();
    const begin = performance.now();
    this.#times = { begin, first: begin, last: begin };
    for (let losses = 0, count = -1; ; losses++) {
      try {
        return yield* this.#piecesFrom(this.textTokens, detokenizer);
      } catch (error) {
        if (this.#tokens.length > count) losses = 0;
        count = this.#tokens.length;
        if (!isPixelError(error, 'device-lost') || losses === MOST_LOSSES || !(await sequence.revive())) throw error;
      }
    }
  }

  /** The tokens after `text`, which is the prompt and what came after it. */
  async *#piecesFrom(text: readonly number[], detokenizer: Detokenizer): AsyncGenerator<GeneratedPiece, void, void> {
    const { sequence, contextLength } = this.#context;
    const { signal, speculation, maxTokens = Infinity } = this.#options;
    const isFirst = this.#tokens.length === 0;
    let sampled = await this.#processPrompt(text);
    if (isFirst) this.#times.first = performance.now();
    this.#times.last = performance.now();
    if (!sampled) this.#finishReason = 'length';
    const guesses = speculation?.tokens ?? 0;
    const sampler = this.#sampler;
    const { isStepwise } = sampler;
    const next = new NextTokens({ sequence, sampler, prompt: text, guesses, contextLength, signal, isStepwise });
    this.#next.push(next);
    try {
      while (sampled) {
        yield this.#accept(sampled, detokenizer);
        if (this.#finishReason) return;
        sampled = await next.after(sampled.token, maxTokens - this.#tokens.length);
        this.#times.last = performance.now();
      }
    } finally {
      await next.end();
    }
  }

  /** Runs what the cache does not hold yet of the prompt, and samples the next token (none when maxTokens is 0). */
  async #processPrompt(prompt: readonly number[]): Promise<SampledToken | undefined> {
    const { sequence, chunkTokens } = this.#context;
    const { maxTokens, signal, onProgress } = this.#options;
    // The last token is always run again: its logits are what the next token is sampled from.
    const cached = sequence.keep(prompt, prompt.length - 1);
    if (this.#tokens.length === 0) this.#cachedTokens = cached;
    let sampled: SampledToken | undefined;
    for (let start = cached; start < prompt.length; start += chunkTokens) {
      throwIfAborted(signal);
      const end = Math.min(start + chunkTokens, prompt.length);
      const samples = end === prompt.length && maxTokens !== 0;
      const sampling = samples ? this.#sampler.settingsAfter(prompt) : undefined;
      sampled = await sequence.append(prompt.slice(start, end), { sampling, signal });
      onProgress?.({ phase: 'reading the prompt', done: end, total: prompt.length, unit: 'tokens' });
    }
    return sampled;
  }

  /** Takes a sampled token into the text, and decides whether the text ends with it. */
  #accept({ token, logprob, top }: SampledToken, detokenizer: Detokenizer): GeneratedPiece {
    const { tokenizer, contextLength } = this.#context;
    const { maxTokens = Infinity, logprobs, ignoreEndOfText = false } = this.#options;
    this.#tokens.push(token);
    const ended = !ignoreEndOfText && tokenizer.isEndOfText(token);
    // An embedding may have more rows than the vocabulary has tokens; those stand for nothing.
    const silent = ended || token >= tokenizer.vocabSize;
    let text = silent ? '' : this.#stops.push(detokenizer.push(token));
    if (ended) this.#finishReason = 'end-of-text';
    else if (this.#tokens.length >= maxTokens) this.#finishReason = 'length';
    else if (this.promptTokens.length + this.#tokens.length > contextLength) this.#finishReason = 'context';
    if (this.#finishReason) text += this.#stops.push(detokenizer.end());
    if (this.#stops.stopped !== undefined) this.#finishReason = 'stop';
    if (this.#finishReason) text += this.#stops.flush();
    this.#text += text;
    return { text, token, ...(logprobs !== undefined && { logprob, top }) };
  }
}

function checkPrompt(tokens: readonly number[], { vocab, contextLength }: GenerationContext): void {
  if (tokens.length === 0) {
    throw new PixelError(
      'bad-argument',
      'The prompt is empty, and this model has no token that begins a text: give it some text.',
    );
  }
  for (const token of tokens) checkWhole('A token of the prompt', token, 0, vocab - 1);
  if (tokens.length > contextLength) {
    throw new PixelError(
      'context-full',
      `The prompt is ${tokens.length} tokens long, but the context holds ${contextLength}: shorten it, or load the model with a ` +
        'larger `contextLength` if the model allows it.',
      { details: { promptTokens: tokens.length, contextLength } },
    );
  }
}

function endOfTextTokens({ tokenizer, vocab }: GenerationContext): number[] {
  const tokens: number[] = [];
  for (let token = 0; token < vocab; token++) if (tokenizer.isEndOfText(token)) tokens.push(token);
  return tokens;
}
