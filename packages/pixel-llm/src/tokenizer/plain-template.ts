/**
 * A chat template for models that bring none: the conversation as the transcript that a model of plain text has seen most often.
 * Such a model goes on and writes the user's next line, too, so the text ends before that.
 */
import { type ChatTemplate, createChatTemplateOf } from './chat-template.ts';

const TRANSCRIPT = `{%- for message in messages -%}
{%- if message.role == 'system' -%}{{ message.content + '\\n\\n' }}
{%- elif message.role == 'assistant' -%}{{ 'Assistant: ' + message.content.strip() + '\\n' }}
{%- else -%}{{ 'User: ' + message.content + '\\n' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ 'Assistant:' }}{%- endif -%}`;

/** What ends an answer: the begin of the user's next line. */
export const PLAIN_STOP = '\nUser:';

export function createPlainTemplate(): ChatTemplate {
  return createChatTemplateOf(TRANSCRIPT);
}
