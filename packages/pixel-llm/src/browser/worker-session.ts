/** A session in the worker, by its number. */
import type { ByteSink } from '../core/byte-sink.ts';
import { PixelError, throwIfAborted } from '../core/errors.ts';
import type { GenerateOptions } from '../engine/generation.ts';
import type { Prompt, SaveSessionOptions } from '../engine/session.ts';
import type { EngineClient } from './engine-client.ts';
import type { Session } from './model-api.ts';
import { WorkerGeneration } from './worker-generation.ts';

export class WorkerSession implements Session {
  readonly #client: EngineClient;
  readonly #vocab: number;
  readonly #number: number;
  /** What it begins with, and the generation that went on from there. */
  readonly #tokens: readonly number[];
  #last: WorkerGeneration | undefined;
  #disposed = false;

  constructor(client: EngineClient, vocab: number, number: number, tokens: readonly number[] = []) {
    this.#client = client;
    this.#vocab = vocab;
    this.#number = number;
    this.#tokens = tokens;
  }

  get tokens(): readonly number[] {
    return this.#last?.textTokens ?? this.#tokens;
  }

  generate(prompt: Prompt, options: GenerateOptions = {}): WorkerGeneration {
    const onBegin = (generation: WorkerGeneration): void => {
      this.#last = generation;
    };
    const parts = { client: this.#client, session: this.#number, vocab: this.#vocab, onBegin };
    return new WorkerGeneration(parts, prompt, options);
  }

  fork(): WorkerSession {
    this.#check();
    const fork = this.#client.number();
    const forked = this.#client.begin('forkSession', { session: this.#number, fork });
    settleQuietly(this.#client, forked);
    return new WorkerSession(this.#client, this.#vocab, fork, this.tokens);
  }

  async save(
    sink: ByteSink,
    { messages = [], cache = false, signal }: SaveSessionOptions = {},
  ): Promise<{ readonly cache: boolean }> {
    try {
      throwIfAborted(signal);
      this.#check();
      const saved = await this.#client.call('saveSession', { session: this.#number, messages, cache }, { signal });
      await sink.write([saved.bytes]);
      await sink.commit();
      return { cache: saved.cache };
    } catch (error) {
      await sink.abort();
      throw error;
    }
  }

  dispose(): void {
    if (this.#disposed || this.#client.isEnded) return;
    this.#disposed = true;
    settleQuietly(this.#client, this.#client.begin('disposeSession', { session: this.#number }));
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #check(): void {
    if (this.#disposed) throw new PixelError('disposed', 'The session was used after it was disposed of.');
  }
}

/** For calls that nobody waits for: what is wrong shows at the next one. */
export function settleQuietly(
  client: EngineClient,
  call: { readonly id: number; readonly answer: Promise<unknown> },
): void {
  const release = (): void => client.release(call.id);
  call.answer.then(release, release);
}
