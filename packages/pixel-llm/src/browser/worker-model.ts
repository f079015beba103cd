/** A model in a worker: the same to its users as the engine's, while the page's own thread stays free. */
import type { DeviceName } from '../backends/types.ts';
import type { ByteSource } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import type { WorkOptions } from '../core/progress.ts';
import type { EmbedOptions } from '../engine/embedding.ts';
import type { Score, ScoreOptions } from '../engine/score.ts';
import type { Prompt } from '../engine/session.ts';
import type { Program } from '../program/program.ts';
import type { WeightHead } from '../pxi/weight-source.ts';
import { type ChatTemplate, createChatTemplate } from '../tokenizer/chat-template.ts';
import { createTokenizer, type Tokenizer } from '../tokenizer/tokenizer.ts';
import type { EngineClient } from './engine-client.ts';
import type { Model, RestoredSession } from './model-api.ts';
import type { ModelFacts } from './protocol.ts';
import { settleQuietly, WorkerSession } from './worker-session.ts';

export class WorkerModel implements Model {
  readonly name: string;
  readonly head: WeightHead;
  readonly program: Program;
  readonly contextLength: number;
  readonly device: DeviceName;
  readonly memoryBytes: number;
  readonly dispatchesPerToken: number | undefined;
  readonly #client: EngineClient;
  #tokenizer: Tokenizer | undefined;
  #template: { readonly made: ChatTemplate | undefined } | undefined;

  constructor(client: EngineClient, facts: ModelFacts) {
    const { name, head, program, contextLength, device, memoryBytes, dispatchesPerToken } = facts;
    this.#client = client;
    this.name = name;
    this.head = head;
    this.program = program;
    this.contextLength = contextLength;
    this.device = device;
    this.memoryBytes = memoryBytes;
    this.dispatchesPerToken = dispatchesPerToken;
  }

  /** Made when it is first asked for: the worker has its own, and a large vocabulary takes some tenths of a second. */
  get tokenizer(): Tokenizer {
    this.#tokenizer ??= createTokenizer(this.head.metadata);
    return this.#tokenizer;
  }

  get chatTemplate(): ChatTemplate | undefined {
    this.#template ??= { made: createChatTemplate(this.head.metadata) };
    return this.#template.made;
  }

  get architecture(): string {
    return this.program.architecture;
  }

  get vocab(): number {
    return this.program.vocab;
  }

  get status(): 'ready' | 'lost' | 'disposed' {
    if (this.failure) return 'lost';
    return this.#client.isEnded ? 'disposed' : 'ready';
  }

  get failure(): PixelError | undefined {
    return this.#client.loss;
  }

  createSession(): WorkerSession {
    this.#check();
    const session = this.#client.number();
    settleQuietly(this.#client, this.#client.begin('createSession', { session }));
    return new WorkerSession(this.#client, this.vocab, session);
  }

  async restoreSession(source: ByteSource | Blob, options: WorkOptions = {}): Promise<RestoredSession> {
    this.#check();
    const session = this.#client.number();
    const file =
      source instanceof Blob
        ? ({ kind: 'files', files: [source] } as const)
        : ({ kind: 'bytes', object: this.#client.share(source), name: source.name, size: source.size } as const);
    try {
      const restored = await this.#client.call('restoreSession', { session, file }, options);
      return { ...restored, session: new WorkerSession(this.#client, this.vocab, session, restored.tokens) };
    } finally {
      if (!(source instanceof Blob)) await source.dispose();
    }
  }

  async score(text: Prompt, { signal, onProgress, ...options }: ScoreOptions = {}): Promise<Score> {
    this.#check();
    return this.#client.call('score', { text, options }, { signal, onProgress });
  }

  async embed(text: Prompt, { signal, onProgress, ...options }: EmbedOptions = {}): Promise<Float32Array<ArrayBuffer>> {
    this.#check();
    return this.#client.call('embed', { text, options }, { signal, onProgress });
  }

  async dispose(): Promise<void> {
    this.#client.dispose(this.name);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  [Symbol.dispose](): void {
    void this.dispose();
  }

  #check(): void {
    if (this.failure) throw this.failure;
    if (this.#client.isEnded) throw new PixelError('disposed', `${this.name} was disposed of.`);
  }
}
