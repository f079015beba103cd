import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isPixelError } from '../src/core/errors.ts';
import type { Image } from '../src/png/encode-image.ts';
import { openWeightsFile } from '../src/pxi/node.ts';
import { renderModel, renderTensor } from '../src/pxi/view/render.ts';
import { runCommand } from './command-line.ts';
import { golden, goldenTest } from './goldens.ts';
import { floatSource } from './render-source.ts';

function pixel({ width, pixels }: Image, x: number, y: number): number[] {
  return [...pixels.subarray((y * width + x) * 4, (y * width + x) * 4 + 4)];
}

const light = ([red = 0, green = 0, blue = 0]: number[]) => red + green + blue;

test('one large weight is one bright square, where its row and column are', async () => {
  const lit = { row: 5, column: 40 };
  const source = await floatSource([
    { name: 'w', columns: 50, rows: 20, value: (row, column) => (row === lit.row && column === lit.column ? -1 : 0) },
  ]);
  const image = await renderTensor(source, 'w');
  // 50 columns on 1800 pixels: 36 a weight; the drawing begins 24 from the left and 76 from the top.
  const at = (row: number, column: number) => pixel(image, 24 + column * 36 + 18, 76 + row * 36 + 18);
  for (let row = 0; row < 20; row++) {
    for (let column = 0; column < 50; column++) {
      const isLit = row === lit.row && column === lit.column;
      assert.equal(light(at(row, column)) > 300, isLit, `row ${row}, column ${column}`);
    }
  }
  const [red = 0, , blue = 0] = at(lit.row, lit.column);
  assert.ok(blue > red, 'negative is blue');
});

test('a tensor of a type that nobody can compute with is hatched, the others are drawn as always', async () => {
  const source = await floatSource([
    { name: 'blk.0.attn_q.weight', columns: 64, rows: 64, value: () => 1, type: 'I32' },
    { name: 'blk.0.attn_k.weight', columns: 64, rows: 64, value: () => 1 },
  ]);
  const image = await renderModel(source);
  let bright = 0;
  // Between title and legend; only weights are that light.
  for (let y = 76; y < image.height - 120; y++) {
    for (let at = y * image.width * 4; at < (y + 1) * image.width * 4; at += 4) {
      const [red = 0, green = 0, blue = 0] = image.pixels.subarray(at, at + 3);
      if (red + green + blue > 640) bright++;
    }
  }
  const scale = Math.sqrt(bright / 64 ** 2);
  assert.ok(Number.isInteger(scale) && scale >= 8, `one tensor of 64 x 64 is bright, at scale ${scale}`);
});

test('a model without tensors, and an abort, are errors with a code', async () => {
  await assert.rejects(renderModel(await floatSource([])), (error) => isPixelError(error, 'bad-metadata'));
  const source = await floatSource([{ name: 'w', columns: 4, rows: 4, value: () => 1 }]);
  const signal = AbortSignal.abort();
  await assert.rejects(renderModel(source, { signal }), (error) => isPixelError(error, 'aborted'));
});

test('progress reaches its total', async () => {
  const source = await floatSource([
    { name: 'token_embd.weight', columns: 64, rows: 1000, value: () => 1 },
    { name: 'output_norm.weight', columns: 64, rows: 1, value: () => 1 },
  ]);
  const seen: number[] = [];
  await renderModel(source, { onProgress: ({ done, total }) => void seen.push(done / (total ?? 1)) });
  assert.ok(Math.abs((seen.at(-1) ?? 0) - 1) < 1e-9 && seen.every((share) => share <= 1 + 1e-9));
});

test('the render command draws a GGUF and its picture alike, and refuses to call a drawing a model', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pixel-llm-render-'));
  const file = (name: string) => join(folder, name);
  try {
    for (const parameters of [
      ['make-model', '--seed', '3', file('toy.gguf')],
      ['convert', file('toy.gguf'), file('toy.pxi.png')],
      ['render', file('toy.gguf'), file('a.png'), '--width', '900'],
      ['render', file('toy.pxi.png'), file('b.png'), '--width', '900'],
    ]) {
      const { code, stderr } = await runCommand(parameters);
      assert.equal(code, 0, stderr);
    }
    const drawing = await readFile(file('a.png'));
    assert.deepEqual(drawing, await readFile(file('b.png')));
    assert.ok(drawing.length > 10_000 && drawing.readUInt32BE(16) <= 900);
    for (const [parameters, message] of [
      [['render', file('toy.gguf'), file('x.pxi.png')], /call it NAME\.png/],
      [['render', file('toy.gguf'), file('x.png'), '--tensor', 'nope'], /no tensor "nope"/],
      [['render', file('toy.gguf'), file('x.png'), '--width', '3'], /whole number from 640/],
      [['render', file('none.gguf'), file('x.png')], /does not exist/],
    ] as const) {
      const { code, stderr } = await runCommand(parameters);
      assert.equal(code, 2);
      assert.match(stderr, message);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

goldenTest(
  'a trained model is drawn with its layers, and its drawing is no noise: rows differ in strength',
  async () => {
    const source = await openWeightsFile(golden('models/TinyStories-656K-Q8_0.gguf'));
    try {
      const image = await renderTensor(source, 'blk.1.ffn_down.weight');
      const strength = Array.from({ length: 128 }, (_, row) => {
        const step = (image.width - 48) / 384;
        let sum = 0;
        for (let column = 0; column < 384; column++) sum += light(pixel(image, 24 + column * step, 76 + row * step));
        return sum;
      }).toSorted((a, b) => a - b);
      assert.ok((strength.at(-1) ?? 0) > 2 * (strength.at(64) ?? 0));
    } finally {
      await source.dispose();
    }
  },
);
