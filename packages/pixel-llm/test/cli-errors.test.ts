import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { CommandContext } from '../src/cli/command.ts';
import { describeFailure, type Failure } from '../src/cli/failure.ts';
import { createProgram } from '../src/cli/program.ts';
import { runCommand } from './command-line.ts';
import { makeTinyModel, tinyGguf } from './tiny-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'pixel-llm-errors-'));
before(() => {
  const file = tinyGguf();
  writeFileSync(join(folder, 'tiny.gguf'), file);
  writeFileSync(join(folder, 'plain.gguf'), tinyGguf(makeTinyModel({ chat: false })));
  writeFileSync(join(folder, 'cut.gguf'), file.subarray(0, file.length - 5000));
  writeFileSync(join(folder, 'other.gguf'), renamedArchitecture(file));
  writeFileSync(join(folder, 'note.txt'), 'just a note');
  writeFileSync(join(folder, 'empty.txt'), '');
  writeFileSync(join(folder, 'bytes.bin'), Uint8Array.of(0xff, 0xfe, 0x80));
  writeFileSync(join(folder, 'plain.png'), file);
  writeFileSync(join(folder, 'broken.png'), '\x89PNG\r\n\x1a\n and then no chunk', 'latin1');
  mkdirSync(join(folder, 'folder'));
  mkdirSync(join(folder, 'folder.gguf'));
  process.chdir(folder);
});
after(() => {
  process.chdir(tmpdir());
  rmSync(folder, { recursive: true, force: true });
});

/** Each: what is typed after `pixel-llm`, what the one line must say, and the exit code (2 unless said). */
const CASES: readonly (readonly [typed: string, says: RegExp, code?: number])[] = [
  ['rnu', /unknown command 'rnu' \(Did you mean run\?\)/],
  ['help rnu', /unknown command 'rnu': one of convert/],
  ['fs pit', /unknown command 'pit' \(Did you mean put\?\)/],
  ['--nonsense', /unknown option '--nonsense'/],
  ['--debug', /a command is missing after "pixel-llm": one of .*run/],
  ['fs', /a command is missing after "pixel-llm fs": one of put/],
  ['run', /run needs a model, as in pixel-llm run MODEL\.pxi\.png/],
  ['run nowhere.gguf hello', /nowhere\.gguf does not exist/],
  ['run folder hello', /folder is not a file/],
  ['run note.txt hello', /note\.txt is no model/],
  ['run empty.txt hello', /empty\.txt is no model.*empty file/],
  ['run cut.gguf hello', /cut\.gguf/, 1],
  ['run other.gguf hello', /architecture is "lloma", which is not supported\. Supported are: llama, qwen2, qwen3/],
  ['run tiny.gguf one two', /too many arguments for 'run'/],
  ['run tiny.gguf one --prompt two', /The prompt is given twice/],
  ['run tiny.gguf one --temperatur 1', /unknown option '--temperatur' \(Did you mean --temperature\?\)/],
  ['run tiny.gguf one --temperature hot', /'hot' is invalid\. It must be a number/],
  ['run tiny.gguf one --max-tokens 1.5', /'1\.5' is invalid\. It must be a whole number/],
  ['run tiny.gguf one --seed', /option '--seed <n>' argument missing/],
  ['run tiny.gguf one --stop=', /stop string must be a text that is not empty/],
  ['run tiny.gguf one --device abacus', /no device "abacus".* Devices: auto, gpu, cpu, reference/],
  ['run tiny.gguf one --context 161', /made for a context of 160 tokens/],
  ['run tiny.gguf onetwothreefour --context 4', /prompt is \d+ tokens long, but the context holds 4/],
  ['run plain.gguf one --system two', /has no chat template/],
  ['convert', /missing required argument 'in'/],
  ['convert note.txt out.pxi.png', /note\.txt is no model/],
  ['convert tiny.gguf out.txt', /NAME\.pxi\.png or NAME\.gguf/],
  ['verify nowhere.pxi.png', /nowhere\.pxi\.png does not exist/],
  ['render tiny.gguf out.png --width 1', /'1' is invalid\. It must be a whole number/],
  ['render tiny.gguf out.png --tensor nope', /no tensor "nope"/],
  ['make-model --shape nope out.gguf', /'nope' is invalid\. Allowed choices are toy/],
  ['render plain.png plain.png', /plain\.png is the input itself/],
  ['render plain.png folder/../plain.png', /is the input itself/],
  ['convert tiny.gguf folder.gguf', /folder\.gguf is a folder: name the file/],
  ['fs get note.txt out.txt', /note\.txt is not a PNG/],
  ['fs info note.txt', /note\.txt is not a PNG/],
  ['fs verify note.txt', /note\.txt is not a PNG/],
  ['fs verify broken.png', /broken\.png: there is no PNG chunk/, 1],
  ['fs put nowhere out.png', /nowhere does not exist/],
  ['fs put note.txt out.png --width 100', /100 pixels wide/],
  ['chat', /missing required argument 'model'/],
  ['chat plain.gguf', /plain\.gguf has no chat template.*--template plain/],
  ['chat tiny.gguf --template jinja', /'jinja' is invalid\. Allowed choices are model, plain/],
  ['chat tiny.gguf --load nowhere.png', /nowhere\.png does not exist/],
  ['chat tiny.gguf --load note.txt', /note\.txt is not a PNG/, 1],
  ['run tiny.gguf one --speculate 65', /'65' is invalid/],
  ['embed tiny.gguf one --pooling most', /'most' is invalid\. Allowed choices are mean, last/],
  ['bench nowhere.gguf', /nowhere\.gguf does not exist/],
  ['bench tiny.gguf --rounds 0', /'0' is invalid/],
  ['devices now', /too many arguments for 'devices'/],
  ['score', /missing required argument 'model'/],
  ['score tiny.gguf', /score needs --text FILE or --token-ids/],
  ['score tiny.gguf --token-ids 1,x', /'1,x' is invalid\. It must be whole numbers separated by commas/],
  ['score tiny.gguf --token-ids 1,99999', /A token to score must be a whole number from 0 to/],
  ['score tiny.gguf --token-ids 1 --text note.txt', /'--token-ids <ids>' cannot be used with option '--text <file>'/],
  ['score tiny.gguf --text nowhere.txt', /nowhere\.txt does not exist/],
  ['score tiny.gguf --text empty.txt', /empty\.txt is empty/],
  ['score tiny.gguf --text bytes.bin', /bytes\.bin is not text in UTF-8/],
];

