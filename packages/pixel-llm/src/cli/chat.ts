/** `pixel-llm chat`: a conversation at the terminal, or one message a line from a pipe. Only answers go to stdout. */
import { Option } from 'commander';
import { PixelError, throwIfAborted } from '../core/errors.ts';
import type { FinishReason } from '../engine/generation.ts';
import type { Model } from '../engine/model.ts';
import type { ChatTemplate } from '../tokenizer/chat-template.ts';
import { createPlainTemplate, PLAIN_STOP } from '../tokenizer/plain-template.ts';
import { runChatCommand } from './chat-commands.ts';
import type { CommandContext, RegisterCommand } from './command.ts';
import { Conversation } from './conversation.ts';
import {
  addDeviceFlags,
  addSamplingFlags,
  type DeviceFlags,
  loadForCommand,
  type SamplingFlags,
  samplingOptions,
} from './generation-flags.ts';
import { takeInterrupts } from './interrupts.ts';
import { type LineInput, openLineInput } from './line-input.ts';
import { readChatInput } from './message-input.ts';
import { printable } from './printable.ts';

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

/** What is said after an answer that did not end by itself. */
const CUT_SHORT: Readonly<Partial<Record<FinishReason, string>>> = {
  length: '(the answer reached --max-tokens; /params max-tokens N allows more)',
  context: '(the context is full: /clear begins anew)',
  aborted: '(stopped; /retry answers again)',
};

interface ChatFlags extends SamplingFlags, DeviceFlags {
  system?: string;
  template: 'model' | 'plain';
  load?: string;
}

export const registerChat: RegisterCommand = (program, context) => {
  const command = program
    .command('chat')
    .description('Hold a conversation with a model.')
    .argument('<model>', 'a .pxi.png or .gguf file (any file of a set)')
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
  await converse(conversation, context);
}

function chatTemplateOf({ name, chatTemplate }: Model): ChatTemplate {
  if (chatTemplate) return chatTemplate;
  throw new PixelError(
    'bad-template',
    `${name} has no chat template: it was hardly made for conversations. Let it continue a text (pixel-llm run), or take a plain transcript (--template plain).`,
  );
}

/** Reads and answers until the end of the input. */
async function converse(conversation: Conversation, context: CommandContext): Promise<void> {
  let answering: AbortController | undefined;
  const stop = (): boolean => {
    answering?.abort();
    return answering !== undefined;
  };
  const answer = async (begin: (signal: AbortSignal) => AsyncGenerator<string, void, void>): Promise<void> => {
    answering = new AbortController();
    try {
      await printAnswer(begin(AbortSignal.any([context.signal, answering.signal])), conversation, context);
    } finally {
      answering = undefined;
    }
  };
  using _interrupts = takeInterrupts(stop);
  using input = openLineInput(context.signal, stop);
  if (input.interactive) context.note('/help lists what can be typed; Ctrl-D ends.');
  for (let interrupted = false; ; ) {
    const said = await readChatInput(input);
    if (said.kind === 'end' || (said.kind === 'command' && /^(quit|exit|bye)$/.test(said.name))) return;
    if (said.kind === 'interrupt') {
      if (interrupted) return;
      interrupted = true;
      context.note('(Ctrl-C again, or Ctrl-D, ends the program)');
      continue;
    }
    interrupted = false;
    await attempt(input, context, async () => {
      if (said.kind === 'message') await answer((signal) => conversation.ask(said.text, signal));
      else if (said.name === 'retry') await answer((signal) => conversation.retry(signal));
      else await runChatCommand(said.name, said.argument, conversation, context);
    });
  }
}

async function printAnswer(
  pieces: AsyncGenerator<string, void, void>,
  conversation: Conversation,
  context: CommandContext,
): Promise<void> {
  const forPeople = process.stdout.isTTY;
  // What a model writes must not steer the terminal.
  for await (const text of pieces) await context.print(forPeople ? text.replace(/[^\P{Cc}\n\t]/gu, '') : text);
  await context.print('\n');
  throwIfAborted(context.signal);
  const remark = CUT_SHORT[conversation.finishReason ?? 'stop'];
  if (remark !== undefined) context.note(remark);
}

/** A person may try again; a script must not go on as if nothing had happened. */
async function attempt(input: LineInput, context: CommandContext, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throwIfAborted(context.signal);
    if (!input.interactive || !(error instanceof PixelError)) throw error;
    context.note(printable(error.message));
  }
}
