/** `pixel-llm chat`: a conversation at the terminal, or one message a line from a pipe. Only answers go to stdout. */
import { Option } from 'commander';
import { PixelError } from '../core/errors.ts';
import type { Model } from '../engine/model.ts';
import type { ChatTemplate } from '../tokenizer/chat-template.ts';
import { createPlainTemplate, PLAIN_STOP } from '../tokenizer/plain-template.ts';
import { runChatCommand } from './chat-commands.ts';
import type { CommandContext, RegisterCommand } from './command.ts';
import { Conversation } from './conversation.ts';
import { converse } from './converse.ts';
import {
  addDeviceFlags,
  addSamplingFlags,
  type DeviceFlags,
  loadForCommand,
  type SamplingFlags,
  samplingOptions,
} from './generation-flags.ts';
import { openLineInput } from './line-input.ts';

const EXAMPLES = `
Type a message and press Enter; /help lists the commands (/save, /load, /system, /retry, /params, /clear, /quit).
Several lines: begin with """ and end with """, or end a line with a backslash. Arrow keys edit and recall lines.
Ctrl-C stops an answer; twice at an empty prompt, or Ctrl-D, ends the program. Answers go to stdout, all else to stderr.
A pipe works, too: each line is a message or a command.

Examples:
  pixel-llm chat chat.pxi.png
  pixel-llm chat chat.pxi.png --system "You answer in one sentence." --temperature 0.4
  pixel-llm chat chat.pxi.png --load yesterday.pxi.png
  pixel-llm chat story.gguf --template plain
  printf 'What is a pixel?\\nAnd how large is one?\\n' | pixel-llm chat chat.pxi.png > answers.txt`;

interface ChatFlags extends SamplingFlags, DeviceFlags {
  system?: string;
  template: 'model' | 'plain';
  load?: string;
}

export const registerChat: RegisterCommand = (program, context) => {
  const command = program
    .command('chat')
    .description('Hold a conversation with a model.')
    .argument('<model>', 'a .pxi.png or .gguf file or URL (any file of a set)')
    .option('--system <text>', 'a system message: how the model should answer')
    .option('--load <file>', 'go on with a conversation that /save wrote')
    .addOption(
      new Option('--template <name>', "how messages become text: the model's own chat template, or a plain transcript")
        .choices(['model', 'plain'])
        .default('model'),
    );
  addSamplingFlags(command, { maxTokens: 1024 });
  addDeviceFlags(command)
    .addHelpText('after', EXAMPLES)
    .action((path: string, flags: ChatFlags) => chat(path, flags, context));
};

async function chat(path: string, flags: ChatFlags, context: CommandContext): Promise<void> {
  await using model = await loadForCommand(path, flags, context);
  const plain = flags.template === 'plain';
  const template = plain ? createPlainTemplate() : chatTemplateOf(model);
  const options = { ...samplingOptions(flags), ...(plain && { stop: PLAIN_STOP }) };
  using conversation = new Conversation({ model, template, options });
  if (flags.load !== undefined) await runChatCommand('load', flags.load, conversation, context);
  if (flags.system !== undefined) conversation.setSystem(flags.system);
  await converse(conversation, (onInterrupt) => openLineInput(context.signal, onInterrupt), context);
}

function chatTemplateOf({ name, chatTemplate }: Model): ChatTemplate {
  if (chatTemplate) return chatTemplate;
  throw new PixelError(
    'bad-template',
    `${name} has no chat template: it was hardly made for conversations. Let it continue a text (pixel-llm run), or take a plain transcript (--template plain).`,
  );
}