describe('A request that makes no sense', { concurrency: 2 }, () => {
  for (const [typed, says, code = 2] of CASES) {
    test(`gets one clear line: pixel-llm ${typed}`, async () => {
      const { failure, printed } = await refused(typed.split(' '));
      assert.match(failure.message ?? '', says);
      assert.match(failure.message ?? '', /^pixel-llm: .+$/);
      assert.equal(printed, '');
      assert.equal(failure.exitCode, code);
    });
  }

  test('is one line on stderr and nothing on stdout, with the exit code of the request or of the work', async () => {
    const outcomes = await Promise.all(
      [['rnu'], ['run', 'tiny.gguf'], ['run', 'cut.gguf', 'hello']].map((typed) => runCommand(typed, { cwd: folder })),
    );
    for (const { stdout, stderr } of outcomes) {
      assert.equal(stdout, '');
      assert.match(stderr, /^pixel-llm: .+\n$/);
    }
    assert.match(outcomes[1]?.stderr ?? '', /No prompt was given, and stdin was empty/);
    assert.deepEqual(
      outcomes.map(({ code }) => code),
      [2, 2, 1],
    );
  });

  test('shows a stack trace with --debug, before or after the command', async () => {
    for (const typed of [
      ['--debug', 'run', 'nowhere.gguf', 'a'],
      ['run', 'nowhere.gguf', 'a', '--debug'],
    ]) {
      const { stderr, code } = await runCommand(typed, { cwd: folder });
      assert.match(stderr, /\n\s+at .*\n[\s\S]*pixel-llm: nowhere\.gguf does not exist/);
      assert.equal(code, 2);
    }
  });

  test('puts no control characters of a file’s name or content on the terminal', async () => {
    const { stderr } = await runCommand(['run', 'no\x1b[2Jwhere\nelse.gguf', 'a'], { cwd: folder });
    assert.equal(stderr, 'pixel-llm: no [2Jwhere else.gguf does not exist.\n');
  });
});

describe('Help', { concurrency: 2 }, () => {
  test('is on stdout, exit code 0, and shows how to begin', async () => {
    const [bare, asked, version] = await Promise.all([
      runCommand([]),
      runCommand(['--help']),
      runCommand(['--version']),
    ]);
    assert.deepEqual([bare.code, asked.code, version.code], [0, 0, 0]);
    assert.equal(bare.stdout, asked.stdout);
    assert.match(bare.stdout, /Getting started:\n {2}pixel-llm make-model/);
    assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
    assert.equal(bare.stderr + asked.stderr + version.stderr, '');
  });

  test('of every command has examples', () => {
    const commands = createProgram(silent).commands.flatMap((command) => [command, ...command.commands]);
    assert.ok(commands.length >= 12);
    for (const command of commands) {
      let help = '';
      command.configureOutput({
        writeOut: (text) => {
          help += text;
        },
      });
      command.outputHelp();
      assert.match(help, /Examples?:\n {2}pixel-llm /, command.name());
    }
  });
});

const silent: CommandContext = {
  signal: new AbortController().signal,
  note: () => {},
  print: async () => {},
  withProgress: (work) =>
    work(
      () => {},
      () => {},
    ),
};

/** Runs a command in this process and returns how it failed, with what it printed before. */
async function refused(typed: readonly string[]): Promise<{ failure: Failure; printed: string }> {
  let printed = '';
  const print = async (output: string | Uint8Array) => {
    printed += output;
  };
  const program = createProgram({ ...silent, print });
  const failure = await program.parseAsync(typed, { from: 'user' }).then(
    () => assert.fail('it was done'),
    (error: unknown) => describeFailure(error, program),
  );
  return { failure, printed };
}

/** The same file with another architecture's name (of the same length) everywhere. */
function renamedArchitecture(file: Uint8Array): Uint8Array {
  return Buffer.from(Buffer.from(file).toString('latin1').replaceAll('llama', 'lloma'), 'latin1');
}
