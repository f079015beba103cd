/**
 * Lines of input for a dialogue: from a terminal with editing, history and Ctrl-C, or from a pipe. What is typed while an answer is
 * written stays invisible until its turn comes.
 */
import { addAbortListener } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { type Readable, Writable } from 'node:stream';
import { PixelError, throwIfAborted } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { readStandardInput } from './standard-input.ts';

/** `interrupt`: Ctrl-C at the prompt, with nothing typed. */
export type InputEvent =
  | { readonly kind: 'line'; readonly text: string }
  | { readonly kind: 'interrupt' }
  | { readonly kind: 'end' };

export interface LineInput extends Disposable {
  /** Whether a person types. */
  readonly interactive: boolean;
  /** The next line, without its end; after the last, `end`. A prompt is shown to people only. Throws `aborted`, `bad-argument`. */
  next(prompt: string): Promise<InputEvent>;
}

/** `onInterrupt` is called for Ctrl-C while nobody waits for a line: during an answer. */
export function openLineInput(signal: AbortSignal, onInterrupt: () => void): LineInput {
  const interactive = Boolean(process.stdin.isTTY && process.stderr.isTTY);
  const terminal = { input: process.stdin, output: process.stderr };
  return interactive ? new TerminalInput(terminal, signal, onInterrupt) : new PipeInput(signal);
}

/** What a person types into, and where that is shown. */
export interface Terminal {
  readonly input: Readable;
  readonly output: Writable & { readonly columns?: number };
}

/** An output to which nothing goes while it is muted. readline asks for its width. */
class MutableOutput extends Writable {
  readonly #output: Terminal['output'];
  muted = true;

  constructor(output: Terminal['output']) {
    super();
    this.#output = output;
  }

  get columns(): number {
    return this.#output.columns ?? 80;
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    if (!this.muted) this.#output.write(chunk);
    done();
  }
}

export class TerminalInput implements LineInput {
  readonly interactive = true;
  readonly #signal: AbortSignal;
  readonly #output: MutableOutput;
  readonly #lines: Interface;
  readonly #events: InputEvent[] = [];
  readonly #abortListener: Disposable;
  #waiting: ((event: InputEvent) => void) | undefined;

  constructor({ input, output }: Terminal, signal: AbortSignal, onInterrupt: () => void) {
    this.#signal = signal;
    this.#output = new MutableOutput(output);
    this.#lines = createInterface({ input, output: this.#output, terminal: true, historySize: 1000 });
    this.#lines.on('line', (text) => this.#emit({ kind: 'line', text }));
    this.#lines.on('close', () => this.#emit({ kind: 'end' }));
    this.#lines.on('SIGINT', () => {
      if (!this.#waiting) onInterrupt();
      else if (this.#lines.line === '') this.#emit({ kind: 'interrupt' });
      else this.#clearLine();
    });
    this.#abortListener = addAbortListener(signal, () => this.#lines.close());
  }

  async next(prompt: string): Promise<InputEvent> {
    throwIfAborted(this.#signal);
    this.#output.muted = false;
    const ready = this.#events.shift();
    if (ready?.kind === 'line') this.#output.write(`${prompt}${ready.text}\n`);
    const event = ready ?? (await this.#typed(prompt));
    throwIfAborted(this.#signal);
    // Whatever comes next begins on a line of its own.
    this.#output.muted = false;
    if (event.kind !== 'line') this.#output.write('\n');
    this.#output.muted = true;
    return event;
  }

  [Symbol.dispose](): void {
    this.#abortListener[Symbol.dispose]();
    this.#lines.close();
  }

  #typed(prompt: string): Promise<InputEvent> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
      this.#lines.setPrompt(prompt);
      this.#lines.prompt(true);
    });
  }

  #emit(event: InputEvent): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    // At once: further lines of the same paste are not for this prompt.
    this.#output.muted = true;
    if (waiting) waiting(event);
    else this.#events.push(event);
  }

  #clearLine(): void {
    this.#lines.write(null, { ctrl: true, name: 'e' });
    this.#lines.write(null, { ctrl: true, name: 'u' });
  }
}

class PipeInput implements LineInput {
  readonly interactive = false;
  readonly #lines: AsyncGenerator<string, void, void>;

  constructor(signal: AbortSignal) {
    this.#lines = readLines(signal);
  }

  async next(): Promise<InputEvent> {
    const { done, value } = await this.#lines.next();
    return done ? { kind: 'end' } : { kind: 'line', text: value };
  }

  [Symbol.dispose](): void {
    void this.#lines.return();
  }
}

/** The lines of stdin, read only as they are asked for. Throws `aborted`, `limit-exceeded`, `bad-argument` for what is not UTF-8. */
async function* readLines(signal: AbortSignal): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  for await (const chunk of readStandardInput(signal)) {
    const [first = '', ...others] = decode(decoder, chunk).split('\n');
    const lines = [rest + first, ...others];
    rest = lines.pop() ?? '';
    if (rest.length > LIMITS.textBytes) throw new PixelError('limit-exceeded', 'A line of stdin is too long.');
    for (const line of lines) yield line.replace(/\r$/, '');
  }
  rest += decode(decoder);
  if (rest !== '') yield rest;
}

function decode(decoder: TextDecoder, chunk?: Uint8Array): string {
  try {
    return decoder.decode(chunk, { stream: chunk !== undefined });
  } catch (cause) {
    throw new PixelError('bad-argument', 'stdin is not text in UTF-8.', { cause });
  }
}
