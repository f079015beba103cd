/** What a person says in one go: a line, several lines, or a command. */
import type { LineInput } from './line-input.ts';

/** `interrupt`: Ctrl-C at an empty prompt. */
export type ChatInput =
  | { readonly kind: 'message'; readonly text: string }
  | { readonly kind: 'command'; readonly name: string; readonly argument: string }
  | { readonly kind: 'interrupt' }
  | { readonly kind: 'end' };

const PROMPT = '> ';
const CONTINUED = '. ';
const FENCE = '"""';

/** Reads the next message or command; blank lines are skipped. Throws as LineInput.next. */
export async function readChatInput(input: LineInput): Promise<ChatInput> {
  for (;;) {
    const event = await input.next(PROMPT);
    if (event.kind !== 'line') return event;
    if (/^\/[^/]/.test(event.text)) return parseCommand(event.text);
    const text = await readMessage(event.text.replace(/^\/\//, '/'), input);
    if (text.trim() !== '') return { kind: 'message', text };
  }
}

function parseCommand(line: string): ChatInput {
  const [, name = '', argument = ''] = /^\/(\S+)\s*(.*)$/s.exec(line) ?? [];
  return { kind: 'command', name, argument: argument.trim() };
}

/** The first line and those that belong to it; '' when Ctrl-C took it back. */
async function readMessage(first: string, input: LineInput): Promise<string> {
  const lines = [first];
  const fenced = first.trimStart().startsWith(FENCE);
  if (fenced) lines[0] = first.trimStart().slice(FENCE.length);
  for (;;) {
    const last = lines.at(-1) ?? '';
    if (fenced && last.trimEnd().endsWith(FENCE)) return joined(lines, last.trimEnd().slice(0, -FENCE.length));
    if (!fenced && !last.endsWith('\\')) return lines.join('\n');
    if (!fenced) lines[lines.length - 1] = last.slice(0, -1);
    const event = await input.next(CONTINUED);
    if (event.kind === 'interrupt') return '';
    if (event.kind === 'end') return lines.join('\n');
    lines.push(event.text);
  }
}

/** The lines with another last one; the line breaks next to the fences are no part of the text. */
function joined(lines: readonly string[], last: string): string {
  return [...lines.slice(0, -1), last].join('\n').replace(/^\n|\n$/g, '');
}
