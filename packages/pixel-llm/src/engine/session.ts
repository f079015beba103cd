/**
 * A session: one line of text or conversation on a model, with its own part of the KV cache. The prompt of `generate` is always
 * the whole text so far; what the cache already holds of it is not computed again, so a second turn costs only its new tokens.
 */
import { PixelError } from '../core/errors.ts';
import type { ChatMessage, ChatTemplate } from '../tokenizer/chat-template.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type GenerateOptions, Generation } from './generation.ts';
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
}

export class Session {
  readonly #model: SessionModel;
  readonly #sequence: Sequence;

  /** Made by `model.createSession()`. */
  constructor(model: SessionModel, sequence: Sequence) {
    this.#model = model;
    this.#sequence = sequence;
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
    return new Generation({ sequence: this.#sequence, tokenizer, vocab, contextLength, chunkTokens }, tokens, options);
  }

  /** A second session that starts with this one's cache: two continuations of one prompt pay for it once. Throws `disposed`. */
  fork(): Session {
    return new Session(this.#model, this.#sequence.fork());
  }

  /** Gives the session's part of the cache back. Harmless twice. */
  dispose(): void {
    this.#sequence.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
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
