import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { runCommand } from './command-line.ts';
import { golden, goldenTest } from './goldens.ts';
import { makeTinyModel, tinyGguf } from './tiny-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'pixel-llm-run-'));
const model = join(folder, 'tiny.gguf');
const endless = join(folder, 'endless.gguf');
before(() => {
  writeFileSync(model, tinyGguf());
  writeFileSync(endless, tinyGguf(makeTinyModel({ contextLength: 100_000 })));
});
after(() => rmSync(folder, { recursive: true, force: true }));

const FIXED = ['--seed', '7', '--ignore-eos', '--temperature', '1.2'];

describe('pixel-llm run', { concurrency: 2 }, () => {
  test('writes the text alone to stdout, and the facts about it to stderr', async () => {
    const { code, stdout, stderr } = await runCommand(['run', model, 'the cat', '--max-tokens', '12', ...FIXED]);
    assert.equal(code, 0, stderr);
    assert.ok(stdout.length >= 12 && !stdout.includes('the cat') && !stdout.endsWith('\n'), stdout);
    assert.match(stderr, /tiny\.gguf: llama, context 160, on the device "cpu", loaded in/);
    assert.match(stderr, /prompt: 7 tokens .*tokens\/s\); text: 12 tokens .*; ended: the length asked for .*; seed 7/);
  });

  test('--kv-type q8 keeps the cache in 8 bits; devices that cannot say so, and other types are refused', async () => {
    const written = await runCommand(['run', model, 'the cat', '--max-tokens', '12', '--kv-type', 'q8', ...FIXED]);
    assert.equal(written.code, 0, written.stderr);
    assert.ok(written.stdout.length >= 12);
    const exact = ['run', model, 'the cat', '--kv-type', 'q8', '--device', 'reference'];
    const refused = await runCommand(exact);
    assert.deepEqual(
      [refused.code, refused.stderr],
      [
        2,
        'pixel-llm: The device "reference" has one type of KV cache: leave the type out, or ask for the device "cpu".\n',
      ],
    );
    const unknown = await runCommand(['run', model, 'the cat', '--kv-type', 'q4']);
    assert.match(unknown.stderr, /'q4' is invalid.*Allowed choices are f16, q8/);
  });

  test('reads the prompt from stdin, without its last line break, as the same prompt', async () => {
    const common = ['--max-tokens', '8', ...FIXED];
    const [argument, option, stdin] = await Promise.all([
      runCommand(['run', model, 'the cat', ...common]),
      runCommand(['run', model, '--prompt', 'the cat', ...common]),
      runCommand(['run', model, ...common], { input: 'the cat\n' }),
    ]);
    assert.ok(argument.stdout.length > 0);
    assert.deepEqual([option.stdout, stdin.stdout], [argument.stdout, argument.stdout]);
  });

  test('a folder as stdin is refused, not taken for an empty text', async () => {
    const { code, stderr } = await runCommand(['run', model], { stdin: openSync(folder, 'r') });
    assert.deepEqual([code, stderr], [2, 'pixel-llm: stdin is a folder, not a file.\n']);
  });

  test('--json writes an object for each token, then the summary', async () => {
    const { stdout } = await runCommand(['run', model, 'the cat', '--max-tokens', '6', '--json', ...FIXED]);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const summary = lines.pop();
    assert.equal(lines.length, 6);
    assert.ok(lines.every(({ text, token }) => typeof text === 'string' && Number.isInteger(token)));
    assert.equal(summary.text, lines.map(({ text }) => text).join(''));
    const { finishReason, promptTokens, generatedTokens, seed } = summary;
    assert.deepEqual([finishReason, promptTokens, generatedTokens, seed], ['length', 7, 6, 7]);
  });

  test('--stop may be given several times, and ends the text before any of them', async () => {
    const { stdout } = await runCommand(['run', model, 'the cat', '--max-tokens', '20', ...FIXED]);
    const stop = stdout.slice(6, 9);
    const stopped = await runCommand(['run', model, 'the cat', '--stop', '~none~', '--stop', stop, ...FIXED]);
    assert.equal(stopped.stdout, stdout.slice(0, stdout.indexOf(stop)));
    assert.match(stopped.stderr, /ended: a stop string was met/);
  });

  test('--chat and --system put the prompt into the chat template', async () => {
    const common = ['--json', '--max-tokens', '1', ...FIXED];
    const promptTokens = async (...flags: string[]) => {
      const { stdout, stderr } = await runCommand(['run', model, 'hi', ...flags, ...common]);
      assert.ok(stdout, stderr);
      return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '').promptTokens;
    };
    const [plain, chat, system] = await Promise.all([
      promptTokens(),
      promptTokens('--chat'),
      promptTokens('--system', 'x'),
    ]);
    assert.ok(plain < chat && chat < system, `${plain} ${chat} ${system}`);
  });

  test('a reader that has seen enough ends it without a word about it', async () => {
    const parameters = ['run', endless, 'the cat', '--max-tokens', '100000', ...FIXED];
    const { code, stderr } = await runCommand(parameters, {
      onOutput: (child) => child.stdout?.destroy(),
    });
    assert.equal(code, 0);
    assert.doesNotMatch(stderr, /EPIPE|error/);
  });

  test('Ctrl-C ends it with 130, SIGTERM with 143, and no message', async () => {
    for (const [signal, expected] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const { code, stdout, stderr } = await runCommand(
        ['run', endless, 'the cat', '--max-tokens', '100000', '--json', ...FIXED],
        {
          onOutput: (child) => void child.kill(signal),
        },
      );
      assert.equal(code, expected, stderr);
      assert.doesNotMatch(stderr, /pixel-llm:|ended:/);
      assert.doesNotMatch(stdout, /finishReason/);
    }
  });

  test('Ctrl-C while stdin is put into a picture ends at once, and leaves no half file', async () => {
    const picture = () => readdirSync(folder).filter((file) => file.includes('stdin.png'));
    const command = join(import.meta.dirname, '../bin/pixel-llm.js');
    const child = spawn(process.execPath, [command, 'fs', 'put', '-', 'stdin.png'], { cwd: folder, stdio: 'pipe' });
    const ended = once(child, 'close');
    child.stdin.write('and so on');
    while (picture().length === 0 && child.exitCode === null) await setTimeout(5);
    child.kill('SIGINT');
    assert.deepEqual([await ended, await text(child.stderr), picture()], [[130, null], '', []]);
  });

  goldenTest('writes the story of the golden file, as far as its steps are no near ties', async () => {
    const path = golden('models/TinyStories-656K-Q8_0.gguf');
    const parameters = ['run', path, 'Once upon a time', '--temperature', '0', '--max-tokens', '48'];
    const { code, stdout } = await runCommand([...parameters, '--device', 'reference']);
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^, a little girl named Lily lived in a small house\. She loved to eat yummy food\. One day, /,
    );
  });
});
