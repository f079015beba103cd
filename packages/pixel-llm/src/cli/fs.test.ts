import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { isPixelError } from '../core/errors.ts';
import { noise } from '../png/testing.ts';
import { registerFs } from './fs.ts';

const folder = mkdtempSync(join(tmpdir(), 'fs-command-'));
after(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, name);
const BYTES = noise(50_000);
writeFileSync(path('in.bin'), BYTES);

/** Runs a command in this process. */
async function fs(...parts: string[]): Promise<{ printed: string; noted: string }> {
  let printed = '';
  let noted = '';
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  registerFs(program, {
    signal: new AbortController().signal,
    note: (line) => {
      noted += `${line}\n`;
    },
    print: async (text) => {
      printed += text;
    },
    withProgress: (work) =>
      work(
        () => {},
        () => {},
      ),
  });
  await program.parseAsync(['fs', ...parts], { from: 'user' });
  return { printed, noted };
}

/** Runs the real command in a process of its own. */
function run(parts: string[], input?: Uint8Array): { status: number | null; stdout: Buffer; stderr: string } {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'fs', ...parts], { cwd: folder, input });
  return { status, stdout, stderr: stderr.toString() };
}

describe('pixel-llm fs', () => {
  test('puts a file into a picture, tells of it, verifies it and gets it back', async () => {
    await fs('put', path('in.bin'), path('a.png'));
    const info = JSON.parse((await fs('info', path('a.png'), '--json')).printed);
    assert.deepEqual([info.name, info.byteLength, info.width, info.access], ['in.bin', 50_000, 128, 'mappable']);
    const described = (await fs('info', path('a.png'))).printed;
    assert.match(described, /^name +in\.bin\nsize +50000 bytes \(50\.0 kB\)\nsha256 +[0-9a-f]{64}\n/);
    assert.match((await fs('verify', path('a.png'))).printed, /is sound/);
    await fs('get', path('a.png'), path('out.bin'));
    assert.deepEqual(readFileSync(path('out.bin')), Buffer.from(BYTES));
  });

  test('takes standard input, gives standard output, compresses and names', async () => {
    const text = Buffer.alloc(100_000, 'abc');
    const put = run(['put', '-', 'b.png', '--name', 'te\u0007xt', '--compress', '--width', '512'], text);
    assert.equal(put.status, 0, put.stderr);
    assert.match(put.stderr, /100 kB in 512 x 51 pixels/);
    const info = JSON.parse((await fs('info', path('b.png'), '--json')).printed);
    assert.deepEqual([info.name, info.access], ['te\u0007xt', 'decoded']);
    assert.ok(info.pictureBytes < 20_000);
    assert.match(
      (await fs('info', path('b.png'))).printed,
      /^name +te\ufffdxt\n/,
      'a terminal gets no control characters',
    );
    assert.deepEqual(run(['get', 'b.png', '-']).stdout, text);
  });

  test('names the damaged line and ends with code 1; a get leaves nothing behind', async () => {
    await fs('put', path('in.bin'), path('c.png'), '--width', '64');
    const png = readFileSync(path('c.png'));
    const start = Number(png.readBigUInt64BE(png.indexOf('pxMP') + 4));
    png[start + 7 * (4 * 64 + 48)]! ^= 1;
    writeFileSync(path('c.png'), png);
    const verified = run(['verify', 'c.png']);
    assert.equal(verified.status, 1);
    assert.equal(verified.stdout.toString(), 'Line 7: its CRC does not match its pixels.\n');
    await assert.rejects(fs('get', path('c.png'), path('never.bin')), (error) =>
      isPixelError(error, 'damaged-picture'),
    );
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.includes('never')),
      [],
    );
  });

  test('says what it cannot do, and leaves the input and nothing else', async () => {
    const cases: [string[], RegExp][] = [
      [['put', path('in.bin'), path('in.bin')], /is the input itself/],
      [['put', path('in.bin'), '-'], /cannot go to standard output/],
      [['put', path('in.bin'), path('d.png'), '--width', '100'], /power of two/],
      [['put', path('in.bin'), path('d.png'), '--width', '7'], /whole number from 64 to 8192/],
      [['put', path('nothing.bin'), path('d.png')], /does not exist/],
      [['get', path('in.bin'), path('d.bin')], /is not a PNG/],
      [['info', path('nothing.png')], /does not exist/],
      [['info', 'http://127.0.0.1:1/a.png'], /127\.0\.0\.1/],
      [['verify', path('in.bin'), '--what'], /unknown option/],
    ];
    for (const [parts, says] of cases) await assert.rejects(fs(...parts), says, parts.join(' '));
    assert.deepEqual(readFileSync(path('in.bin')), Buffer.from(BYTES));
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('d.') || name.startsWith('.')),
      [],
    );
    const usage = run(['put', 'nothing.bin', 'd.png']);
    assert.deepEqual([usage.status, usage.stderr], [2, 'pixel-llm: nothing.bin does not exist.\n']);
  });
});
