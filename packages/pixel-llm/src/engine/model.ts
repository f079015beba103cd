/** A loaded model: its facts, its tokenizer, and the one executor that all its sessions share. */
import type { DeviceName, Executor } from '../backends/types.ts';
import { PixelError } from '../core/errors.ts';
import type { Program } from '../program/program.ts';
import type { WeightHead } from '../pxi/weight-source.ts';
import type { ChatTemplate } from '../tokenizer/chat-template.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type Score, type ScoreOptions, scoreTokens } from './score.ts';
import { SequenceStore } from './sequence.ts';
import { encodePrompt, type Prompt, Session } from './session.ts';

/** What a Model is made of; loadModel gathers it. */
export interface ModelParts {
  readonly name: string;
  readonly head: WeightHead;
  readonly tokenizer: Tokenizer;
  readonly chatTemplate: ChatTemplate | undefined;
  readonly contextLength: number;
  readonly executor: Executor;
  readonly memoryBytes: number;
}

export class Model implements AsyncDisposable, Disposable {
  /** What to call it in messages: the path or URL it came from. */
  readonly name: string;
  /** Metadata and tensors, as the file tells them. */
  readonly head: WeightHead;
  readonly program: Program;
  readonly tokenizer: Tokenizer;
  /** Undefined when the model brings none: then it takes texts, not conversations. */
  readonly chatTemplate: ChatTemplate | undefined;
  /** Tokens that prompt and answer may have together. */
  readonly contextLength: number;
  readonly device: DeviceName;
  /** Estimated bytes of weights and KV cache on the device. */
  readonly memoryBytes: number;
  readonly #store: SequenceStore;
  #disposed = false;

  /** Made by `loadModel`. */
  constructor({ name, head, tokenizer, chatTemplate, contextLength, executor, memoryBytes }: ModelParts) {
    this.name = name;
    this.head = head;
    this.program = executor.program;
    this.tokenizer = tokenizer;
    this.chatTemplate = chatTemplate;
    this.contextLength = contextLength;
    this.device = executor.device;
    this.memoryBytes = memoryBytes;
    this.#store = new SequenceStore(executor);
  }

  get architecture(): string {
    return this.program.architecture;
  }

  /** Tokens in the vocabulary. */
  get vocab(): number {
    return this.program.vocab;
  }

  /** A new line of text with its own part of the KV cache. Throws `disposed`. */
  createSession(): Session {
    this.#check();
    const { tokenizer, chatTemplate, vocab, contextLength } = this;
    const facts = { tokenizer, chatTemplate, vocab, contextLength, chunkTokens: this.#store.chunkTokens };
    return new Session(facts, this.#store.create());
  }

  /**
   * ln p of each token of a text given those before it, with the likeliest tokens in its place. Long texts go in windows.
   * Throws `bad-argument`, `not-finite`, `aborted`, `disposed`, `out-of-memory`.
   */
  async score(text: Prompt, options: ScoreOptions = {}): Promise<Score> {
    this.#check();
    const sequence = this.#store.create();
    try {
      const { vocab, contextLength } = this;
      const { chunkTokens } = this.#store;
      const context = { sequence, vocab, contextLength, chunkTokens, beginOfText: this.tokenizer.bosToken };
      return await scoreTokens(context, encodePrompt(text, this), options);
    } finally {
      sequence.dispose();
    }
  }

  /** Stops what its sessions do (they throw `disposed`) and gives the device's memory back. Harmless twice. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#store.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  [Symbol.dispose](): void {
    void this.dispose();
  }

  #check(): void {
    if (this.#disposed) throw new PixelError('disposed', `${this.name} was disposed of.`);
  }
}
