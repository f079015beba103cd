/** `diff` as a person uses it: two files, a table, a picture. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ModelDiff } from '../src/pxi/view/diff.ts';
import { runCommand } from './command-line.ts';

let folder = '';
const run = (...words: string[]) => runCommand(words, { cwd: folder });
async function runs(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...words);
  assert.equal(code, 0, stderr);
  return stdout;
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pixel-llm-diff-'));
  await runs('make-model', '--type', 'F32', 'toy.gguf');
  // Both weights lie in the last layer.
  const bytes = await readFile(join(folder, 'toy.gguf'));
  for (const fromEnd of [40_000, 80_000]) {
    const at = bytes.length - fromEnd;
    bytes.writeFloatLE(bytes.readFloatLE(at) + 0.25, at);
  }
  await writeFile(join(folder, 'tuned.gguf'), bytes);
  await runs('convert', 'tuned.gguf', 'tuned.pxi.png');
  await runs('convert', 'toy.gguf', 'small.gguf', '--type', 'Q8_0');
});
after(() => rm(folder, { recursive: true, force: true }));

test('a model and a picture of it with two other weights: their layer is told, the others are summed up', async () => {
  const page = await runs('diff', 'toy.gguf', 'tuned.pxi.png', 'changes.png', '--tensors', '--width', '900');
  assert.match(page, /\n {2}layer\.3 +197 k +2 +< 0\.1 % .* 0\.250 +blk\.3\.\S+ row \d+, column \d+\n/);
  assert.match(page, /\n {4}blk\.3\.attn_norm\.weight +128 +0\n/);
  assert.match(page, /\n {2}all +853 k +2 /);
  assert.match(page, /\n {2}5 layers unchanged\n$/);
  assert.doesNotMatch(page, /layer\.2/);
  const drawing = await readFile(join(folder, 'changes.png'));
  assert.ok(drawing.length > 5000 && drawing.readUInt32BE(16) <= 900);
});

test('all of it as JSON, between two types; no difference is no failure', async () => {
  const diff: ModelDiff = JSON.parse(await runs('diff', 'toy.gguf', 'small.gguf', '--json'));
  assert.equal(diff.weights, 853_120);
  assert.ok(diff.changed > 0.9 * diff.weights && diff.meanChange > 0 && diff.meanChange < 0.01);
  assert.deepEqual(diff.layers[0]?.tensors[0]?.types, ['F32', 'Q8_0']);
  assert.match(await runs('diff', 'toy.gguf', 'toy.gguf'), /\n {2}No weight differs: 853 k in 6 layers\.\n$/);
});

test('a drawing that would take the place of a model, and a model of another shape, are refused', async () => {
  await writeFile(join(folder, 'model.png'), await readFile(join(folder, 'tuned.pxi.png')));
  const pixie = join(import.meta.dirname, '../../../models/pixie.pxi.png');
  for (const [words, message] of [
    [['toy.gguf', 'tuned.gguf', 'out.pxi.png'], /out\.pxi\.png: a drawing is a PNG but no model/],
    [['toy.gguf', 'tuned.gguf', 'toy.gguf'], /call it NAME\.png/],
    [['toy.gguf', 'model.png', './model.png'], /is the input itself/],
    [['toy.gguf', 'tuned.gguf', '--width', '900'], /--width is of the drawing/],
    [['toy.gguf', pixie], /not of one shape; the first tensor that differs is "token_embd\.weight": it is 512 x 128/],
    [['toy.gguf', 'none.gguf'], /none\.gguf does not exist/],
  ] as const) {
    const { code, stderr } = await run('diff', ...words);
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
  }
});
