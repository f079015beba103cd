import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFileByteSource } from '../src/core/node.ts';
import { openPicture } from '../src/png/open-picture.ts';
import { openWeightsFile } from '../src/pxi/node.ts';
import type { ModelReport } from '../src/pxi/view/inspect.ts';
import { runCommand } from './command-line.ts';
import { golden, goldenTest } from './goldens.ts';

async function inTemporaryFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'pixel-llm-inspect-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function succeed(...parameters: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(parameters);
  assert.equal(code, 0, stderr);
  return stdout;
}

test('the places that inspect gives for a picture are where its pixels hold the planes', async () => {
  await inTemporaryFolder(async (folder) => {
    const [gguf, path] = [join(folder, 'toy.gguf'), join(folder, 'toy.pxi.png')];
    await succeed('make-model', '--type', 'Q8_0', gguf);
    await succeed('convert', gguf, path);
    const report: ModelReport = JSON.parse(await succeed('inspect', path, '--json'));
    assert.equal(report.format, 'picture');
    const [file] = report.pictures ?? [];
    const picture = await openPicture(await openFileByteSource(path));
    const source = await openWeightsFile(gguf);
    let planes = 0;
    for (const { name, fileSpace = [] } of report.layers.flatMap(({ tensors }) => tensors)) {
      for (const { rowStart, rowEnd, planes: list } of fileSpace) {
        for (const { plane, line, x, byteLength } of list) {
          const [pixels, expected] = [new Uint8Array(byteLength), new Uint8Array(byteLength)];
          await picture.readPixels((line * (file?.width ?? 0) + x) * 4, [pixels]);
          await source.readPlane(name, plane, { start: rowStart, end: rowEnd }, expected);
          assert.deepEqual(pixels, expected, `${name} ${plane}`);
          planes++;
        }
      }
    }
    assert.equal(planes, 29 * 2 + 9);
    await Promise.all([picture.dispose(), source.dispose()]);
  });
});

test('a picture of several files names the file of each plane, and any of the files names the model', async () => {
  await inTemporaryFolder(async (folder) => {
    await succeed('make-model', '--type', 'F32', join(folder, 'toy.gguf'));
    await succeed('convert', join(folder, 'toy.gguf'), join(folder, 'toy.pxi.png'), '--shard-size', '2MB');
    const second = join(folder, 'toy-00002-of-00002.pxi.png');
    const page = await succeed('inspect', second, '--layer', '3');
    assert.match(page, /2 pictures, the first of \d+ x \d+ pixels/);
    assert.match(page, /\n {2}layer\.3 .* 1:\d+-\d+ /);
    assert.match(page, /blk\.3\.attn_q\.weight +attention query .* v 1:\d+/);
    assert.doesNotMatch(page, /layer\.2/);
  });
});

test('a layer that the model has not is named, with those it has', async () => {
  await inTemporaryFolder(async (folder) => {
    await succeed('make-model', join(folder, 'toy.gguf'));
    const { code, stderr } = await runCommand(['inspect', join(folder, 'toy.gguf'), '--layer', 'layer.9']);
    assert.equal(code, 2);
    assert.match(stderr, /no layer "layer\.9"\. It has: embedding, layer\.0, .*output/);
  });
});

goldenTest('inspect reads a real vocabulary without weights', async () => {
  const page = await succeed('inspect', golden('tokenizer/ggml-vocab-qwen2.gguf'));
  assert.match(page, /weights +none: a vocabulary only/);
  assert.match(page, /byte-level BPE \(qwen2\), 151646 tokens, 151387 merges/);
  assert.match(page, /eos 151645 <\|im_end\|>/);
});
