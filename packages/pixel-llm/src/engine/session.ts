/**
 * A session: one line of text or conversation on a model, with its own part of the KV cache. The prompt of `generate` is always
 * the whole text so far; what the cache already holds of it is not computed again, so a second turn costs only its new tokens.
 */
import type { ByteSink } from '../core/byte-sink.ts';
import type { ReadOptions } from '../core/byte-source.ts';
import { PixelError, throwIfAborted } from '../core/errors.ts';
import type { ChatMessage, ChatTemplate } from '../tokenizer/chat-template.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type ModelReference, type SavedCache, writeConversation } from './conversation-file.ts';
import { type GenerateOptions, Generation } from './generation.ts';
import { type SavedSettings, saveSettings } from './saved-settings.ts';
import type { Sequence } from './sequence.ts';

/** A text, token ids, or a conversation (which the model's chat template turns into text). */
export type Prompt = string | readonly number[] | Int32Array | readonly ChatMessage[];

/** What a session needs of its model. */
export interface SessionModel {
  readonly tokenizer: Tokenizer;
  readonly chatTemplate: ChatTemplate | undefined;
  readonly vocab: number;
  readonly contextLength: number;
  readonly chunkTokens: number;
  readonly device: string;
  /** Which model it is, for what is saved. */
  reference(): ModelReference;
}

/** The text of a session, and the settings it was written with. */
interface SessionText {
  readonly tokens: readonly number[];
  readonly settings: SavedSettings;
}

export interface SaveSessionOptions extends ReadOptions {
  /** The conversation as messages, kept for whoever loads it. Default: none. */
  messages?: readonly ChatMessage[] | undefined;
  /** Keep the KV cache too: the file is much larger, and going on needs no computing. Default false. */
  cache?: boolean | undefined;
}

export class Session {
  readonly #model: SessionModel;
  readonly #sequence: Sequence;
  /** What it begins with, and the generation that went on from there. */
  readonly #text: SessionText;
  #last: Generation | undefined;

  /** Made by `model.createSession()`. */
  constructor(model: SessionModel, sequence: Sequence, text: SessionText = { tokens: [], settings: {} }) {
    this.#model = model;
    this.#sequence = sequence;
    this.#text = text;
  }

  /** The text so far: the last prompt and what was written after it. */
  get tokens(): readonly number[] {
    return this.#last?.textTokens ?? this.#text.tokens;
  }

  /**
   * Continues the prompt. Iterate the answer for the pieces of text as they are made, or `await` its `complete()`.
   * Leaving the loop stops the work. Sessions generate side by side; one session generates one text at a time.
   * Throws `context-full` when the prompt does not fit, `bad-argument` for options out of range, `bad-template` for messages without a
   * chat template.
   */
  generate(prompt: Prompt, options: GenerateOptions = {}): Generation {
    const { tokenizer, vocab, contextLength, chunkTokens } = this.#model;
    const tokens = encodePrompt(prompt, this.#model);
    const onBegin = (generation: Generation): void => {
      this.#last = generation;
    };
    const context = { sequence: this.#sequence, tokenizer, vocab, contextLength, chunkTokens, onBegin };
    return new Generation(context, tokens, options);
  }

  /** A second session that starts with this one's cache: two continuations of one prompt pay for it once. Throws `disposed`. */
  fork(): Session {
    return new Session(this.#model, this.#sequence.fork(), { tokens: this.tokens, settings: this.#settings });
  }

  /**
   * Writes the session as a picture, from which `model.restoreSession` goes on with exactly the tokens that would have come next
   * here, and commits the sink; when it throws, the sink is aborted. Says whether the cache is in it: not every device gives it away.
   * Throws `bad-argument` while it generates, `disposed`, `aborted`, and what the sink throws.
   */
  async save(
    sink: ByteSink,
    { messages = [], cache = false, signal }: SaveSessionOptions = {},
  ): Promise<{ readonly cache: boolean }> {
    try {
      throwIfAborted(signal);
      using _claim = this.#sequence.claim();
      const content = {
        model: this.#model.reference(),
        tokens: Int32Array.from(this.tokens),
        messages,
        settings: this.#settings,
      };
      const saved = cache ? await this.#savedCache() : undefined;
      await writeConversation(sink, content, saved);
      return { cache: saved !== undefined };
    } catch (error) {
      await sink.abort();
      throw error;
    }
  }

  /** Gives the session's part of the cache back. Harmless twice. */
  dispose(): void {
    this.#sequence.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  get #settings(): SavedSettings {
    return this.#last ? saveSettings(this.#last.settings) : this.#text.settings;
  }

  async #savedCache(): Promise<SavedCache | undefined> {
    const { pageTokens, tokens, keepsPages } = this.#sequence;
    // Speculation may have run ahead of a text that then ended.
    const positions = Math.min(tokens.length, this.tokens.length);
    if (!keepsPages || positions === 0) return undefined;
    const pages = await this.#sequence.savePages(positions);
    return { device: this.#model.device, pageTokens, positions, pages };
  }
}

/** The prompt's token ids. A text gets the special tokens that the model puts around a text; a conversation has its own. */
export function encodePrompt(
  prompt: Prompt,
  { tokenizer, chatTemplate }: Pick<SessionModel, 'tokenizer' | 'chatTemplate'>,
): number[] {
  if (typeof prompt === 'string') return [...tokenizer.encode(prompt, { addSpecial: true })];
  if (isConversation(prompt)) {
    if (!chatTemplate) {
      throw new PixelError(
        'bad-template',
        'This model has no chat template: give it a text to continue instead of messages.',
      );
    }
    return [...chatTemplate.encode(prompt, tokenizer)];
  }
  return [...prompt];
}

function isConversation(prompt: Exclude<Prompt, string>): prompt is readonly ChatMessage[] {
  return typeof prompt[0] === 'object';
}
