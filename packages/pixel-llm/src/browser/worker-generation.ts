/** A generation in the worker: the page pulls each piece, so that nothing is computed that nobody waits for. */
import { isPixelError, PixelError } from '../core/errors.ts';
import type { WorkOptions } from '../core/progress.ts';
import type { GeneratedPiece, GenerateOptions, GenerationResult } from '../engine/generation.ts';
import { createSampler } from '../engine/sampling-options.ts';
import type { Prompt } from '../engine/session.ts';
import type { EngineClient } from './engine-client.ts';
import type { Generation } from './model-api.ts';

export interface GenerationParts {
  readonly client: EngineClient;
  readonly session: number;
  readonly vocab: number;
  readonly onBegin: (generation: WorkerGeneration) => void;
}

export class WorkerGeneration implements Generation {
  readonly seed: number;
  readonly #parts: GenerationParts;
  readonly #prompt: Prompt;
  readonly #options: GenerateOptions;
  readonly #tokens: number[] = [];
  #promptTokens: readonly number[] = [];
  #result: GenerationResult | undefined;
  #begun = false;

  /** Throws `bad-argument` for sampling options out of range; what is wrong with the prompt is known when the work begins. */
  constructor(parts: GenerationParts, prompt: Prompt, options: GenerateOptions) {
    const logitBias = options.logitBias && [...options.logitBias];
    this.seed = createSampler({ ...options, logitBias }, parts.vocab).seed;
    this.#parts = parts;
    this.#prompt = prompt;
    this.#options = { ...options, logitBias, seed: this.seed };
  }

  get promptTokens(): readonly number[] {
    return this.#promptTokens;
  }

  get result(): GenerationResult | undefined {
    return this.#result;
  }

  get textTokens(): number[] {
    return [...this.#promptTokens, ...(this.#result?.tokens ?? this.#tokens)];
  }

  get settings(): GenerateOptions {
    return this.#options;
  }

  async complete(): Promise<GenerationResult> {
    const generation = await this.#begin();
    try {
      await this.#parts.client.call('finish', { generation: generation.number });
    } finally {
      await this.#leave(generation);
    }
    return this.#result as GenerationResult;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<GeneratedPiece, void, void> {
    const generation = await this.#begin();
    const { client } = this.#parts;
    try {
      for (;;) {
        const piece = await client.call('next', { generation: generation.number });
        if (!piece) return;
        this.#tokens.push(piece.token);
        yield piece;
      }
    } finally {
      await this.#leave(generation);
    }
  }

  async #begin(): Promise<{ number: number; call: number }> {
    if (this.#begun) throw new PixelError('bad-argument', 'A generation can be iterated once: call generate again.');
    this.#begun = true;
    const { client, session, onBegin } = this.#parts;
    const { signal, onProgress, ...options } = this.#options;
    const number = client.number();
    const given = { session, generation: number, prompt: this.#prompt, options };
    const work: WorkOptions = { signal, onProgress };
    const call = client.begin('generate', given, work);
    try {
      this.#promptTokens = (await call.answer).promptTokens;
    } catch (error) {
      client.release(call.id);
      throw error;
    }
    onBegin(this);
    return { number, call: call.id };
  }

  /** Whatever ended it, the worker says how far it came; unless it is gone. */
  async #leave({ number, call }: { number: number; call: number }): Promise<void> {
    const { client } = this.#parts;
    try {
      this.#result = await client.call('leave', { generation: number });
    } catch (error) {
      if (!isPixelError(error, 'disposed') && !isPixelError(error, 'device-lost')) throw error;
    } finally {
      client.release(call);
    }
  }
}
