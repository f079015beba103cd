import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { afterEach, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { isPixelError } from '../core/errors.ts';
import { type InputEvent, TerminalInput } from './line-input.ts';

const [CTRL_C, CTRL_D, UP] = ['\x03', '\x04', '\x1b[A'];

/** A person at a terminal. */
function sit() {
  const keys = new PassThrough();
  const screen = new PassThrough();
  const abort = new AbortController();
  const seen = { interrupts: 0, text: '' };
  screen.on('data', (text) => {
    seen.text += text;
  });
  const input = new TerminalInput({ input: keys, output: screen }, abort.signal, () => seen.interrupts++);
  open.push(input);
  /** Asks for a line, then types. */
  const ask = async (...typed: string[]): Promise<InputEvent> => {
    const event = input.next('> ');
    for (const text of typed) {
      await setImmediate();
      keys.write(text);
    }
    return event;
  };
  const type = async (text: string): Promise<void> => {
    keys.write(text);
    await setImmediate();
  };
  return { ask, type, seen, abort, input };
}

const open: TerminalInput[] = [];
afterEach(() => {
  for (const input of open.splice(0)) input[Symbol.dispose]();
});
const line = (text: string): InputEvent => ({ kind: 'line', text });

describe('Input from a terminal', () => {
  test('shows a prompt, edits a line, and brings earlier ones back', async () => {
    const { ask, seen } = sit();
    assert.deepEqual(await ask('helo\x1b[Dl\r'), line('hello'));
    assert.match(seen.text, /> .*h/s);
    assert.deepEqual(await ask('other\r'), line('other'));
    assert.deepEqual(await ask(UP, UP, '!\r'), line('hello!'));
  });

  test('Ctrl-C clears what is typed, then is an interrupt; during an answer it goes to the answer', async () => {
    const { ask, type, seen } = sit();
    assert.deepEqual(await ask('abc', CTRL_C, 'x\r'), line('x'));
    assert.deepEqual(await ask(CTRL_C), { kind: 'interrupt' });
    assert.equal(seen.interrupts, 0);
    await type(CTRL_C);
    assert.equal(seen.interrupts, 1);
  });

  test('Ctrl-D at an empty line ends the input', async () => {
    assert.deepEqual(await sit().ask(CTRL_D), { kind: 'end' });
  });

  test('what is typed or pasted during an answer is not shown, and comes when it is asked for', async () => {
    const { ask, type, seen } = sit();
    assert.deepEqual(await ask('one\rtwo\rthr'), line('one'));
    const shown = seen.text;
    await type('ee\rfo');
    assert.equal(seen.text, shown);
    assert.deepEqual(await ask(), line('two'));
    assert.ok(seen.text.endsWith('> two\n'));
    assert.deepEqual(await ask(), line('three'));
    assert.deepEqual(await ask('ur\r'), line('four'));
  });

  test('an aborted signal ends the waiting', async () => {
    const { ask, abort } = sit();
    const waiting = ask('typing');
    await setImmediate();
    abort.abort();
    await assert.rejects(waiting, (error) => isPixelError(error, 'aborted'));
    await assert.rejects(ask(), (error) => isPixelError(error, 'aborted'));
  });
});
