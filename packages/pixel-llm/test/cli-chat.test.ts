import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runCommand } from './command-line.ts';
import { makeTinyModel, tinyGguf } from './tiny-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'pixel-llm-chat-'));
const model = join(folder, 'tiny.gguf');
const plain = join(folder, 'plain.gguf');
const endless = join(folder, 'endless.gguf');
before(() => {
  writeFileSync(model, tinyGguf());
  writeFileSync(plain, tinyGguf(makeTinyModel({ chat: false })));
  writeFileSync(endless, tinyGguf(makeTinyModel({ contextLength: 100_000 })));
});
after(() => rmSync(folder, { recursive: true, force: true }));

const FIXED = ['--seed', '7', '--max-tokens', '8', '--temperature', '1.2'];
const chat = (input: string, ...flags: string[]) =>
  runCommand(['chat', model, ...FIXED, ...flags], { input, cwd: folder });

describe('pixel-llm chat, from a pipe', { concurrency: 2 }, () => {
  test('answers each line on stdout, one after the other, as the conversation so far', async () => {
    const [both, first, other] = await Promise.all([chat('hello\nand you?\n'), chat('hello\n'), chat('and you?\n')]);
    assert.equal(both.code, 0, both.stderr);
    assert.ok(first.stdout.length > 1 && first.stdout.endsWith('\n'));
    assert.ok(both.stdout.startsWith(first.stdout) && both.stdout.length > first.stdout.length);
    assert.notEqual(both.stdout.slice(first.stdout.length), other.stdout);
    assert.match(both.stderr, /reached --max-tokens/);
    assert.doesNotMatch(both.stderr, /> |Ctrl-D ends/);
  });

  test('several lines make one message between """ or after a backslash, and // begins a message with a slash', async () => {
    const [fenced, continued, flat, slashes] = await Promise.all([
      chat('"""\none\ntwo\n"""\n'),
      chat('one\\\ntwo\n'),
      chat('one two\n'),
      chat('//one\n'),
    ]);
    assert.equal(fenced.stdout, continued.stdout);
    assert.notEqual(fenced.stdout, flat.stdout);
    assert.equal(slashes.stdout.split('\n').length, 2, slashes.stderr);
  });

  test('/system changes the answers, /retry gives another one, /clear forgets, /params sets', async () => {
    const [bare, system, flag] = await Promise.all([
      chat('hello\n'),
      chat('/system short\nhello\n/system\n'),
      chat('hello\n', '--system', 'short'),
    ]);
    assert.equal(system.stdout, flag.stdout);
    assert.notEqual(system.stdout, bare.stdout);
    assert.match(system.stderr, /^short$/m);

    const [retried, cleared, set] = await Promise.all([
      chat('hello\n/retry\n'),
      chat('first\n/clear\nhello\n'),
      chat('/params max-tokens 2\n/params\nhello\n'),
    ]);
    const again = retried.stdout.slice(bare.stdout.length);
    assert.ok(retried.stdout.startsWith(bare.stdout) && again.length > 0 && again !== bare.stdout);
    assert.ok(cleared.stdout.endsWith(bare.stdout));
    assert.match(set.stderr, /max-tokens 2\ntemperature 1\.2\ntop-k \(default\)/);
    assert.ok(set.stdout.length < bare.stdout.length);
  });

  test('a command that fails ends a script, with the reason and 2', async () => {
    for (const [input, reason] of [
      ['/nonsense\nhello\n', /no command \/nonsense; \/help/],
      ['/params heat 3\nhello\n', /no setting "heat"\. Settings: max-tokens, temperature/],
      ['/params top-p 3\nhello\n', /topP must be a number from 0 to 1/],
      ['/params seed\nhello\n', /seed needs one number/],
      ['/retry\nhello\n', /nothing to answer again/],
    ] as const) {
      const { code, stdout, stderr } = await chat(input);
      assert.match(stderr, reason);
      assert.deepEqual([code, stdout], [2, '']);
    }
  });

  test('/help says how to type several lines; /quit ends before the rest', async () => {
    const { stdout, stderr, code } = await chat('/help\n/quit\nhello\n');
    assert.match(stderr, /Several lines: begin with """/);
    assert.deepEqual([stdout, code], ['', 0]);
  });

  test('a model without a template is refused with what to do, and talks by --template plain', async () => {
    const refused = await runCommand(['chat', plain, ...FIXED], { input: 'hello\n' });
    assert.match(refused.stderr, /has no chat template.*--template plain/);
    assert.equal(refused.code, 2);
    const talks = await runCommand(['chat', plain, ...FIXED, '--template', 'plain'], { input: 'hello\n' });
    assert.equal(talks.code, 0, talks.stderr);
    assert.ok(talks.stdout.length > 1);
  });

  test('Ctrl-C stops the answer, not the program', async () => {
    let interrupts = 0;
    const { code, stdout, stderr } = await runCommand(
      ['chat', endless, '--seed', '7', '--max-tokens', '100000', '--system', 'x'],
      {
        input: 'hello\n/params max-tokens 3\nagain\n',
        onOutput(child, text) {
          if (text.length > 4 && interrupts++ === 0) child.kill('SIGINT');
        },
      },
    );
    assert.equal(code, 0, stderr);
    assert.match(stderr, /\(stopped; \/retry answers again\)[\s\S]*reached --max-tokens/);
    assert.ok(stdout.endsWith('\n') && stdout.length > 5);
  });
});
