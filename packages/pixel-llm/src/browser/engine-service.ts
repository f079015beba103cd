/**
 * The worker's side: the engine with one model, called by messages (protocol.ts). Each call runs by itself, so that sessions generate
 * side by side as they do without a worker.
 */
import { installAssetUrls } from '../core/asset-urls.ts';
import { MemoryByteSink } from '../core/byte-sink.ts';
import { PixelError } from '../core/errors.ts';
import type { WorkOptions } from '../core/progress.ts';
import type { GeneratedPiece, Generation } from '../engine/generation.ts';
import { loadModel } from '../engine/load-model.ts';
import type { Model } from '../engine/model.ts';
import type { Session } from '../engine/session.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import { receivedError, sentError } from './error-message.ts';
import { openSentBytes, openSentWeights } from './open-sent-source.ts';
import type { CallName, Calls, FromWorker, ToWorker, WantedBytes } from './protocol.ts';

type Post = (message: FromWorker, transfer?: readonly Transferable[]) => void;
type Given<Name extends CallName> = Calls[Name]['given'];
type Answer<Name extends CallName> = Calls[Name]['answer'];
type Services = { readonly [Name in CallName]: (given: Given<Name>, work: WorkOptions) => Promise<Answer<Name>> };

interface Running {
  readonly generation: Generation;
  readonly pieces: AsyncIterator<GeneratedPiece, void, void>;
  /** Lets the call that began it end: until then its signal counts. */
  readonly end: () => void;
}

export class EngineService {
  readonly #post: Post;
  readonly #calls = new Map<number, AbortController>();
  readonly #sessions = new Map<number, Session>();
  readonly #generations = new Map<number, Running>();
  readonly #reads = new Map<number, PromiseWithResolvers<Uint8Array<ArrayBuffer>>>();
  #nextRead = 0;
  #model: Model | undefined;

  constructor(post: Post) {
    this.#post = post;
  }

  receive(message: ToWorker): void {
    if (message.kind === 'call') void this.#call(message.id, message.name, message.given);
    else if (message.kind === 'abort') this.#calls.get(message.id)?.abort();
    else {
      const read = this.#reads.get(message.id);
      this.#reads.delete(message.id);
      if (message.kind === 'bytes') read?.resolve(message.bytes);
      else read?.reject(receivedError(message.error));
    }
  }

  async #call<Name extends CallName>(id: number, name: Name, given: Given<CallName>): Promise<void> {
    const controller = new AbortController();
    this.#calls.set(id, controller);
    try {
      const onProgress: WorkOptions['onProgress'] = (progress) => this.#post({ kind: 'progress', id, progress });
      const work = { signal: controller.signal, onProgress };
      if (name === 'generate') {
        // Answered when it has begun; its signal and progress live on until it is left.
        this.#generate(given as Given<'generate'>, work, () => this.#calls.delete(id));
        this.#answer(id, { promptTokens: this.#running(given as Given<'generate'>).generation.promptTokens });
        return;
      }
      const services: Services = this.#services;
      this.#answer(id, await services[name](given as Given<Name>, work));
    } catch (error) {
      this.#post({ kind: 'failed', id, error: sentError(error) });
    }
    this.#calls.delete(id);
  }

  #answer(id: number, answer: Answer<CallName>): void {
    const transfer = answer instanceof Float32Array ? [answer.buffer] : [];
    this.#post({ kind: 'answer', id, answer }, transfer);
  }

  readonly #services: Services = {
    load: async ({ assets, source, options }, work) => {
      installAssetUrls(assets);
      const onNote = (sentence: string): void => this.#post({ kind: 'note', sentence });
      const { keep, check, ...rest } = options;
      const open = (): Promise<WeightSource> =>
        openSentWeights(source, this.#objectReader, { ...work, keep, check, onNote });
      // What the page holds is closed after loading.
      const canReopen = source.kind === 'url' || source.kind === 'files';
      const weights = await open();
      try {
        this.#model = await loadModel(weights, { ...rest, ...work, onNote, ...(canReopen && { reopen: open }) });
      } finally {
        await weights.dispose();
      }
      const { name, head, program, contextLength, device, memoryBytes, dispatchesPerToken } = this.#model;
      const { metadata, tensors } = head;
      return { name, head: { metadata, tensors }, program, contextLength, device, memoryBytes, dispatchesPerToken };
    },
    createSession: async ({ session }) => void this.#sessions.set(session, this.#loaded.createSession()),
    forkSession: async ({ session, fork }) => void this.#sessions.set(fork, this.#session(session).fork()),
    disposeSession: async ({ session }) => {
      this.#sessions.get(session)?.dispose();
      this.#sessions.delete(session);
    },
    saveSession: async ({ session, messages, cache }, { signal }) => {
      const sink = new MemoryByteSink('session');
      const saved = await this.#session(session).save(sink, { messages, cache, signal });
      return { bytes: sink.result().slice(), cache: saved.cache };
    },
    restoreSession: async ({ session, file }, work) => {
      const restored = await this.#loaded.restoreSession(openSentBytes(file, this.#objectReader), work);
      this.#sessions.set(session, restored.session);
      const { tokens, messages, settings, cache } = restored;
      return { tokens, messages, settings, cache };
    },
    generate: async () => {
      throw new PixelError('bad-argument', 'A generation begins by itself.');
    },
    next: async (given) => {
      const { value } = await this.#running(given).pieces.next();
      return value ?? undefined;
    },
    finish: async (given) => {
      const { pieces } = this.#running(given);
      while (!(await pieces.next()).done);
    },
    leave: async (given) => {
      const running = this.#generations.get(given.generation);
      this.#generations.delete(given.generation);
      await running?.pieces.return?.();
      running?.end();
      return running?.generation.result;
    },
    score: async ({ text, options }, work) => this.#loaded.score(text, { ...options, ...work }),
    embed: async ({ text, options }, work) => this.#loaded.embed(text, { ...options, ...work }),
  };

  #generate({ session, generation, prompt, options }: Given<'generate'>, work: WorkOptions, end: () => void): void {
    const made = this.#session(session).generate(prompt, { ...options, ...work });
    this.#generations.set(generation, { generation: made, pieces: made[Symbol.asyncIterator](), end });
  }

  #running({ generation }: { readonly generation: number }): Running {
    const running = this.#generations.get(generation);
    if (!running) throw new PixelError('disposed', 'This generation has ended.');
    return running;
  }

  #session(number: number): Session {
    const session = this.#sessions.get(number);
    if (!session) throw new PixelError('disposed', 'The session was used after it was disposed of.');
    return session;
  }

  get #loaded(): Model {
    if (!this.#model) throw new PixelError('disposed', 'No model is loaded.');
    return this.#model;
  }

  /** How bytes of an object of the page's are got, and how it is told that no more are needed. */
  readonly #objectReader = {
    read: (object: number, what: WantedBytes): Promise<Uint8Array<ArrayBuffer>> => {
      const id = this.#nextRead++;
      const read = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
      this.#reads.set(id, read);
      this.#post({ kind: 'read', id, object, what });
      return read.promise;
    },
    close: (object: number): void => this.#post({ kind: 'close', object }),
  };
}
