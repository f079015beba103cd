/** A loaded model: its facts, its tokenizer, and the one executor that all its sessions share. */

import type { DeviceName, Executor } from '../backends/types.ts';
import { BlobByteSource, type ByteSource } from '../core/byte-source.ts';
import { isPixelError, PixelError } from '../core/errors.ts';
import type { WorkOptions } from '../core/progress.ts';
import { metadataString } from '../gguf/head.ts';
import type { Program } from '../program/program.ts';
import type { WeightHead } from '../pxi/weight-source.ts';
import type { ChatMessage, ChatTemplate } from '../tokenizer/chat-template.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type ModelReference, openConversation } from './conversation-file.ts';
import { type EmbedOptions, embedTokens } from './embedding.ts';
import type { GenerateOptions } from './generation.ts';
import { modelIdentity, type WeightSamples } from './model-identity.ts';
import { restoreSequence } from './restore-sequence.ts';
import { checkWhole } from './sampling-options.ts';
import { restoreSettings } from './saved-settings.ts';
import { type Score, type ScoreOptions, scoreTokens } from './score.ts';
import { type Sequence, SequenceStore } from './sequence.ts';
import { encodePrompt, type Prompt, Session, type SessionModel } from './session.ts';

/** What a Model is made of; loadModel gathers it. */
export interface ModelParts {
  readonly name: string;
  readonly head: WeightHead;
  readonly tokenizer: Tokenizer;
  readonly chatTemplate: ChatTemplate | undefined;
  readonly contextLength: number;
  readonly executor: Executor;
  readonly memoryBytes: number;
  readonly samples: WeightSamples;
}

/** A session that goes on where a saved one ended. */
export interface RestoredSession {
  readonly session: Session;
  /** The text so far: what to give `generate` to go on with it. */
  readonly tokens: readonly number[];
  /** The conversation, if it was saved with its messages. */
  readonly messages: readonly ChatMessage[];
  /** What to give `generate` to go on with the same tokens. */
  readonly settings: GenerateOptions;
  /** `restored`: nothing had to be computed. */
  readonly cache: 'restored' | 'computed';
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
  /** Kernels that the device begins for one token of one sequence; undefined where it is no GPU. */
  readonly dispatchesPerToken: number | undefined;
  readonly #executor: Executor;
  readonly #store: SequenceStore;
  readonly #samples: WeightSamples;
  #identity: string | undefined;
  #disposed = false;

  /** Made by `loadModel`. */
  constructor({ name, head, tokenizer, chatTemplate, contextLength, executor, memoryBytes, samples }: ModelParts) {
    this.name = name;
    this.head = head;
    this.program = executor.program;
    this.tokenizer = tokenizer;
    this.chatTemplate = chatTemplate;
    this.contextLength = contextLength;
    this.device = executor.device;
    this.memoryBytes = memoryBytes;
    this.dispatchesPerToken = executor.dispatchesPerToken;
    this.#samples = samples;
    this.#executor = executor;
    this.#store = new SequenceStore(executor);
  }

  get architecture(): string {
    return this.program.architecture;
  }

  /** Tokens in the vocabulary. */
  get vocab(): number {
    return this.program.vocab;
  }

