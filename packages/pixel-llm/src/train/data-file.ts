/**
 * Data files: JSON lines, each one of
 *   {"text": "..."}                            all of it is learned
 *   {"prompt": "...", "completion": "..."}     the completion is learned; a space is put between the two
 *   {"messages": [{"role", "content"}, ...]}   the last message is learned, which is the assistant's
 * Fields beside these are kept out of the way. A file with a wrong line is refused as a whole, with the line's number.
 */
import { z } from 'zod';
import { PixelError } from '../core/errors.ts';
import type { Metadata } from '../gguf/head.ts';
import { createChatTemplate } from '../tokenizer/chat-template.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { TrainingSequence } from './training-data.ts';

const message = z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() });

export type DataLine =
  | { text: string }
  | { prompt: string; completion: string }
  | { messages: { role: 'system' | 'user' | 'assistant'; content: string }[] };

const lineSchema: z.ZodType<DataLine> = z.union([
  z.object({ text: z.string().min(1) }),
  z.object({ prompt: z.string(), completion: z.string().min(1) }),
  z.object({ messages: z.array(message).min(1) }),
]);

/** Reads a file's lines; empty ones are skipped. Throws `bad-data`, naming the line. */
export function parseDataFile(name: string, content: string): DataLine[] {
  const lines: DataLine[] = [];
  for (const [index, line] of content.split('\n').entries()) {
    if (line.trim() !== '') lines.push(parseLine(line, `${name}, line ${index + 1}`));
  }
  if (lines.length === 0) throw new PixelError('bad-data', `${name} has no lines of data.`);
  return lines;
}

function parseLine(line: string, where: string): DataLine {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new PixelError('bad-data', `${where} is not JSON: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
  const parsed = lineSchema.safeParse(value);
  if (!parsed.success) {
    throw new PixelError(
      'bad-data',
      `${where} is none of {"text"}, {"prompt", "completion"} and {"messages": [{"role", "content"}]}.`,
    );
  }
  const last = 'messages' in parsed.data ? parsed.data.messages.at(-1) : undefined;
  if (last && last.role !== 'assistant') {
    throw new PixelError('bad-data', `${where}: the last message must be the assistant's, which is learned.`);
  }
  return parsed.data;
}

/** All text of a line, as a tokenizer is trained on it. */
export function textOf(line: DataLine): string {
  if ('text' in line) return line.text;
  if ('prompt' in line) return `${line.prompt} ${line.completion}`;
  return line.messages.map(({ content }) => content).join('\n');
}

/** Makes sequences of a model's tokens: BOS where the model has one, then the text, then EOS, which is learned too. */
export class SequenceEncoder {
  readonly #tokenizer: Tokenizer;
  readonly #template: ReturnType<typeof createChatTemplate>;

  constructor(tokenizer: Tokenizer, metadata: Metadata) {
    this.#tokenizer = tokenizer;
    this.#template = createChatTemplate(metadata);
  }

  /** Throws `bad-template` for messages where the model has no template. */
  encode(line: DataLine): TrainingSequence {
    if ('text' in line) return this.#sequence(this.#prompt(''), line.text);
    if ('prompt' in line) return this.#sequence(this.#prompt(line.prompt), ` ${line.completion}`);
    const { messages } = line;
    if (!this.#template) throw new PixelError('bad-template', 'The model has no chat template, which messages need.');
    const prompt = this.#template.encode(messages.slice(0, -1), this.#tokenizer);
    return this.#sequence(prompt, messages.at(-1)?.content ?? '');
  }

  #prompt(text: string): Int32Array {
    const { bosToken, addsBos } = this.#tokenizer;
    const tokens = this.#tokenizer.encode(text, { addSpecial: false });
    return addsBos && bosToken !== undefined ? Int32Array.of(bosToken, ...tokens) : tokens;
  }

  /** Given and learned text are encoded apart, as they are when a model is asked. */
  #sequence(prompt: Int32Array, learned: string): TrainingSequence {
    const { eosToken } = this.#tokenizer;
    const answer = this.#tokenizer.encode(learned, { addSpecial: false });
    const tokens = [...prompt, ...answer, ...(eosToken === undefined ? [] : [eosToken])];
    return { tokens, learnFrom: prompt.length };
  }
}
