/** The dialogue of `chat`: reads what is said, prints the answer, and lets Ctrl-C end the one before it ends the other. */
import { PixelError, throwIfAborted } from '../core/errors.ts';
import type { FinishReason } from '../engine/generation.ts';
import { runChatCommand } from './chat-commands.ts';
import type { CommandContext } from './command.ts';
import type { Conversation } from './conversation.ts';
import { takeInterrupts } from './interrupts.ts';
import type { LineInput } from './line-input.ts';
import { readChatInput } from './message-input.ts';
import { printable } from './printable.ts';

/** What is said after an answer that did not end by itself. */
const CUT_SHORT: Readonly<Partial<Record<FinishReason, string>>> = {
  length: '(the answer reached --max-tokens; /params max-tokens N allows more)',
  context: '(the context is full: /clear begins anew)',
  aborted: '(stopped; /retry answers again)',
};

/** Reads and answers until the end of the input. */
export async function converse(
  conversation: Conversation,
  openInput: (onInterrupt: () => void) => LineInput,
  context: CommandContext,
): Promise<void> {
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
  using input = openInput(stop);
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
