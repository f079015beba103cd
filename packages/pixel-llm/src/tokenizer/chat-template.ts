/**
 * A conversation as the text, or the token ids, that a chat model was trained on: the model brings a Jinja template in its
 * metadata (`tokenizer.chat_template`), rendered here by @huggingface/jinja.
 */
import { PixelError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { type Metadata, metadataString } from '../gguf/head.ts';
import { type ParsedTemplate, parseTemplate, runTemplate } from './template-interpreter.ts';
import type { Tokenizer } from './tokenizer.ts';
import { namedTokenText } from './vocabulary.ts';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string;
  readonly name?: string;
  /** Calls an assistant made, and the call a tool's message answers: in the form that the model's template reads. */
  readonly tool_calls?: readonly unknown[];
  readonly tool_call_id?: string;
}

export interface ChatRenderOptions {
  /** Ends with what makes the model answer. Default true. */
  addGenerationPrompt?: boolean;
  /** Tool definitions, in the form that the model's template reads. */
  tools?: unknown;
  /** Further variables of the template: enable_thinking, date_string. */
  variables?: Readonly<Record<string, unknown>>;
  /** What `strftime_now` says. Default: now. */
  now?: Date;
}

export interface ChatTemplate {
  /** Throws `bad-template` when the template cannot be parsed or run, or refuses the conversation. */
  render(messages: readonly ChatMessage[], options?: ChatRenderOptions): string;
  /**
   * The token ids of the rendered conversation, with one BOS where the model wants it. The template's own markers become control
   * tokens; the same markers written in a message stay text, so that nobody ends his turn and speaks as somebody else.
   * Throws `bad-template`.
   */
  encode(messages: readonly ChatMessage[], tokenizer: Tokenizer, options?: ChatRenderOptions): Int32Array<ArrayBuffer>;
}

/** The model's chat template; undefined when it has none. It is parsed when first used, so a bad one stops nobody else. */
export function createChatTemplate(metadata: Metadata): ChatTemplate | undefined {
  const text = metadataString(metadata, 'tokenizer.chat_template');
  if (text === undefined) return undefined;
  return createChatTemplateOf(text, {
    bosText: namedTokenText(metadata, 'bos_token_id'),
    eosText: namedTokenText(metadata, 'eos_token_id'),
  });
}

/** A chat template from its text; `bosText` and `eosText` are what it sees as bos_token and eos_token. */
export function createChatTemplateOf(
  text: string,
  { bosText = '', eosText = '' }: { bosText?: string | undefined; eosText?: string | undefined } = {},
): ChatTemplate {
  let parsed: ParsedTemplate | undefined;
  const render: ChatTemplate['render'] = (
    messages,
    { addGenerationPrompt = true, tools, variables, now = new Date() } = {},
  ) => {
    parsed ??= attempt('be read', () => parseTemplate(checkLength(text)));
    const given = {
      bos_token: bosText,
      eos_token: eosText,
      ...variables,
      messages,
      tools,
      add_generation_prompt: addGenerationPrompt,
    };
    const template = parsed;
    return attempt('be rendered', () =>
      runTemplate(
        template,
        asPlainData(given, (value) => value),
        { now },
      ),
    );
  };
  return {
    render,
    encode(messages, tokenizer, options = {}) {
      const guard = (value: string) => tokenizer.guardSpecial(value);
      const text = render(asPlainData(messages, guard), { ...options, tools: asPlainData(options.tools, guard) });
      const tokens = tokenizer.encode(text, { addSpecial: false, parseSpecial: true });
      const { addsBos, bosToken } = tokenizer;
      if (!addsBos || bosToken === undefined || tokens[0] === bosToken) return tokens;
      const withBos = new Int32Array(tokens.length + 1);
      withBos[0] = bosToken;
      withBos.set(tokens, 1);
      return withBos;
    },
  };
}

function checkLength(text: string): string {
  if (text.length <= LIMITS.chatTemplateLength) return text;
  throw new Error(`it is ${text.length} characters long, the limit is ${LIMITS.chatTemplateLength}`);
}

function attempt<Result>(what: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PixelError('bad-template', `The model's chat template cannot ${what}: ${reason}.`, { cause: error });
  }
}

/** A copy in which every string is mapped, and what is undefined is not there at all (templates ask whether a key exists). */
function asPlainData<Data>(data: Data, map: (value: string) => string): Data {
  return copy(data) as Data;

  function copy(value: unknown): unknown {
    if (typeof value === 'string') return map(value);
    if (Array.isArray(value)) return value.map(copy);
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    return Object.fromEntries(entries.map(([key, item]) => [key, copy(item)]));
  }
}
