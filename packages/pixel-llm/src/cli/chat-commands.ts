/** What can be typed in a chat besides messages: /help, /system, /params, /clear, /save, /load. (/retry and /quit are the loop's own.) */
import { PixelError } from '../core/errors.ts';
import type { CommandContext } from './command.ts';
import { type Conversation, PARAMETERS } from './conversation.ts';
import { printable } from './printable.ts';

const HELP = `/system TEXT           how the model should answer; without TEXT: show it; /system - takes it away
/retry                 another answer to the last message
/params [NAME VALUE]   show or change a setting: ${PARAMETERS.map(flagName).join(', ')}
/clear                 forget the messages, keep the system message
/save FILE             write the conversation as a picture; /save --cache FILE adds the model's memory of it: larger, faster to load
/load FILE             go on with such a conversation
/quit                  end (also Ctrl-D, or Ctrl-C twice)

Several lines: begin with """ and end with """, or end a line with a backslash. A message that begins with a slash: type two.
Ctrl-C stops an answer. Arrow up brings earlier lines back.`;

type ChatCommand = (argument: string, conversation: Conversation, context: CommandContext) => void | Promise<void>;

const COMMANDS: Readonly<Record<string, ChatCommand>> = {
  help: (_, __, context) => context.note(HELP),
  system: showOrSetSystem,
  params: showOrSetParameter,
  save,
  load,
  clear(_, conversation, context) {
    conversation.clear();
    context.note('(a new conversation)');
  },
};

/** Throws `bad-argument` for a command that does not exist or is not complete, and what the command throws. */
export async function runChatCommand(
  name: string,
  argument: string,
  conversation: Conversation,
  context: CommandContext,
): Promise<void> {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw new PixelError('bad-argument', `There is no command /${name}; /help lists them.`);
  await command(argument, conversation, context);
}

async function save(argument: string, conversation: Conversation, context: CommandContext): Promise<void> {
  const [, flag, name] = /^(--cache\s+)?(.*)$/s.exec(argument) ?? [];
  if (!name || name.startsWith('--')) throw new PixelError('bad-argument', '/save needs a file: /save talk.pxi.png');
  const path = name.endsWith('.png') ? name : `${name}.pxi.png`;
  const wanted = flag !== undefined;
  const { cache } = await conversation.save(path, { cache: wanted, signal: context.signal });
  const remark =
    wanted && !cache ? `, without the cache: the device ${conversation.model.device} does not give it away` : '';
  context.note(`(saved in ${printable(path)}${remark})`);
}

async function load(path: string, conversation: Conversation, context: CommandContext): Promise<void> {
  if (path === '') throw new PixelError('bad-argument', '/load needs a file: /load talk.pxi.png');
  const { signal } = context;
  await context.withProgress((onProgress) => conversation.load(path, { signal, onProgress }));
  const last = conversation.messages.at(-1)?.content ?? '';
  context.note(`(${conversation.messages.length} messages, the last one: ${JSON.stringify(printable(last, 60))})`);
}

function showOrSetSystem(text: string, conversation: Conversation, context: CommandContext): void {
  if (text === '') context.note(conversation.system ?? '(no system message)');
  else conversation.setSystem(text === '-' ? '' : text);
}

function showOrSetParameter(argument: string, conversation: Conversation, context: CommandContext): void {
  if (argument === '') {
    for (const name of PARAMETERS) context.note(`${flagName(name)} ${conversation.options[name] ?? '(default)'}`);
    return;
  }
  const [typed = '', value = '', ...more] = argument.split(/\s+/);
  const parameter = PARAMETERS.find((name) => name === typed || flagName(name) === typed);
  if (!parameter) {
    const names = PARAMETERS.map(flagName).join(', ');
    throw new PixelError('bad-argument', `There is no setting "${typed}". Settings: ${names}.`);
  }
  if (value === '' || more.length > 0 || Number.isNaN(Number(value))) {
    throw new PixelError('bad-argument', `/params ${flagName(parameter)} needs one number.`);
  }
  conversation.setParameter(parameter, Number(value));
}

/** maxTokens -> max-tokens */
function flagName(parameter: string): string {
  return parameter.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
