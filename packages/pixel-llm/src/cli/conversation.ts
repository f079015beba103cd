/** A conversation with a model, as `chat` holds it: its messages, its settings, and the session that answers. */
import { isPixelError, PixelError } from '../core/errors.ts';
import { openFileByteSink, openFileByteSource, pathExists } from '../core/node.ts';
import type { WorkOptions } from '../core/progress.ts';
import { openConversation } from '../engine/conversation-file.ts';
import type { FinishReason, GenerateOptions } from '../engine/generation.ts';
import type { Model } from '../engine/model.ts';
import { checkWhole, createSampler } from '../engine/sampling-options.ts';
import type { Session } from '../engine/session.ts';
import type { ChatMessage, ChatTemplate } from '../tokenizer/chat-template.ts';

type Parameter =
  | 'maxTokens'
  | 'temperature'
  | 'topK'
  | 'topP'
  | 'minP'
  | 'repeatPenalty'
  | 'frequencyPenalty'
  | 'presencePenalty'
  | 'repeatWindow'
  | 'seed';

/** The settings that a person may change between two answers. */
export const PARAMETERS: readonly Parameter[] = [
  'maxTokens',
  'temperature',
  'topK',
  'topP',
  'minP',
  'repeatPenalty',
  'frequencyPenalty',
  'presencePenalty',
  'repeatWindow',
  'seed',
];

export interface ConversationParts {
  readonly model: Model;
  readonly template: ChatTemplate;
  readonly options: GenerateOptions;
}

export class Conversation implements Disposable {
  readonly model: Model;
  readonly #template: ChatTemplate;
  #options: GenerateOptions;
  #messages: readonly ChatMessage[] = [];
  #session: Session;
  /** Why the last answer ended. */
  finishReason: FinishReason | undefined;

  constructor({ model, template, options }: ConversationParts) {
    this.model = model;
    this.#template = template;
    this.#options = options;
    this.#session = model.createSession();
  }

  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  get options(): GenerateOptions {
    return this.#options;
  }

  get system(): string | undefined {
    return this.#messages[0]?.role === 'system' ? this.#messages[0].content : undefined;
  }

  /** Another system message, from the next answer on; '' takes it away. */
  setSystem(content: string): void {
    const rest = this.system === undefined ? this.#messages : this.#messages.slice(1);
    this.#messages = content === '' ? rest : [{ role: 'system', content }, ...rest];
  }

  /** Changes a setting. Throws `bad-argument`. */
  setParameter(name: Parameter, value: number): void {
    const options = { ...this.#options, [name]: value };
    checkWhole('maxTokens', options.maxTokens ?? 0, 0);
    createSampler(options, this.model.vocab);
    this.#options = options;
  }

  /** The answer to a message, as it is made. When the signal fires, it ends, and what there is of it stays. Throws as Session.generate. */
  ask(content: string, signal: AbortSignal): AsyncGenerator<string, void, void> {
    return this.#answer([...this.#messages, { role: 'user', content }], this.#options, signal);
  }

  /** Another answer to the last message. Throws `bad-argument` when there is none. */
  retry(signal: AbortSignal): AsyncGenerator<string, void, void> {
    const last = this.#messages.findLastIndex(({ role }) => role === 'user');
    if (last < 0) throw new PixelError('bad-argument', 'There is nothing to answer again yet.');
    const { seed } = this.#options;
    // With the same seed it would be the same answer.
    if (seed !== undefined) this.#options = { ...this.#options, seed: seed + 1 };
    return this.#answer(this.#messages.slice(0, last + 1), this.#options, signal);
  }

  /** Forgets all but the system message. */
  clear(): void {
    this.#messages = this.#messages.slice(0, this.system === undefined ? 0 : 1);
  }

  /** Writes it as a picture; another conversation may be replaced, no other file. Throws `file-exists`, `io`. */
  async save(path: string, options: { cache: boolean; signal: AbortSignal }): Promise<{ readonly cache: boolean }> {
    if (await pathExists(path)) await refuseOtherFile(path);
    return await this.#session.save(await openFileByteSink(path), { ...options, messages: this.#messages });
  }

  /** Goes on with a saved one; on any failure this one stays as it is. Throws as Model.restoreSession. */
  async load(path: string, options: WorkOptions): Promise<void> {
    const { session, messages, settings } = await this.model.restoreSession(await openFileByteSource(path), options);
    this.#session.dispose();
    this.#session = session;
    this.#messages = messages;
    // The rest of its settings is what it is given on the command line.
    const chosen = PARAMETERS.filter((name) => settings[name] !== undefined).map((name) => [name, settings[name]]);
    this.#options = { ...this.#options, ...Object.fromEntries(chosen) };
  }

  [Symbol.dispose](): void {
    this.#session.dispose();
  }

  async *#answer(
    messages: readonly ChatMessage[],
    options: GenerateOptions,
    signal: AbortSignal,
  ): AsyncGenerator<string, void, void> {
    const prompt = this.#template.encode(messages, this.model.tokenizer);
    const generation = this.#session.generate(prompt, { ...options, signal });
    try {
      for await (const { text } of generation) if (text !== '') yield text;
    } catch (error) {
      if (!isPixelError(error, 'aborted')) throw error;
    }
    const content = generation.result?.text ?? '';
    this.finishReason = generation.result?.finishReason;
    this.#messages = [...messages, { role: 'assistant', content }];
  }
}

async function refuseOtherFile(path: string): Promise<void> {
  try {
    const conversation = await openConversation(await openFileByteSource(path));
    await conversation.dispose();
  } catch (cause) {
    throw new PixelError('file-exists', `${path} exists and is no conversation: name another file.`, { cause });
  }
}