  /**
   * `lost`: its device stopped working and cannot be made anew, `failure` says why, and whatever is asked throws that; sessions can still be
   * saved. Load it again. A model from a file, a URL or a Blob on a GPU is made anew by whatever is asked next.
   */
  get status(): 'ready' | 'lost' | 'disposed' {
    if (this.#disposed) return 'disposed';
    return this.failure ? 'lost' : 'ready';
  }

  get failure(): PixelError | undefined {
    return this.#executor.rebuild ? undefined : this.#executor.loss;
  }

  /** A new line of text with its own part of the KV cache. Throws `device-lost`, `disposed`. */
  createSession(): Session {
    this.#check();
    return new Session(this.#sessionModel(), this.#store.create());
  }

  /**
   * Goes on with a session that `session.save` wrote. A cache that was saved by the same device is used; otherwise the text is
   * read again, with the same results. The source is closed.
   * Throws `other-model`, `context-full`, `unknown-format`, `bad-manifest`, `damaged-picture`, `aborted`, `disposed`, `out-of-memory`.
   */
  async restoreSession(source: ByteSource | Blob, options: WorkOptions = {}): Promise<RestoredSession> {
    this.#check();
    const bytes = source instanceof Blob ? new BlobByteSource(source) : source;
    const conversation = await openConversation(bytes, options);
    try {
      const { messages } = conversation;
      const tokens = this.#checkedTokens(bytes.name, conversation);
      const sequence = this.#store.create();
      const positionValues = this.program.state.reduce((sum, { kvHeads, headDim }) => sum + 2 * kvHeads * headDim, 0);
      const { chunkTokens } = this.#store;
      const context = { device: this.device, positionValues, chunkTokens, ...options };
      const cache = await restoreSequence(sequence, conversation, context);
      const session = new Session(this.#sessionModel(), sequence, { tokens, settings: conversation.settings });
      return { session, tokens, messages, settings: restoreSettings(conversation.settings), cache };
    } finally {
      await conversation.dispose();
    }
  }

  /**
   * ln p of each token of a text given those before it, with the likeliest tokens in its place. Long texts go in windows.
   * Throws `bad-argument`, `not-finite`, `aborted`, `disposed`, `out-of-memory`.
   */
  async score(text: Prompt, options: ScoreOptions = {}): Promise<Score> {
    const { vocab, contextLength } = this;
    const { chunkTokens } = this.#store;
    const context = { vocab, contextLength, chunkTokens, beginOfText: this.tokenizer.bosToken };
    return this.#onSequence((sequence) => scoreTokens({ ...context, sequence }, encodePrompt(text, this), options));
  }

  /**
   * The meaning of a text as a direction: what the model's last norm gives, over all its tokens, as one row of length 1 [dim].
   * Throws `bad-argument`, `context-full`, `not-finite`, `aborted`, `disposed`, `out-of-memory`.
   */
  async embed(text: Prompt, options: EmbedOptions = {}): Promise<Float32Array<ArrayBuffer>> {
    const { vocab, contextLength } = this;
    const context = { vocab, contextLength, chunkTokens: this.#store.chunkTokens };
    return this.#onSequence((sequence) => embedTokens({ ...context, sequence }, encodePrompt(text, this), options));
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

  /** Work on a sequence of its own; once more from the beginning when the device was lost and could be made anew. */
  async #onSequence<Result>(work: (sequence: Sequence) => Promise<Result>): Promise<Result> {
    this.#check();
    const sequence = this.#store.create();
    try {
      return await work(sequence);
    } catch (error) {
      if (!isPixelError(error, 'device-lost') || !(await sequence.revive())) throw error;
      return await work(sequence);
    } finally {
      sequence.dispose();
    }
  }

  #sessionModel(): SessionModel {
    const { tokenizer, chatTemplate, vocab, contextLength, device } = this;
    const { chunkTokens } = this.#store;
    return { tokenizer, chatTemplate, vocab, contextLength, chunkTokens, device, reference: () => this.#reference() };
  }

  #reference(): ModelReference {
    this.#identity ??= modelIdentity(this.head, this.#samples);
    const name = metadataString(this.head.metadata, 'general.name') ?? this.name;
    return { name: name.slice(0, 256), architecture: this.architecture, sha256: this.#identity };
  }

  /** What was saved, if this model can go on with it. */
  #checkedTokens(file: string, { model, tokens }: { model: ModelReference; tokens: Int32Array }): number[] {
    const own = this.#reference();
    if (model.sha256 !== own.sha256) {
      throw new PixelError(
        'other-model',
        `${file} is a conversation with another model ("${model.name}", ${model.architecture}) than this one ("${own.name}", ${own.architecture}): load that model.`,
        { details: { saved: model.sha256, loaded: own.sha256 } },
      );
    }
    // The last token of a full context was written, but never read.
    if (tokens.length > this.contextLength + 1) {
      throw new PixelError(
        'context-full',
        `${file} holds ${tokens.length} tokens, but the context holds ${this.contextLength}: load the model with a larger \`contextLength\`.`,
      );
    }
    for (const token of tokens) checkWhole('A token of the conversation', token, 0, this.vocab - 1);
    return [...tokens];
  }

  #check(): void {
    if (this.#disposed) throw new PixelError('disposed', `${this.name} was disposed of.`);
    if (this.failure) throw this.failure;
  }
}
