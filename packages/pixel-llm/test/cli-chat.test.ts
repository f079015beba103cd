import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { CommandContext } from '../src/cli/command.ts';
import { Conversation } from '../src/cli/conversation.ts';
import { converse } from '../src/cli/converse.ts';
import type { InputEvent, LineInput } from '../src/cli/line-input.ts';
import { isPixelError } from '../src/core/errors.ts';
import type { GenerateOptions } from '../src/engine/generation.ts';
import { loadModel } from '../src/engine/load-model.ts';
import { runCommand } from './command-line.ts';
import { makeTinyModel, tinyGguf, tinyWeights } from './tiny-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'pixel-llm-chat-'));
const file = (name: string) => join(folder, name);
before(() => {
  writeFileSync(file('tiny.gguf'), tinyGguf());
  writeFileSync(file('tiny.png'), tinyGguf());
  writeFileSync(file('plain.gguf'), tinyGguf(makeTinyModel({ chat: false })));
  writeFileSync(file('endless.gguf'), tinyGguf(makeTinyModel({ contextLength: 100_000 })));
});
after(() => rmSync(folder, { recursive: true, force: true }));

const FIXED: GenerateOptions = { seed: 7, maxTokens: 8, temperature: 1.2 };
const INTERRUPT: InputEvent = { kind: 'interrupt' };

interface Talk {
  readonly answers: string;
  readonly notes: string;
  /** Lines that nobody asked for any more. */
  readonly unread: number;
}

interface TalkSettings {
  /** Whether a person types; else a script does. */
  readonly interactive?: boolean;
  readonly options?: GenerateOptions;
  readonly seed?: number;
  /** Called on each piece of an answer, with Ctrl-C in hand. */
  readonly onAnswer?: (interrupt: () => void) => void;
}

/** A whole chat in this process. */
async function talk(said: readonly (string | InputEvent)[], settings: TalkSettings = {}): Promise<Talk> {
  const { interactive = false, options = FIXED, seed = 1, onAnswer } = settings;
  await using model = await loadModel(tinyWeights(makeTinyModel({ seed })), { device: 'reference' });
  if (!model.chatTemplate) throw new Error('no template');
  using conversation = new Conversation({ model, template: model.chatTemplate, options });
  const events = said.map((event): InputEvent => (typeof event === 'string' ? { kind: 'line', text: event } : event));
  const input: LineInput = {
    interactive,
    next: async () => events.shift() ?? { kind: 'end' },
    [Symbol.dispose]: () => {},
  };
  let answers = '';
  let notes = '';
  let interrupt = (): void => {};
  const context: CommandContext = {
    signal: new AbortController().signal,
    note: (line) => {
      notes += `${line}\n`;
    },
    print: async (text) => {
      answers += text;
      onAnswer?.(interrupt);
    },
    withProgress: (work) =>
      work(
        () => {},
        () => {},
      ),
  };
  const open = (onInterrupt: () => void): LineInput => {
    interrupt = onInterrupt;
    return input;
  };
  await converse(conversation, open, context);
  return { answers, notes, unread: events.length };
}

describe('A chat', () => {
  test('answers each message as the conversation so far', async () => {
    const first = await talk(['hello']);
    const both = await talk(['hello', '', 'and you?']);
    const other = await talk(['and you?']);
    assert.ok(first.answers.length > 1 && first.answers.endsWith('\n'));
    assert.ok(both.answers.startsWith(first.answers) && both.answers.length > first.answers.length);
    assert.notEqual(both.answers.slice(first.answers.length), other.answers);
    assert.match(first.notes, /reached --max-tokens/);
  });

  test('takes several lines as one message between """ or after a backslash, and // for a slash', async () => {
    const fenced = await talk(['"""', 'one', 'two', '"""']);
    assert.equal((await talk(['one\\', 'two'])).answers, fenced.answers);
    assert.equal((await talk(['"""one', 'two"""'])).answers, fenced.answers);
    assert.notEqual((await talk(['one two'])).answers, fenced.answers);
    assert.ok((await talk(['//one'])).answers.length > 1);
  });

  test('/system, /retry, /clear and /params do what they say', async () => {
    const bare = await talk(['hello']);
    const system = await talk(['/system short', 'hello', '/system', '/system -', '/system']);
    assert.notEqual(system.answers, bare.answers);
    assert.match(system.notes, /^short\n\(no system message\)$/m);
    const retried = await talk(['hello', '/retry']);
    const again = retried.answers.slice(bare.answers.length);
    assert.ok(retried.answers.startsWith(bare.answers) && again.length > 0 && again !== bare.answers);
    assert.ok((await talk(['first', '/clear', 'hello'])).answers.endsWith(bare.answers));
    const set = await talk(['/params max-tokens 2', '/params', 'hello']);
    assert.match(set.notes, /max-tokens 2\ntemperature 1\.2\ntop-k \(default\)/);
    assert.ok(set.answers.length < bare.answers.length);
  });

  test('/save and /load go on where it was; no other file is overwritten, no other model goes on', async () => {
    const whole = await talk(['hello', 'and you?', 'and then?']);
    await talk(['hello', `/save ${file('talk')}`, `/save --cache ${file('cache.pxi.png')}`, `/save ${file('talk')}`]);
    assert.ok(statSync(file('cache.pxi.png')).size > statSync(file('talk.pxi.png')).size + 2000);
    for (const name of ['talk.pxi.png', 'cache.pxi.png']) {
      // Settings come back too: these are other ones.
      const loaded = await talk([`/load ${file(name)}`, '/params max-tokens 8', 'and you?', 'and then?'], {
        options: {},
      });
      assert.match(loaded.notes, /\(2 messages, the last one: "/);
      assert.ok(loaded.answers.length > 10 && whole.answers.endsWith(loaded.answers));
    }
    await assert.rejects(talk(['hello', `/save ${file('tiny.png')}`]), /tiny\.png exists and is no conversation/);
    await assert.rejects(talk([`/load ${file('talk.pxi.png')}`], { seed: 2 }), (error) =>
      isPixelError(error, 'other-model'),
    );
  });

  test('what cannot be done ends a script, but only tells a person', async () => {
    for (const [typed, reason] of [
      ['/nonsense', /no command \/nonsense; \/help/],
      ['/params heat 3', /no setting "heat"\. Settings: max-tokens, temperature/],
      ['/params top-p 3', /topP must be a number from 0 to 1/],
      ['/params seed', /seed needs one number/],
      ['/retry', /nothing to answer again/],
      ['/load', /needs a file/],
      ['/save', /needs a file/],
      ['/load nowhere.pxi.png', /nowhere\.pxi\.png does not exist/],
      ['x'.repeat(200), /prompt is \d+ tokens long/],
    ] as const) {
      await assert.rejects(talk([typed, 'hello']), reason);
      const person = await talk([typed, 'hello'], { interactive: true });
      assert.match(person.notes, reason);
      assert.ok(person.answers.length > 1);
    }
  });

  test('Ctrl-C stops an answer, takes back what is being typed, and ends the program the second time only', async () => {
    const long = { ...FIXED, maxTokens: 100 };
    const stopped = await talk(['hello', '/params max-tokens 3', 'again'], {
      options: long,
      onAnswer: (interrupt) => interrupt(),
    });
    assert.match(stopped.notes, /\(stopped; \/retry answers again\)/);
    assert.equal(stopped.answers.split('\n').length, 3);
    const typing = await talk(['"""a', INTERRUPT, INTERRUPT, 'hello', INTERRUPT, '/quit', 'never'], {
      interactive: true,
    });
    assert.ok(typing.answers.length > 1 && typing.unread === 1);
    const twice = await talk([INTERRUPT, INTERRUPT, 'never'], { interactive: true });
    assert.deepEqual([twice.answers, twice.unread], ['', 1]);
    assert.match(twice.notes, /Ctrl-C again/);
  });
});

describe('pixel-llm chat', { concurrency: 2 }, () => {
  test('reads a pipe: answers go to stdout, all else to stderr', async () => {
    const flags = ['--seed', '7', '--max-tokens', '8', '--temperature', '1.2', '--system', 'short'];
    const input = '/help\nhello\r\n/quit\nnever\n';
    const { code, stdout, stderr } = await runCommand(['chat', file('tiny.gguf'), ...flags], { input });
    assert.equal(code, 0, stderr);
    assert.equal(stdout, (await talk(['/system short', 'hello'])).answers);
    assert.match(stderr, /Several lines: begin with """/);
    assert.doesNotMatch(stderr, /> |Ctrl-D ends/);
  });

  test('a model without a template is refused with what to do, and talks by --template plain', async () => {
    const refused = await runCommand(['chat', file('plain.gguf')], { input: 'hello\n' });
    assert.match(refused.stderr, /has no chat template.*--template plain/);
    assert.equal(refused.code, 2);
    const flags = ['--template', 'plain', '--max-tokens', '4'];
    const talks = await runCommand(['chat', file('plain.gguf'), ...flags], { input: 'hello\n' });
    assert.equal(talks.code, 0, talks.stderr);
    assert.ok(talks.stdout.length > 1);
  });

  test('Ctrl-C stops the answer, not the program', async () => {
    let interrupts = 0;
    const { code, stdout, stderr } = await runCommand(['chat', file('endless.gguf'), '--max-tokens', '100000'], {
      input: 'hello\n/params max-tokens 3\nagain\n',
      onOutput(child, text) {
        if (text.length > 4 && interrupts++ === 0) child.kill('SIGINT');
      },
    });
    assert.equal(code, 0, stderr);
    assert.match(stderr, /\(stopped; \/retry answers again\)[\s\S]*reached --max-tokens/);
    assert.ok(stdout.endsWith('\n') && stdout.length > 5);
  });
});
